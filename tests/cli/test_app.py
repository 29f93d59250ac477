"""What all commands have in common: help, errors, exit codes."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from inspector.cli import output
from inspector.cli.app import guarded
from inspector.errors import ModelError

FOLDER = Path(__file__).resolve().parents[2] / "inspector" / "cli"
# A command is a file with a function of the same name; the others help.
HELPERS = {"__init__", "app", "options", "output"}
COMMANDS = tuple(sorted(path.stem for path in FOLDER.glob("*.py") if path.stem not in HELPERS))


def run(*words, **options):
    return subprocess.run(
        [sys.executable, "-m", "inspector", *map(str, words)], capture_output=True, text=True, **options
    )


def test_help_lists_every_command_and_begins_with_examples(inspector):
    said = inspector("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert re.search(rf"│ {command} ", said.out)
    assert said.out.index("Examples:") < said.out.index("Options")


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_begins_with_examples(inspector, command):
    said = inspector(command, "-h")
    assert said.out.index(f"inspector {command}") < said.out.index("Options")
    assert said.out.index("Examples:") < said.out.index("Options")


def test_the_version_is_that_of_the_distribution(inspector):
    from importlib.metadata import version

    assert inspector("--version").out == f"inspector {version('onnx-inspector')}\n"


def test_a_wrong_option_is_a_usage_error(inspector):
    assert inspector("layers", "--nonsense").code == 2


def test_a_known_error_is_one_line_and_a_hint_on_stderr(inspector, net):
    said = inspector("filters", net, "-l", "conv_11")
    assert said.code == 1
    assert said.out == ""
    assert said.err == (f"error: {net} has no layer 'conv_11'; nearest: conv_1\n  inspector layers {net}\n")


def test_a_bug_is_told_with_the_file_of_its_traceback(capsys, monkeypatch):
    import typer

    monkeypatch.delenv("INSPECTOR_DEBUG", raising=False)

    def broken():
        raise ZeroDivisionError("oops")

    with pytest.raises(typer.Exit) as caught:
        guarded(broken)()
    assert caught.value.exit_code == 1
    err = capsys.readouterr().err
    assert err.startswith("error: this is a bug in inspector: ZeroDivisionError: oops\n  Please report it")
    path = Path(re.search(r"traceback in (\S+) \(", err).group(1))
    assert "ZeroDivisionError: oops" in path.read_text(encoding="utf-8")
    path.unlink()


def test_a_bug_is_shown_at_once_when_asked_for(monkeypatch):
    monkeypatch.setenv("INSPECTOR_DEBUG", "1")

    def broken():
        raise ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError):
        guarded(broken)()


def test_an_interruption_exits_with_130(capsys):
    import typer

    def interrupted():
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as caught:
        guarded(interrupted)()
    assert caught.value.exit_code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_an_error_cannot_steer_the_terminal(capsys):
    import typer

    def hostile():
        raise ModelError("layer \x1b[31mred\u202e is wrong", "")

    with pytest.raises(typer.Exit):
        guarded(hostile)()
    assert capsys.readouterr().err == "error: layer �[31mred� is wrong\n"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows reports a closed pipe otherwise")
def test_a_reader_that_stops_reading_is_no_error(net):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "inspector", "layers", str(net)], stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert done.returncode == 0
    assert done.stderr == b""


def test_messages_are_plain_where_colours_are_not_wanted(capsys, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    output.warning("one")
    monkeypatch.setenv("NO_COLOR", "1")
    output.warning("two")
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    output.warning("three")
    assert capsys.readouterr().err == "\x1b[33;1mwarning:\x1b[0m one\nwarning: two\nwarning: three\n"


def test_the_package_runs_as_a_module():
    done = run("--version")
    assert done.returncode == 0
    assert done.stdout.startswith("inspector ")


@pytest.mark.parametrize("word", ["layers", "options", "nonsense", "--help"])
def test_one_subcommand_is_built_alone_and_any_other_word_builds_them_all(word):
    from inspector.cli.app import build

    names = {command.name for command in build(word).registered_commands}
    assert names == ({"layers"} if word == "layers" else set(COMMANDS))


def test_an_unknown_command_is_a_usage_error_that_lists_none_wrongly():
    done = run("nonsense")
    assert done.returncode == 2
    assert "No such command 'nonsense'" in done.stderr
