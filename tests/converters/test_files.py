"""Files of strangers, and outputs of which no half is ever left."""

import errno
import os
import sys

import pytest

from converters.errors import FileError, OutputExistsError
from converters.files import check_file, check_output, replacing


def refusal(path, **options):
    with pytest.raises(FileError) as caught:
        check_file(path, "an ONNX model", **options)
    return caught.value.message, caught.value.hint


def test_a_good_file_is_returned(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    assert check_file(str(tmp_path / "a"), "an ONNX model") == tmp_path / "a"


def test_a_missing_file(tmp_path):
    path = tmp_path / "no.onnx"
    assert refusal(path) == (f"{path}: no such file; expected an ONNX model", "")


def test_an_empty_file(tmp_path):
    path = tmp_path / "e.onnx"
    path.touch()
    assert refusal(path) == (f"{path}: is empty; expected an ONNX model", "Fetch or export the file again.")


def test_a_directory(tmp_path):
    assert refusal(tmp_path)[0] == f"{tmp_path}: is a directory; expected an ONNX model"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "p")
    found = f"{tmp_path / 'p'}: is a pipe, socket or device, not a regular file; expected an ONNX model"
    assert refusal(tmp_path / "p")[0] == found


@pytest.mark.skipif(sys.platform == "win32", reason="this system has no /dev")
def test_a_device():
    found = "/dev/zero: is a pipe, socket or device, not a regular file; expected an ONNX model"
    assert refusal("/dev/zero")[0] == found


def test_a_name_that_no_file_can_have():
    assert refusal("a\0b")[0] == "a\0b: cannot be read: stat: embedded null character in path" or refusal(
        "a\0b"
    )[0].startswith("a\0b: cannot be read: embedded null")


def test_an_unreadable_file(tmp_path, monkeypatch):
    path = tmp_path / "secret"
    path.write_bytes(b"x")
    # The test may run as root, to whom nothing is unreadable.
    monkeypatch.setattr(
        "pathlib.Path.open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied"))
    )
    assert refusal(path)[0] == f"{path}: cannot be read: Permission denied"


def test_a_file_over_the_cap(tmp_path):
    path = tmp_path / "big"
    path.write_bytes(bytes(2000))
    assert (
        refusal(path, cap=1000)[0]
        == f"{path}: is 2,000 bytes, more than the 1,000 accepted for an ONNX model"
    )


def test_a_git_lfs_pointer(tmp_path):
    path = tmp_path / "m.onnx"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    assert refusal(path) == (f"{path}: is a Git LFS pointer, not the file itself", "git lfs pull")


@pytest.mark.parametrize("text", ["<!DOCTYPE html><html>", "\n  <HTML><head>"])
def test_an_html_page(tmp_path, text):
    path = tmp_path / "m.onnx"
    path.write_text(text)
    hint = "The download saved a web page: fetch the raw file."
    assert refusal(path) == (f"{path}: is an HTML page; expected an ONNX model", hint)


def test_an_output_appears_whole_and_nothing_else_stays(tmp_path):
    with replacing(tmp_path / "out", force=False) as temporary:
        temporary.write_text("done")
        assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (tmp_path / "out").read_text() == "done"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no permission bits")
def test_an_output_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    with replacing(tmp_path / "out", force=False):
        pass
    assert (tmp_path / "out").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failure_leaves_the_old_output_and_no_half_of_a_new_one(tmp_path):
    (tmp_path / "out").write_text("old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "out", force=True) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("out", "old")]


def test_an_existing_output_is_kept_unless_force_is_given(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    with pytest.raises(OutputExistsError) as caught, replacing(path, force=False):
        pass
    assert caught.value.message == f"{path}: exists already"
    assert caught.value.hint == "Use --force to replace it."
    with replacing(path, force=True) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"


def test_an_output_in_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(FileError) as caught:
        check_output(tmp_path / "no" / "out", force=False)
    assert caught.value.message == f"{tmp_path / 'no' / 'out'}: the folder {tmp_path / 'no'} does not exist"
    assert caught.value.hint == f"mkdir -p {tmp_path / 'no'}"


def test_an_output_that_is_a_folder(tmp_path):
    with pytest.raises(FileError, match="is a directory; expected the name of a file to write"):
        check_output(tmp_path, force=True)


def test_an_output_for_which_there_is_no_room_is_told_and_nothing_is_left(tmp_path):
    with pytest.raises(FileError) as caught, replacing(tmp_path / "a.png", force=False) as temporary:
        temporary.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.message == f"{tmp_path / 'a.png'}: cannot be written: No space left on device"
    assert caught.value.hint == "Check the room on its disk, and that you may write there."
    assert list(tmp_path.iterdir()) == []


def test_another_fault_while_an_output_is_made_stays_what_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.png", force=False):
        raise FileNotFoundError(errno.ENOENT, "No such file", "source.npy")
