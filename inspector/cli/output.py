"""The one place that writes to the terminal: data to stdout, everything else to stderr."""

from __future__ import annotations

import json as json_module
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from inspector.caution import Caution
from inspector.errors import FileError, InspectorError
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
    with _writing():
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def flush() -> None:
    """Have all results really written: only then shows a reader that has gone, or a full disk.

    Raises:
        FileError: They cannot be written.
    """
    with _writing():
        sys.stdout.flush()


def abandon() -> None:
    """Let what is still unwritten go nowhere: the interpreter would try again as it ends."""
    with suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise unwritten(error) from error


def unwritten(fault: OSError) -> FileError:
    """What is said where results could not be written; no more of them are."""
    abandon()
    return FileError(
        f"standard output: cannot be written: {fault.strerror or fault}",
        "Check the room on its disk, or send it elsewhere.",
    )


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
    """Say what the user should know although the work goes on, and what helps where the warning knows it."""
    _say(f"{_styled('warning:', '33')} {_lines(text)}\n")
    _hint(text.hint if isinstance(text, Caution) else "")


def error(message: str, hint: str) -> None:
    """Say what stopped the work, and what helps."""
    _say(f"{_styled('error:', '31')} {_lines(message)}\n")
    _hint(hint)


def errors_once() -> Callable[[InspectorError], None]:
    """A way to say errors of many pictures: what a model refuses for each of them is said once."""
    said: set[tuple[str, str]] = set()

    def say(found: InspectorError) -> None:
        if (found.message, found.hint) not in said:
            said.add((found.message, found.hint))
            error(found.message, found.hint)

    return say


def _hint(text: str) -> None:
    if text:
        _say("  " + _lines(text).replace("\n", "\n  ") + "\n")


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
    with _writing(), console.capture() as captured:
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
    """Show a bar, on a terminal; yields the function that moves it by one.

    What turns and the time beside it show that a long step is at work.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        SpinnerColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (SpinnerColumn(), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
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
