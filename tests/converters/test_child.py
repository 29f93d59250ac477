"""A framework in a process of its own."""

import pytest

from converters.child import Child
from converters.errors import MissingExtraError, SourceError

HERE = "tests_child_functions"


@pytest.fixture
def functions(tmp_path, monkeypatch):
    (tmp_path / f"{HERE}.py").write_text(
        "import os, sys\n"
        "from converters.errors import MissingExtraError\n"
        "def add(a, b):\n    print('noise on stdout'); return a + b\n"
        "def refuse():\n    raise MissingExtraError('no framework here', 'install it')\n"
        "def crash():\n    sys.stderr.write('the last word\\n'); sys.stderr.flush(); os._exit(7)\n"
        "def fail():\n    raise RuntimeError('first line\\nsecond line')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def test_a_call_returns_the_functions_result_whatever_the_function_prints(functions):
    with Child("Python", "net") as child:
        assert child.call(f"{HERE}:add", a=1, b=2) == 3


def test_calls_are_answered_in_the_order_in_which_they_were_sent(functions):
    with Child("Python", "net") as child:
        child.send(f"{HERE}:add", a=1, b=2)
        child.send(f"{HERE}:add", a=10, b=20)
        assert [child.receive(), child.receive()] == [3, 30]


def test_a_known_error_arrives_as_itself(functions):
    with Child("Python", "net") as child, pytest.raises(MissingExtraError) as caught:
        child.call(f"{HERE}:refuse")
    assert (caught.value.message, caught.value.hint) == ("no framework here", "install it")


def test_any_other_error_is_named_by_its_first_line_and_the_child_lives_on(functions):
    with Child("Frame 1.0", "net") as child:
        with pytest.raises(SourceError) as caught:
            child.call(f"{HERE}:fail")
        assert caught.value.message == "net: Frame 1.0 failed on it: RuntimeError: first line"
        assert caught.value.hint == "INSPECTOR_DEBUG=1 shows its own words."
        assert child.call(f"{HERE}:add", a=2, b=2) == 4


def test_a_crash_is_told_with_the_last_words_of_the_process(functions):
    with Child("Frame 1.0", "net") as child, pytest.raises(SourceError) as caught:
        child.call(f"{HERE}:crash")
    assert caught.value.message == "net: Frame 1.0 ended with code 7 while it worked on it"
    assert caught.value.hint == "INSPECTOR_DEBUG=1 shows its own words."


def test_the_frameworks_own_words_are_shown_when_asked_for(functions, monkeypatch):
    monkeypatch.setenv("INSPECTOR_DEBUG", "1")
    with Child("Frame 1.0", "net") as child, pytest.raises(SourceError) as caught:
        child.call(f"{HERE}:fail")
    assert "second line" in caught.value.hint
    with Child("Frame 1.0", "net") as child, pytest.raises(SourceError) as caught:
        child.call(f"{HERE}:crash")
    assert caught.value.hint == "the last word"


def test_a_call_to_a_dead_child_is_the_same_error(functions):
    with Child("Frame 1.0", "net") as child:
        with pytest.raises(SourceError):
            child.call(f"{HERE}:crash")
        with pytest.raises(SourceError, match="ended with code 7"):
            child.call(f"{HERE}:add", a=1, b=1)


def test_a_module_in_the_current_folder_is_not_taken_for_a_framework(tmp_path, monkeypatch):
    (tmp_path / "platform.py").write_text("raise SystemExit('this ran')")
    monkeypatch.chdir(tmp_path)
    with Child("Python", "a model") as child:
        assert child.call("platform:python_implementation")
