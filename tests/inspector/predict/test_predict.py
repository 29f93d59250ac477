"""Pictures in, predictions out: their order, batches, sizes and threads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from grey_network import RNG, SIDE, Net, all_scores, expected, pictures, softmax, write_folder
from onnx import helper
from PIL import Image

from inspector.errors import OptionError
from inspector.model import Model
from inspector.picture_list import list_pictures
from inspector.predict import Prediction, Predictor, predict, stream
from inspector.session import Session


def test_the_likeliest_classes_come_first(net: Net) -> None:
    picture = pictures(1)[0]
    found = net().predict(picture, top=2)[0]
    order = np.argsort(-expected(picture))
    assert found.indices.tolist() == order[:2].tolist()
    assert np.allclose(found.probabilities, expected(picture)[order[:2]], atol=1e-6)
    assert found.probabilities.dtype == np.float32
    assert found.labels == tuple(f"class {index}" for index in order[:2])


@pytest.mark.parametrize("batch_size", [None, 1, 3, 100])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_folder_gives_its_pictures_in_order_whatever_the_batch(
    batch_size: int | None, threads: int, net: Net, tmp_path: Path
) -> None:
    images = pictures(23)
    folder = write_folder(tmp_path / "pictures", images)
    found = net().predict(folder, batch_size=batch_size, threads=threads)
    assert [item.source for item in found] == [str(folder / f"{index}.png") for index in range(23)]
    for item, image in zip(found, images, strict=True):
        assert np.allclose(all_scores(item), expected(image), atol=1e-6)


def test_pictures_come_in_many_forms(net: Net) -> None:
    several = np.stack(pictures(3))[..., None]
    model = net()
    assert len(model.predict(several)) == 3
    assert len(model.predict(Image.fromarray(several[0, :, :, 0]))) == 1
    assert len(model.predict(image for image in several)) == 3
    for given in (several, Image.fromarray(several[0, :, :, 0]), (image for image in several)):
        assert np.allclose(all_scores(model.predict(given)[0]), expected(several[0]), atol=1e-6)
    assert len(model.predict([])) == 0
    assert list_pictures(several).count == 3


def test_a_stream_reads_no_further_ahead_than_needed(net: Net) -> None:
    taken: list[int] = []

    def endless() -> Iterator[np.ndarray[Any, Any]]:
        while True:
            taken.append(1)
            yield pictures(1)[0]

    results = stream(net(), endless(), threads=2, batch_size=2)
    assert isinstance(next(results), Prediction)
    results.close()  # type: ignore[attr-defined]
    assert len(taken) < 50


def test_a_fixed_batch_is_filled_up(net: Net) -> None:
    images = pictures(5)
    model = net(shape=(4, SIDE, SIDE, 1), output=(4, 3))
    found = model.predict(images)
    assert len(found) == 5
    for item, image in zip(found, images, strict=True):
        assert np.allclose(all_scores(item), expected(image), atol=1e-6)


def test_a_batch_size_other_than_the_fixed_one_is_refused(net: Net) -> None:
    model = net(shape=(4, SIDE, SIDE, 1))
    with pytest.raises(OptionError) as caught:
        Predictor(model, batch_size=2)
    assert caught.value.message == f"{model.path}: takes batches of 4; given batch size 2"


def test_a_model_without_batch_axis_takes_one_picture_at_a_time(net: Net) -> None:
    tail = [
        helper.make_node("Softmax", ["z"], ["s"]),
        helper.make_node("Squeeze", ["s"], ["y"]),
    ]
    model = net(tail, shape=(SIDE, SIDE, 1), output=(3,))
    images = pictures(3)
    for item, image in zip(model.predict(images), images, strict=True):
        assert np.allclose(all_scores(item), expected(image), atol=1e-6)


def test_pictures_of_several_sizes_are_run_at_their_own(net: Net) -> None:
    tail = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["q"]),
        helper.make_node("Softmax", ["q"], ["y"]),
    ]
    model = net(tail, shape=("N", 3, None, None), metadata={})
    images = [RNG.integers(0, 256, (size, 8, 3), dtype=np.uint8) for size in (4, 4, 12, 4)]
    found = model.predict(images, threads=1)
    for item, image in zip(found, images, strict=True):
        means = image.reshape(-1, 3).astype(np.float64).mean(axis=0) / 255
        assert np.allclose(all_scores(item), softmax(means), atol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"top": 0}, "top is 0; expected 1 or more"),
        ({"batch_size": 0}, "batch size is 0; expected 1 or more"),
        ({"threads": -1}, "threads is -1; expected 1 or more"),
    ],
)
def test_numbers_below_one_are_refused(options: dict[str, int], message: str, net: Net) -> None:
    with pytest.raises(OptionError) as caught:
        predict(net(), pictures(1), **options)  # type: ignore[arg-type]
    assert caught.value.message == message


def test_a_predictor_opens_its_model_once(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    created: list[Session] = []
    create = Session._create

    def counting(self: Session, extra: Sequence[str]) -> Any:
        created.append(self)
        return create(self, extra)

    monkeypatch.setattr(Session, "_create", counting)
    predictor = Predictor(net(), threads=2)
    for _ in range(3):
        predictor.predict(pictures(4))
    assert len(created) == 1


def test_fast_decoding_gives_nearly_the_same(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(RNG.integers(0, 256, (5, 5), dtype=np.uint8)).resize((397, 403)).save(path)
    model = net()
    slow, fast = (all_scores(model.predict(path, fast_decode=quick)[0]) for quick in (False, True))
    assert not np.array_equal(slow, fast)
    assert np.allclose(slow, fast, atol=0.05)


def test_an_animated_picture_carries_its_warning(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = net().predict(path)[0]
    assert found.warnings == (f"{path}: holds 2 pictures; the first one is used",)
    assert found.to_dict()["warnings"] == list(found.warnings)


def test_more_threads_than_cores_are_not_started(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("inspector.predictor.cores", lambda: 3)
    model = net()
    asked: list[int | None] = []
    session = model.session

    def recording(*, threads: int | None, time_limit: float | None) -> Session:
        asked.append(threads)
        return session(threads=threads, time_limit=time_limit)

    monkeypatch.setattr(Model, "session", lambda self, **options: recording(**options))
    model.predict(pictures(1)[0], threads=100_000)
    assert asked == [3]
