from __future__ import annotations

import csv
import io
import json
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import FileError, ImageError, ModelError, OptionError, RunError, UnknownLayerError
from inspector.model import Model, load
from inspector.picture_list import list_pictures
from inspector.pipeline import in_order
from inspector.predict import Failure, Prediction, Predictor, predict, stream
from inspector.preprocess import Preprocess
from inspector.session import Session, TimeLimitError

Net = Callable[..., Model]
RNG = np.random.default_rng(11)
SIDE = 4
WEIGHTS = RNG.standard_normal((SIDE * SIDE, 3)).astype(np.float32)
SOFTMAX = [helper.make_node("Softmax", ["z"], ["y"])]
DECLARED = {"inspector.preprocess": Preprocess("gray", "0..1").to_json()}


@pytest.fixture
def net(tmp_path: Path) -> Net:
    """A grey picture times weights, then whatever nodes lead from "z" to "y"."""

    def write(
        tail: Sequence[NodeProto] = SOFTMAX,
        *,
        weights: np.ndarray[Any, Any] = WEIGHTS,
        shape: Sequence[int | str | None] = ("N", SIDE, SIDE, 1),
        output: Sequence[int | str | None] | None = ("N", 3),
        metadata: dict[str, str] = DECLARED,
        constants: dict[str, Any] | None = None,
        outputs: dict[str, Sequence[int | str | None] | None] | None = None,
        name: str = "m.onnx",
    ) -> Model:
        nodes = [
            helper.make_node("Reshape", ["x", "flat"], ["f"]),
            helper.make_node("MatMul", ["f", "w"], ["z"]),
            *tail,
        ]
        values = {"w": weights, "flat": np.array([-1, len(weights)]), **(constants or {})}
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [
                helper.make_tensor_value_info(key, TensorProto.FLOAT, form)
                for key, form in (outputs or {"y": output}).items()
            ],
            [numpy_helper.from_array(np.asarray(value), key) for key, value in values.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, metadata)
        path = tmp_path / name
        path.write_bytes(model.SerializeToString())
        return load(path)

    return write


def pictures(count: int) -> list[np.ndarray[Any, np.dtype[np.uint8]]]:
    return [RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8) for _ in range(count)]


