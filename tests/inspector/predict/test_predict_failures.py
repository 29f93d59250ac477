"""Pictures and models that fail: what becomes a `Failure`, and what is raised."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey_network import SIDE, WEIGHTS, Net, pictures, write_folder
from onnx import helper

from inspector.errors import FileError, ImageError, ModelError, RunError
from inspector.predict import Failure, Prediction, Predictor, stream
from inspector.session import Session, TimeLimitError


def test_one_bad_picture_does_not_stop_a_folder(net: Net, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", pictures(4))
    (folder / "2.png").write_bytes(b"rubbish")
    found = list(stream(net(), folder))
    assert [type(item) for item in found] == [Prediction, Prediction, Failure, Prediction]
    bad = found[2]
    assert isinstance(bad, Failure)
    assert bad.source == str(folder / "2.png")
    assert bad.message == f"{bad.source}: is not a picture; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM"
    together = net().predict(folder)
    assert (len(together), len(together.failures)) == (3, 1)


def test_pictures_that_are_all_bad_give_failures_only(net: Net, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", [])
    (folder / "1.png").write_bytes(b"rubbish")
    found = net().predict(folder)
    assert (len(found), [failure.source for failure in found.failures]) == (0, [str(folder / "1.png")])


def test_a_single_bad_picture_is_an_error(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    with pytest.raises(FileError) as missing:
        net().predict(path)
    assert missing.value.message == f"{path}: no such file; expected a picture, a folder or a glob"
    with pytest.raises(ImageError) as caught:
        net().predict(b"rubbish")
    assert caught.value.message == "image: is not a picture; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM"


def test_a_missing_file_in_a_list_is_a_failure(net: Net, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "pictures", pictures(2))
    found = net().predict([tmp_path / "absent.png", folder, pictures(1)[0]])
    assert [item.source for item in found] == [str(folder / "0.png"), str(folder / "1.png"), "image 2"]
    assert [failure.message for failure in found.failures] == [
        f"{tmp_path / 'absent.png'}: no such file; expected a picture"
    ]


def test_scores_that_are_nan_are_a_failure(net: Net) -> None:
    model = net(weights=np.full_like(WEIGHTS, np.nan))
    found = model.predict([pictures(1)[0]])
    assert [failure.message for failure in found.failures] == [
        "image 0: the model gives NaN or infinite scores for it; expected finite numbers"
    ]


def test_a_model_that_cannot_be_run_raises_whatever_the_pictures(net: Net) -> None:
    model = net([helper.make_node("Sharpen", ["z"], ["y"], domain="acme")])
    with pytest.raises(ModelError) as caught:
        model.predict(pictures(4))
    assert caught.value.message == (
        f"{model.path}: cannot be run: it uses operators that are not ONNX's: acme.Sharpen"
    )


def test_a_picture_that_cannot_be_run_does_not_spoil_its_batch(
    net: Net, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Session.run

    def picky(self: Session, feeds: dict[str, Any], outputs: Any = None) -> Any:
        if (feeds["x"] == 1).all(axis=(1, 2, 3)).any():
            raise RunError("it is white")
        return run(self, feeds, outputs)

    monkeypatch.setattr(Session, "run", picky)
    images = [*pictures(2), np.full((SIDE, SIDE), 255, np.uint8), *pictures(1)]
    found = list(stream(net(), images, threads=1))
    assert [type(item) for item in found] == [Prediction, Prediction, Failure, Prediction]
    failures = [(item.source, item.message) for item in found if isinstance(item, Failure)]
    assert failures == [("image 2", "it is white")]


def test_the_time_limit_ends_the_whole_stream(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: Session, feeds: Any, outputs: Any = None) -> Any:
        raise TimeLimitError("too slow")

    monkeypatch.setattr(Session, "run", slow)
    with pytest.raises(TimeLimitError):
        net().predict(pictures(5))


def test_one_folder_without_pictures_does_not_stop_the_others(net: Net, tmp_path: Path) -> None:
    good, empty = write_folder(tmp_path / "good", pictures(2)), write_folder(tmp_path / "empty", [])
    images = [good, empty, "", str(tmp_path / "*.none"), good / "0.png"]
    found = list(stream(net(), images))
    assert [type(item) for item in found] == [Prediction, Prediction, Failure, Failure, Failure, Prediction]
    messages = [item.message for item in found if isinstance(item, Failure)]
    formats = "JPEG, PNG, BMP, GIF, TIFF, WebP or PPM"
    assert messages == [
        f"{empty}: there is no picture in this folder; expected {formats} files",
        "'': is an empty path; expected a picture, a folder or a glob",
        f"{tmp_path / '*.none'}: no picture matches; expected {formats} files",
    ]


def test_one_folder_without_pictures_is_an_error(net: Net, tmp_path: Path) -> None:
    empty = write_folder(tmp_path / "empty", [])
    with pytest.raises(ImageError) as caught:
        net().predict(empty)
    assert caught.value.message == (
        f"{empty}: there is no picture in this folder; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM files"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_pipe_in_a_folder_is_a_failure(net: Net, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", pictures(1))
    os.mkfifo(folder / "1.png")
    found = net().predict(folder)
    assert len(found) == 1
    assert [failure.message for failure in found.failures] == [
        f"{folder / '1.png'}: is a pipe, socket or device, not a regular file; expected a picture"
    ]


def test_the_model_is_named_when_its_input_takes_no_pictures(net: Net) -> None:
    model = net(shape=("N", 10))
    with pytest.raises(ImageError) as caught:
        Predictor(model)
    assert caught.value.message == (
        f"{model.path}: the input 'x' has the shape (N, 10); expected pictures: "
        "(batch, height, width, channels) or (batch, channels, height, width) with 1 or 3 channels"
    )
