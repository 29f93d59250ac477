"""The `inspector` command: finds its subcommands, and turns errors into messages and exit codes.

A subcommand is a function called like its module in this folder.
"""

from __future__ import annotations

import functools
import gc
import importlib
import os
import pkgutil
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterable
from typing import Annotated, ParamSpec, TypeVar

import typer

from inspector import cli
from inspector.cli import output
from inspector.errors import InspectorError

P = ParamSpec("P")
R = TypeVar("R")

KNOWN_ERROR, INTERRUPTED = 1, 130


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        output.data(f"inspector {version('onnx-inspector')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """See what a trained network has learned, with nothing but ONNX Runtime installed.

    Examples:
    inspector convert lars.tflearn -o lars.onnx

    inspector filters lars.onnx -l conv_1 -o conv_1.png

    inspector predict lars.onnx photos/
    """


def guarded(command: Callable[P, R]) -> Callable[P, R]:
    """A command whose errors are one line on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            try:
                return command(*args, **kwargs)
            finally:
                output.flush()
        except InspectorError as error:
            output.error(error.message, error.hint)
            raise typer.Exit(KNOWN_ERROR) from None
        except KeyboardInterrupt:
            output.error("interrupted", "")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output has what it wanted.
            output.abandon()
            raise typer.Exit(0) from None
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception:  # a bug: nothing else may reach a user as a traceback
            if os.environ.get("INSPECTOR_DEBUG") == "1":
                raise
            output.error(*_saved_traceback())
            raise typer.Exit(KNOWN_ERROR) from None

    return run


def _saved_traceback() -> tuple[str, str]:
    with tempfile.NamedTemporaryFile(
        "w", prefix="inspector-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        file.write(" ".join(sys.argv) + "\n" + traceback.format_exc())
    last = traceback.format_exc().strip().splitlines()[-1]
    return (
        f"this is a bug in inspector: {last}",
        f"Please report it with the traceback in {file.name} (INSPECTOR_DEBUG=1 shows it at once).",
    )


def build(only: str = "") -> typer.Typer:
    """The application with every subcommand that stands in this folder.

    Args:
        only: A subcommand that is wanted alone; all are there when it is none.
    """
    app = typer.Typer(
        name="inspector",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    names = [info.name for info in pkgutil.iter_modules(cli.__path__)]
    commands = _commands([only] if only in names else names) or _commands(names)
    for name, command in commands.items():
        app.command(name)(guarded(command))
    return app


def _commands(modules: Iterable[str]) -> dict[str, Callable[..., None]]:
    """The subcommands among these modules: each a function called like its module."""
    found = {name: getattr(importlib.import_module(f"inspector.cli.{name}"), name, None) for name in modules}
    return {name: command for name, command in found.items() if callable(command)}


def main() -> None:
    """Run the command line."""
    # Imports make many objects and next to no garbage: looking for it is a few percent of a short command.
    gc.set_threshold(50_000, *gc.get_threshold()[1:])
    # Options of the other subcommands need not be worked out.
    try:
        try:
            build(sys.argv[1] if len(sys.argv) > 1 else "")()
        finally:
            output.flush()
    except BrokenPipeError:
        output.abandon()
    except InspectorError as error:
        # Commands say their own; this is the version, a list or help that could not be written.
        output.error(error.message, error.hint)
        sys.exit(KNOWN_ERROR)
    except OSError as error:
        if os.environ.get("INSPECTOR_DEBUG") == "1":
            raise
        unwritten = output.unwritten(error)
        output.error(unwritten.message, unwritten.hint)
        sys.exit(KNOWN_ERROR)
