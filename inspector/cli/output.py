"""The one place that writes to the terminal: data to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from inspector.safe_names import printable

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

_LONGEST_NAME, _LONGEST_LINE = 120, 2000
# Wide enough that nothing is cut when another program reads the output.
_PIPE_WIDTH = 10_000


def _say(text: str) -> None:
    encoding = sys.stderr.encoding or "utf-8"
    sys.stderr.write(text.encode(encoding, "backslashreplace").decode(encoding))


def data(text: str) -> None:
    """Write a line of results; what the terminal's encoding lacks is escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def json(value: object, *, indent: int | None = 2) -> None:
    """Write results as JSON, valid wherever stdout goes."""
    text = json_module.dumps(value, indent=indent, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        text = json_module.dumps(value, indent=indent)
    data(text)


def note(text: str, *, quiet: bool = False) -> None:
    """Say what was done."""
    if not quiet:
        _say(_lines(text) + "\n")


def warning(text: str) -> None:
    """Say what the user should know although the work goes on."""
    _say(f"{_styled('warning:', '33')} {_lines(text)}\n")


def error(message: str, hint: str) -> None:
    """Say what stopped the work, and what helps."""
    _say(f"{_styled('error:', '31')} {_lines(message)}\n")
    if hint:
        _say("  " + _lines(hint).replace("\n", "\n  ") + "\n")


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Iterable[str] = ()) -> None:
    """Write a table to stdout.

    Args:
        columns: The headings.
        rows: The cells; they may hold a stranger's names.
        numbers: Headings of the columns that are aligned to the right.
    """
    from rich.table import Table
    from rich.text import Text

    right = set(numbers)
    grid = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        grid.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in right, overflow="fold"
        )
    for row in rows:
        grid.add_row(*(Text(printable(cell, _LONGEST_NAME)) for cell in row))
    console = _console(sys.stdout.isatty())
    # Left to itself, rich ends the process when the reader has gone.
    with console.capture() as captured:
        console.print(grid)
    data("\n".join(line.rstrip() for line in captured.get().splitlines()))


@contextmanager
def stages(quiet: bool) -> Iterator[Callable[[str], None]]:
    """Show what is being done, on a terminal; yields the function that says it."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage: None
        return
    from rich.console import Console

    with Console(stderr=True).status("starting") as status:
        yield lambda stage: status.update(stage)


@contextmanager
def progress(total: int, quiet: bool) -> Iterator[Callable[[], None]]:
    """Show a bar, on a terminal; yields the function that moves it by one."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    with Progress(
        BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True), transient=True
    ) as bar:
        task = bar.add_task("", total=total)
        yield lambda: bar.advance(task)


def _console(terminal: bool) -> Console:
    from rich.console import Console

    return Console(markup=False, highlight=False, emoji=False, width=None if terminal else _PIPE_WIDTH)


def _lines(text: str) -> str:
    """A message that may quote a stranger's file; its own line breaks stay."""
    return "\n".join(printable(line, _LONGEST_LINE) for line in text.splitlines())


def _styled(text: str, code: str) -> str:
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb" or not sys.stderr.isatty()
    return text if plain else f"\x1b[{code};1m{text}\x1b[0m"


def cells(*values: Any) -> list[str]:
    """Values as table cells: thousands separated, None as a question mark."""
    return [
        "?" if value is None else f"{value:,}" if isinstance(value, int) else str(value) for value in values
    ]