def softmax(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    exp = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(exp / exp.sum(-1, keepdims=True))


def expected(picture: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return softmax(picture.reshape(-1).astype(np.float64) / 255 @ WEIGHTS.astype(np.float64))


def write_folder(folder: Path, images: Sequence[np.ndarray[Any, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{index}.png")
    return folder


def all_scores(prediction: Prediction) -> np.ndarray[Any, Any]:
    """Probabilities in the order of the classes."""
    return np.asarray(prediction.probabilities)[np.argsort(prediction.indices)]


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


def test_pictures_come_in_many_forms(net: Net) -> None:
    several = np.stack(pictures(3))[..., None]
    model = net()
    assert len(model.predict(several)) == 3
    assert len(model.predict(Image.fromarray(several[0, :, :, 0]))) == 1
    assert len(model.predict(image for image in several)) == 3
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
        *SOFTMAX[:0],
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
    ("tail", "sentence"),
    [
        (SOFTMAX, "the model's own softmax gives the probabilities"),
        (
            [helper.make_node("Identity", ["z"], ["y"])],
            "a softmax is applied, because the model ends in MatMul",
        ),
        (
            [helper.make_node("LogSoftmax", ["z"], ["y"])],
            "probabilities are the exponential of the model's log-softmax",
        ),
        (
            [helper.make_node("Softmax", ["z"], ["s"]), helper.make_node("Log", ["s"], ["y"])],
            "probabilities are the exponential of the model's log-softmax",
        ),
        (
            [
                helper.make_node("Softmax", ["z"], ["s"]),
                helper.make_node("Unsqueeze", ["s", "axes"], ["u"]),
                helper.make_node("Identity", ["u"], ["y"]),
            ],
            "the model's own softmax gives the probabilities",
        ),
        (
            [
                helper.make_node("Exp", ["z"], ["e"]),
                helper.make_node("ReduceSum", ["e", "one"], ["s"], keepdims=1),
                helper.make_node("Div", ["e", "s"], ["y"]),
            ],
            "the model's own softmax gives the probabilities",
        ),
    ],
)
def test_a_softmax_is_applied_only_where_the_model_has_none(
    tail: list[NodeProto], sentence: str, net: Net
) -> None:
    model = net(tail, output=None, constants={"axes": np.array([2, 3]), "one": np.array([1])})
    picture = pictures(1)[0]
    found = model.predict(picture)
    assert found.scores == sentence
    assert np.allclose(all_scores(found[0]), expected(picture), atol=1e-6)


def test_a_sigmoid_for_each_class_is_left_as_it_is(net: Net) -> None:
    found = net([helper.make_node("Sigmoid", ["z"], ["y"])]).predict(np.zeros((SIDE, SIDE), np.uint8))
    assert found[0].probabilities.tolist() == [0.5] * 3
    assert found.scores == "the model's own sigmoid gives a probability for each class by itself"


def test_a_single_sigmoid_is_two_classes(net: Net) -> None:
    weights = np.full((SIDE * SIDE, 1), 1 / SIDE**2, np.float32)
    metadata = {**DECLARED, "inspector.labels": '["no", "yes"]'}
    model = net(
        [helper.make_node("Sigmoid", ["z"], ["y"])], weights=weights, output=("N", 1), metadata=metadata
    )
    found = model.predict(np.full((SIDE, SIDE), 255, np.uint8))[0]
    assert found.labels == ("yes", "no")
    assert np.allclose(found.probabilities, [1 / (1 + np.exp(-1)), 1 - 1 / (1 + np.exp(-1))], atol=1e-6)


def test_a_class_number_is_no_class_score(net: Net) -> None:
    model = net([*SOFTMAX, helper.make_node("ArgMax", ["y"], ["best"], axis=1)])
    assert Predictor(model).scores.output == "y"
    assert Predictor(model, output="best").scores.maker == "ArgMax"
    with pytest.raises(
        OptionError, match="the output 'best' is one number for each picture and made by ArgMax"
    ):
        model.predict(pictures(1), output="best")


def test_a_single_number_without_sigmoid_is_no_class(net: Net) -> None:
    tail = [helper.make_node("Identity", ["z"], ["y"])]
    model = net(tail, weights=WEIGHTS[:, :1], output=("N", 1))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(2))
    assert caught.value.message == (
        f"{model.path}: the output 'y' is one number for each picture and made by MatMul; "
        "expected class scores, or a sigmoid"
    )


def test_an_output_of_another_shape_is_no_list_of_classes(net: Net) -> None:
    tail = [helper.make_node("Reshape", ["z", "form"], ["y"])]
    model = net(
        tail, output=None, weights=np.hstack([WEIGHTS, WEIGHTS]), constants={"form": np.array([-1, 2, 3])}
    )
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: the output 'y' has the shape (1, 2, 3) for 1 picture; "
        "expected a score for each class: (batch, classes)"
    )


def test_the_first_output_that_looks_like_classes_is_taken(net: Net) -> None:
    tail = [
        helper.make_node("Reshape", ["z", "form"], ["boxes"]),
        helper.make_node("ReduceMax", ["z"], ["best"], axes=[1]),
        *SOFTMAX,
    ]
    model = net(
        tail,
        outputs={"boxes": ("N", 3, 5), "best": ("N", 1), "y": ("N", 3)},
        constants={"form": np.array([-1, 3, 1])},
    )
    assert Predictor(model).scores.output == "y"
    assert Predictor(model, output="z").scores.kind == "logits"
    found = model.predict(np.zeros((SIDE, SIDE), np.uint8), output="z")
    assert np.allclose(found[0].probabilities, 1 / 3)


def test_a_model_without_class_scores_says_what_it_has(net: Net) -> None:
    model = net([helper.make_node("Identity", ["z"], ["y"])], output=("N", 3, 5))
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: no output looks like class scores (batch, classes): 'y' (N, 3, 5)"
    )


def quantized_softmax(path: Path, tail: Sequence[NodeProto]) -> Model:
    """A grey picture times weights, a softmax in steps of 1/256, then what shapes it."""
    nodes = [
        helper.make_node("Reshape", ["x", "flat"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"]),
        helper.make_node("QuantizeLinear", ["p", "step", "zero"], ["q" if tail else "y"]),
        *tail,
    ]
    values: dict[str, np.ndarray[Any, Any]] = {
        "w": WEIGHTS,
        "flat": np.array([-1, len(WEIGHTS)]),
        "form": np.array([-1, 3]),
        "step": np.array(1 / 256, np.float32),
        "zero": np.array(0, np.uint8),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ("N", SIDE, SIDE, 1))],
        [helper.make_tensor_value_info("y", TensorProto.UINT8, ("N", 3))],
        [numpy_helper.from_array(value, key) for key, value in values.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, DECLARED)
    path.write_bytes(model.SerializeToString())
    return load(path)


@pytest.mark.parametrize("tail", [[], [helper.make_node("Reshape", ["q", "form"], ["y"])]])
@pytest.mark.parametrize("output", [None, "y"])
def test_a_quantized_output_gives_probabilities_and_not_steps(
    tmp_path: Path, tail: list[NodeProto], output: str | None
) -> None:
    picture = pictures(1)[0]
    found = quantized_softmax(tmp_path / "q.onnx", tail).predict(picture, output=output)[0]
    assert np.allclose(all_scores(found), expected(picture), atol=1e-6)


def test_integers_that_no_quantization_makes_are_no_scores(tmp_path: Path) -> None:
    model = quantized_softmax(tmp_path / "q.onnx", [helper.make_node("Abs", ["q"], ["y"])])
    with pytest.raises(OptionError) as caught:
        model.predict(pictures(1))
    assert caught.value.message == (
        f"{model.path}: no output looks like class scores (batch, classes): 'y' (N, 3)"
    )


def test_an_unknown_output_is_named(net: Net) -> None:
    model = net()
    with pytest.raises(UnknownLayerError) as caught:
        model.predict(pictures(1), output="probs")
    assert caught.value.message.startswith(f"{model.path} has no layer 'probs'; nearest: ")


def test_scores_that_are_nan_are_a_failure(net: Net) -> None:
    model = net(weights=np.full_like(WEIGHTS, np.nan))
    found = model.predict([pictures(1)[0]])
    assert [failure.message for failure in found.failures] == [
        "image 0: the model gives NaN or infinite scores for it; expected finite numbers"
    ]


def test_what_is_assumed_is_said_when_the_model_declares_nothing(net: Net) -> None:
    model = net(metadata={})
    assert model.predict(pictures(1)).assumed == (
        f"{model.path} does not declare how pixels become its input; "
        "assumed: grey, values 0..1, stretched to 4x4"
    )
    assert model.predict(pictures(1), preprocess=Preprocess("gray")).assumed is None
    assert net().predict(pictures(1)).assumed is None


def test_what_the_caller_says_is_not_assumed(net: Net) -> None:
    grey = net(metadata={})
    assert Predictor(grey, preprocess={"range": "0..255"}).assumed is None
    assert Predictor(grey, preprocess={"channels": "gray"}).assumed is not None
    colour = net(shape=("N", SIDE, SIDE, 3), metadata={})
    assert Predictor(colour, preprocess={"channels": "bgr", "range": "0..255"}).assumed is None
    told = Predictor(colour, preprocess={"range": "0..255"}).assumed
    assert told is not None
    assert told.endswith("assumed: RGB, values 0..255, stretched to 4x4")


def test_some_fields_of_the_declared_way_can_be_overridden(net: Net) -> None:
    metadata = {"inspector.preprocess": Preprocess("gray", "0..255", mean=(3,)).to_json()}
    way = Predictor(net(metadata=metadata), preprocess={"range": "0..1"}).way
    assert way == Preprocess("gray", "0..1", mean=(3,))


def test_labels_are_those_given_or_those_declared(net: Net, tmp_path: Path) -> None:
    declared = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog", "owl"]'})
    picture = pictures(1)[0]
    best = int(np.argmax(expected(picture)))
    assert declared.predict(picture, top=1)[0].labels == (["cat", "dog", "owl"][best],)
    assert declared.predict(picture, top=1, labels=["a", "b", "c"])[0].labels == ("abc"[best],)
    (tmp_path / "l.txt").write_text("x\ny\nz\n")
    assert declared.predict(picture, top=1, labels=tmp_path / "l.txt")[0].labels == ("xyz"[best],)


def test_a_wrong_number_of_labels_is_an_error_or_a_warning(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog"]'})
    found = model.predict(pictures(1), top=1)
    warning = f"{model.path}: declares 2 labels for 3 classes; class numbers are shown instead"
    assert found.warnings == (warning,)
    assert found[0].labels[0].startswith("class ")
    assert found[0].warnings == ()
    with pytest.raises(OptionError) as caught:
        Predictor(model, labels=["a", "b"])
    assert caught.value.message == f"{model.path}: has 3 classes, but 2 labels are given"


def test_a_wrong_number_of_labels_shows_at_the_first_run_if_not_before(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": '["cat", "dog"]'}, output=None)
    found = model.predict(pictures(1), top=1)
    warning = f"{model.path}: declares 2 labels for 3 classes; class numbers are shown instead"
    assert (found.warnings, found[0].warnings) == ((), (warning,))
    with pytest.raises(OptionError, match="has 3 classes, but 2 labels are given"):
        model.predict(pictures(1), labels=["a", "b"])


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


def test_a_model_that_cannot_be_run_raises_whatever_the_pictures(net: Net) -> None:
    model = net([helper.make_node("Sharpen", ["z"], ["y"], domain="acme")])
    with pytest.raises(ModelError):
        model.predict(pictures(4))


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


def test_the_time_limit_ends_the_whole_stream(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(self: Session, feeds: Any, outputs: Any = None) -> Any:
        raise TimeLimitError("too slow")

    monkeypatch.setattr(Session, "run", slow)
    with pytest.raises(TimeLimitError):
        net().predict(pictures(5))


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
    Image.fromarray(RNG.integers(0, 256, (4, 4), dtype=np.uint8)).resize((400, 400)).save(path)
    model = net()
    slow, fast = model.predict(path)[0], model.predict(path, fast_decode=True)[0]
    assert np.allclose(all_scores(slow), all_scores(fast), atol=0.1)


def saved(net: Net, tmp_path: Path, name: str) -> Path:
    folder = write_folder(tmp_path / "pictures", pictures(2))
    (folder / "=1.png").write_bytes(b"rubbish")
    return (
        net(metadata={**DECLARED, "inspector.labels": '["=cat", "dog", "owl"]'})
        .predict(folder)
        .save(tmp_path / name)
    )


def test_jsonl_has_one_object_per_line(net: Net, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in saved(net, tmp_path, "p.jsonl").read_text("utf-8").splitlines()]
    assert [set(line) for line in lines] == [{"source", "predictions"}] * 2 + [{"source", "error", "hint"}]
    assert set(lines[0]["predictions"][0]) == {"index", "label", "probability"}
    assert sum(row["probability"] for row in lines[0]["predictions"]) == pytest.approx(1, abs=1e-5)


def test_json_has_everything(net: Net, tmp_path: Path) -> None:
    found = json.loads(saved(net, tmp_path, "p.json").read_text("utf-8"))
    assert set(found) == {"predictions", "failures", "assumed", "scores", "warnings"}
    assert (len(found["predictions"]), len(found["failures"])) == (2, 1)


def test_csv_has_one_row_per_class_and_no_formulas(net: Net, tmp_path: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(saved(net, tmp_path, "p.csv").read_text("utf-8"))))
    assert len(rows) == 2 * 3 + 1
    assert {row["label"] for row in rows} == {"'=cat", "dog", "owl", ""}
    assert [row["rank"] for row in rows] == ["1", "2", "3", "1", "2", "3", ""]
    assert rows[-1]["error"].endswith("expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM")


def test_other_suffixes_are_refused(net: Net, tmp_path: Path) -> None:
    with pytest.raises(OptionError) as caught:
        saved(net, tmp_path, "p.xlsx")
    assert caught.value.message == (
        f"{tmp_path / 'p.xlsx'}: has the suffix '.xlsx'; expected .jsonl, .json or .csv"
    )


def test_the_html_table_is_safe(net: Net, tmp_path: Path) -> None:
    model = net(metadata={"inspector.labels": json.dumps(["<script>", "a\u202eb", "c"])})
    html = model.predict([*pictures(1), b"rubbish"])._repr_html_()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "\u202e" not in html
    assert "is not a picture" in html
    assert "does not declare" in html


def test_predictions_are_a_sequence(net: Net) -> None:
    found = net().predict(pictures(3))
    assert found[:2] == found.items[:2]
    assert list(found) == list(found.items)


def test_an_animated_picture_carries_its_warning(net: Net, tmp_path: Path) -> None:
    path = tmp_path / "a.gif"
    frames = [Image.new("L", (4, 4), shade) for shade in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    found = net().predict(path)[0]
    assert found.warnings == (f"{path}: holds 2 pictures; the first one is used",)
    assert found.to_dict()["warnings"] == list(found.warnings)


def test_work_done_side_by_side_keeps_its_order() -> None:
    gate = threading.Event()

    def work(part: Sequence[int]) -> list[int]:
        # The first chunk ends last.
        gate.wait(5) if part[0] == 0 else gate.set()
        return [number * 2 for number in part]

    found = list(in_order(range(20), work, chunk=3, workers=2, stop=lambda: None))
    assert found == [number * 2 for number in range(20)]


def test_what_fails_side_by_side_is_raised_and_stops_the_rest() -> None:
    stopped: list[bool] = []

    def work(part: Sequence[int]) -> list[int]:
        if part[0] == 4:
            raise RunError("four")
        return list(part)

    results = in_order(range(100), work, chunk=1, workers=2, stop=lambda: stopped.append(True))
    with pytest.raises(RunError, match="four"):
        list(results)
    assert stopped == [True]


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
    with pytest.raises(ImageError):
        net().predict(write_folder(tmp_path / "empty", []))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no FIFOs here")
def test_a_pipe_in_a_folder_is_a_failure(net: Net, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "f", pictures(1))
    os.mkfifo(folder / "1.png")
    found = net().predict(folder)
    assert len(found) == 1
    assert [failure.message for failure in found.failures] == [
        f"{folder / '1.png'}: is a pipe, socket or device, not a regular file; expected a picture"
    ]


def test_csv_cells_hold_no_control_characters(net: Net) -> None:
    model = net(metadata={**DECLARED, "inspector.labels": json.dumps(["a\x1b[31m", "b\nc", "=\u202e"])})
    rows = model.predict(pictures(1)[0]).items[0].to_rows()
    assert {row[3] for row in rows} == {"a\\x1b[31m", "b\\nc", "'=\\u202e"}


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


def test_hints_name_options_that_exist(net: Net) -> None:
    with pytest.raises(OptionError) as caught:
        net(output=("N", 3, 4)).predict(pictures(1)[0])
    assert caught.value.hint.startswith("Name a value that does with --scores NAME (in Python output=NAME)")


def test_the_model_is_named_when_its_input_takes_no_pictures(net: Net) -> None:
    model = net(shape=("N", 10))
    with pytest.raises(ImageError) as caught:
        Predictor(model)
    assert caught.value.message == (
        f"{model.path}: the input 'x' has the shape (N, 10); expected pictures: "
        "(batch, height, width, channels) or (batch, channels, height, width) with 1 or 3 channels"
    )
