"""Feature maps of one picture, against the convolution by hand."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import OptionError, OutputExistsError, UnknownLayerError
from inspector.model import load

PIXELS = np.random.default_rng(0).integers(0, 256, (8, 6), np.uint8)
KERNELS = np.random.default_rng(1).normal(size=(4, 1, 3, 3)).astype(np.float32)
DENSE = np.random.default_rng(2).normal(size=(4 * 6 * 4, 5)).astype(np.float32)


@pytest.fixture
def model(tmp_path):
    """conv (4 kernels of 3x3, no padding) → relu → dense."""
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "conv.weight"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"], name="act"),
        helper.make_node("Flatten", ["r"], ["f"]),
        helper.make_node("MatMul", ["f", "dense.weight"], ["y"]),
    ]
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8, 6, 1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 5])
    weights = [
        numpy_helper.from_array(KERNELS, "conv.weight"),
        numpy_helper.from_array(DENSE, "dense.weight"),
    ]
    graph = helper.make_graph(nodes, "net", [value], [result], weights)
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    return load(path)


def by_hand():
    x = PIXELS.astype(np.float64) / 255
    return np.array(
        [[[(x[i : i + 3, j : j + 3] * k[0]).sum() for j in range(4)] for i in range(6)] for k in KERNELS]
    )


def test_the_maps_are_those_of_a_convolution_by_hand(model):
    found = model.activations(PIXELS, "c")
    assert found.maps.dtype == np.float32
    assert np.allclose(found.maps, by_hand(), atol=1e-5)
    assert found.indices == (0, 1, 2, 3)
    assert found.title == "c · 4 maps of 6x4 for the picture"
    assert (found.seen == PIXELS).all()


def test_a_layer_is_known_by_its_name_and_a_value_by_its_own(model):
    assert np.array_equal(model.activations(PIXELS, "conv").maps, model.activations(PIXELS, "c").maps)
    assert np.allclose(model.activations(PIXELS, "r").maps, np.maximum(by_hand(), 0), atol=1e-5)
    seen = model.activations(PIXELS, "x").maps
    assert np.allclose(seen[0], PIXELS / 255, atol=1e-6)


def test_a_dense_layer_gives_one_number_a_unit(model):
    found = model.activations(PIXELS, "dense")
    expected = np.maximum(by_hand(), 0).reshape(-1) @ DENSE
    assert found.maps.shape == (5, 1, 1)
    assert np.allclose(found.maps.ravel(), expected, atol=1e-4)


def test_channels_are_selected_and_sorted_by_their_mean_magnitude(model):
    strength = np.abs(by_hand()).mean(axis=(1, 2))
    found = model.activations(PIXELS, "c", select="1-3", sort="strength")
    order = sorted((1, 2, 3), key=lambda channel: -strength[channel])
    assert found.indices == tuple(order)
    assert np.allclose(found.strength, strength[order], atol=1e-5)
    assert found.title == "c · 3 of 4 maps of 6x4 for the picture"


def test_the_strongest_of_all_maps_are_given_strongest_first(model):
    strength = np.abs(by_hand()).mean(axis=(1, 2))
    found = model.activations(PIXELS, "c", top=2)
    assert found.indices == tuple(np.argsort(-strength)[:2].tolist())
    assert found.sort == "strength"
    assert np.allclose(found.maps, by_hand()[list(found.indices)], atol=1e-5)
    assert len(model.activations(PIXELS, "c", top=9).indices) == 4


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"top": 0}, "top is 0; expected 1 or more", "--top 16"),
        (
            {"top": 2, "select": "1"},
            "both the strongest maps and certain maps are asked for; expected one of them",
            "--top 16, or --filters 0-15 --sort strength",
        ),
    ],
)
def test_a_number_of_strongest_that_makes_no_sense_is_refused(model, options, message, hint):
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "c", **options)
    assert (caught.value.message, caught.value.hint) == (message, hint)


def test_a_channel_may_stand_in_the_name(model):
    found = model.activations(PIXELS, "conv:2")
    assert (found.layer, found.indices, found.total) == ("conv", (2,), 4)
    assert np.allclose(found.maps[0], by_hand()[2], atol=1e-5)
    with pytest.raises(OptionError, match="filter 4 does not exist; there are filters 0 to 3"):
        model.activations(PIXELS, "conv:4")
    with pytest.raises(UnknownLayerError, match="nearest: conv"):
        model.activations(PIXELS, "cnv:2")


def classes(tmp_path, end, count, labels):
    """The mean of the pixels times 1, 2, … → a softmax or a sigmoid."""
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node(end, ["l"], ["y"], name="end"),
    ]
    weights = np.ones((48, count), np.float32) * np.arange(1, count + 1, dtype=np.float32) / 48
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 6])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", count])
    graph = helper.make_graph(nodes, "net", [value], [result], [numpy_helper.from_array(weights, "d")])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    helper.set_model_props(made, {"inspector.labels": json.dumps(labels)})
    onnx.save(made, tmp_path / "classes.onnx")
    return load(tmp_path / "classes.onnx")


def test_the_logits_are_those_before_the_softmax_and_both_have_the_names_of_classes(tmp_path):
    model = classes(tmp_path, "Softmax", 3, ["cat", "dog", "owl"])
    mean = PIXELS.mean() / 255
    logits, scores = model.activations(PIXELS, "logits"), model.activations(PIXELS, "end")
    assert np.allclose(logits.maps.ravel(), [mean, 2 * mean, 3 * mean], atol=1e-5)
    powers = np.exp([mean, 2 * mean, 3 * mean])
    assert np.allclose(scores.maps.ravel(), powers / powers.sum(), atol=1e-5)
    assert logits.labels == scores.labels == ("cat", "dog", "owl")
    assert [text.text for text in logits.picture(captions=True).texts][:3] == ["cat", "dog", "owl"]
    one = model.activations(PIXELS, "logits:2")
    assert (one.layer, one.indices, one.labels) == ("logits", (2,), ("owl",))
    assert [row["label"] for row in one.to_dict()["channels"]] == ["owl"]
    assert model.activations(PIXELS, "f").labels == ()


def test_a_single_sigmoid_has_two_logits_and_one_probability_of_the_second_class(tmp_path):
    model = classes(tmp_path, "Sigmoid", 1, ["no", "yes"])
    mean = PIXELS.mean() / 255
    logits, scores = model.activations(PIXELS, "logits"), model.activations(PIXELS, "end")
    assert np.allclose(logits.maps.ravel(), [-mean, mean], atol=1e-5)
    assert (logits.labels, logits.total) == (("no", "yes"), 2)
    assert np.allclose(scores.maps.ravel(), [1 / (1 + np.exp(-mean))], atol=1e-5)
    assert scores.labels == ("yes",)


def test_labels_of_another_number_are_not_written(tmp_path):
    assert classes(tmp_path, "Softmax", 3, ["cat", "dog"]).activations(PIXELS, "logits").labels == ()


@pytest.mark.parametrize("overlay", [False, True])
def test_a_picture_too_large_is_refused_with_options_that_there_are(model, overlay):
    with pytest.raises(OptionError, match="at most 100,000,000 in all are drawn") as caught:
        model.activations(PIXELS, "c").picture(zoom=5000, overlay=overlay)
    assert caught.value.hint == "--filters 0-63, or a smaller --zoom"


def test_maps_without_anything_are_named(model, tmp_path):
    black = model.activations(np.zeros((8, 6), np.uint8), "act")
    assert black.silent == (0, 1, 2, 3)
    assert black.notes == ("4 of 4 maps are zero everywhere for this picture",)
    assert model.activations(PIXELS, "c").notes == ()


def test_the_file_is_the_array_or_the_picture_as_its_suffix_says(model, tmp_path):
    found = model.activations(PIXELS, "c")
    assert np.array_equal(np.load(found.save(tmp_path / "a.npy")), found.maps)
    with Image.open(found.save(tmp_path / "a.png", captions=True)) as image:
        assert image.size[0] > 400
    assert found.save(tmp_path / "a.svg").read_text().startswith("<svg")
    with pytest.raises(OutputExistsError):
        found.save(tmp_path / "a.npy")
    with pytest.raises(OptionError) as caught:
        found.save(tmp_path / "a.gif")
    assert caught.value.message == "cannot write activations as .gif; expected .png, .svg, .npy"


def test_without_negative_numbers_zero_is_black_and_with_them_mid_grey(model):
    signed = model.activations(PIXELS, "c").picture(zoom=1, padding=0, columns=1).pixels
    assert signed.min() < 100 and signed.max() > 150
    black = model.activations(np.zeros((8, 6), np.uint8), "r").picture(zoom=1, padding=0, columns=1)
    assert black.key == "0 to 0, one scale for all tiles"
    assert (black.pixels == 0).all()


def test_over_the_picture_a_silent_map_shows_the_picture_alone_and_a_loud_one_its_colour(model):
    quiet = model.activations(np.full((8, 6), 0, np.uint8), "r").picture(overlay=True, padding=0, columns=1)
    assert (quiet.pixels == 0).all()
    loud = model.activations(PIXELS, "r").picture(overlay=True, padding=0, captions=True)
    strongest = by_hand().max()
    assert loud.key == f"0 to {strongest:.3g}, one scale for all tiles"
    assert len(np.unique(loud.canvas.reshape(-1, 3), axis=0)) > 20


def test_a_dense_layer_has_no_place_in_the_picture(model):
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "dense").picture(overlay=True)
    assert caught.value.message == (
        f"{model.path}: dense has one number a unit, which has no place in the picture"
    )


def test_an_unknown_layer_and_an_unknown_order_are_told(model):
    with pytest.raises(UnknownLayerError) as unknown:
        model.activations(PIXELS, "convv")
    assert "nearest: conv" in unknown.value.message
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "c", sort="size")
    assert caught.value.message == "there is no order 'size'; expected none or strength"


def test_a_value_whose_axes_nothing_tells_is_refused(tmp_path):
    size = helper.make_tensor("s", TensorProto.INT64, [4], [-1, 2, 4, 6])
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 8, 6, 1])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["x", "s"], ["y"])], "n", [value], [result], [size]
    )
    onnx.save(helper.make_model(graph), tmp_path / "n.onnx")
    model = load(tmp_path / "n.onnx")
    with pytest.raises(OptionError) as caught:
        model.activations(PIXELS, "y")
    assert caught.value.message == (
        f"{tmp_path / 'n.onnx'}: 'y': its value has the shape [1, 2, 4, 6], and no operator says "
        "what its axes are; expected feature maps or one number a unit"
    )


def test_the_record_has_a_row_for_each_channel(model):
    record = model.activations(PIXELS, "c", select="2").to_dict()
    hand = by_hand()[2]
    assert record["layer"] == "c"
    assert record["shape"] == [1, 6, 4]
    (row,) = record["channels"]
    assert row["channel"] == 2
    assert row["max"] == pytest.approx(hand.max(), abs=1e-5)
    assert row["strength"] == pytest.approx(np.abs(hand).mean(), abs=1e-5)


def test_a_model_without_class_scores_has_activations_too(tmp_path):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 8, 6])
    boxes = helper.make_tensor_value_info("boxes", TensorProto.FLOAT, ["N", 4, 6, 4])
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "conv.weight"], ["boxes"])],
        "detector",
        [value],
        [boxes],
        [numpy_helper.from_array(KERNELS, "conv.weight")],
    )
    path = tmp_path / "d.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    assert np.allclose(load(path).activations(PIXELS, "conv").maps, by_hand(), atol=1e-5)
