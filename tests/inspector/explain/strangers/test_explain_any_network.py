"""Networks that an explanation meets in the wild: free sizes, no convolution, sequences, whole numbers."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import OptionError
from inspector.explain import Explainer, Runner, explain, find
from inspector.explain.randomised import with_random_weights
from inspector.model import load
from inspector.predictor import Predictor

WAY = {"channels": "gray", "range": "0..1"}
OPSETS = [helper.make_opsetid("", 17)]


def saved(path, nodes, shape, weights, classes=2):
    """Write a network of one input, "x", and one output, "y"."""
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", classes])
    stored = [numpy_helper.from_array(array, name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [x], [y], stored)
    onnx.save(helper.make_model(graph, opset_imports=OPSETS, ir_version=10), path)
    return load(path)


def pooled(path, shape, kernel):
    """A convolution and the mean of its maps; `kernel` tells how many spatial axes there are."""
    weight = np.random.default_rng(0).normal(size=kernel).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["x", "W"], ["maps"], name="conv"),
        helper.make_node("GlobalAveragePool", ["maps"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["y"]),
    ]
    return saved(path, nodes, shape, {"W": weight})


def picture(size, seed=0):
    """A noisy grey picture, width and height given."""
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, size[::-1], dtype=np.uint8))


def test_pictures_of_any_size_have_the_gradient_of_their_own_size(tmp_path):
    model = pooled(tmp_path / "net.onnx", ["N", 1, "h", "w"], (2, 1, 1, 1))
    kernel = numpy_helper.to_array(onnx.load(model.path).graph.initializer[0])[:, 0, 0, 0]
    sizes = [(7, 5), (12, 9), (7, 5)]
    found = explain(
        model,
        [picture(size, seed) for seed, size in enumerate(sizes)],
        ["gradient", "layercam"],
        target=1,
        preprocess=WAY,
        trust=False,
    )
    for (width, height), item in zip(sizes, found, strict=True):
        assert item["layercam"].values.shape == (height, width)
        # The mean of a map gives every pixel the same share of its weight.
        expected = np.full((height, width), abs(kernel[1]) / (width * height), np.float32)
        np.testing.assert_allclose(item["gradient"].values, expected, rtol=1e-5)


def test_one_gradient_serves_all_pictures_of_a_size(tmp_path):
    model = pooled(tmp_path / "net.onnx", ["N", 1, "h", "w"], (2, 1, 1, 1))
    runner = Runner(Predictor(model, preprocess=WAY))
    explainer = Explainer(runner, (find("gradient"),), trust=False)
    for seed in range(3):
        explainer.explain(picture((6, 6), seed), "p")
    assert len(runner._gradients) == 1
    explainer.explain(picture((6, 7)), "p")
    assert len(runner._gradients) == 2


@pytest.mark.parametrize("layer", ["", "maps"])
def test_a_convolution_over_one_axis_has_no_maps_of_a_picture(tmp_path, layer):
    model = pooled(tmp_path / "net.onnx", ["N", 1, 24], (2, 1, 3))
    with pytest.raises(OptionError) as caught:
        explain(model, picture((24, 1)), ["grad-cam"], layer=layer, preprocess=WAY)
    assert caught.value.message == (
        f"{model.path}: no convolution leads to 'y'; a class activation map needs feature maps"
        if not layer
        else f"{model.path}: 'maps' has no feature maps; a class activation map needs some"
    )


def dense(path):
    """A dense layer alone, over pictures of 4 by 4."""
    weight = np.random.default_rng(0).normal(size=(16, 2)).astype(np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "W"], ["y"])]
    return saved(path, nodes, ["N", 1, 4, 4], {"W": weight})


def lenient(model, *methods):
    """An explainer that leaves out the methods that cannot."""
    runner = Runner(Predictor(model, preprocess=WAY))
    return Explainer(runner, tuple(map(find, methods)), trust=True, lenient=True)


def test_a_lenient_explainer_leaves_out_what_cannot_explain_the_model_and_says_why(tmp_path):
    model = dense(tmp_path / "net.onnx")
    explainer = lenient(model, "layercam", "gradient")
    assert explainer.refused == ()
    for seed in range(2):
        (heatmap,) = explainer.explain(picture((4, 4), seed), "p").heatmaps
        assert heatmap.method == "gradient"
    assert tuple(refusal.sentence for refusal in explainer.refused) == (
        f"layercam is left out: {model.path}: no convolution leads to 'y'; a class activation map needs "
        "feature maps",
    )


def test_when_no_method_can_even_a_lenient_explainer_refuses_every_picture(tmp_path):
    model = dense(tmp_path / "net.onnx")
    explainer = lenient(model, "layercam", "grad-cam")
    for _ in range(2):
        with pytest.raises(OptionError, match="no convolution leads to 'y'"):
            explainer.explain(picture((4, 4)), "p")


def test_a_method_given_twice_is_one_and_agrees_with_nobody(tmp_path):
    found = explain(dense(tmp_path / "net.onnx"), picture((4, 4)), ["gradient"] * 2, preprocess=WAY)
    (heatmap,) = found[0].heatmaps
    assert heatmap.trust.agreement is None


def test_a_negative_seed_is_refused(tmp_path):
    with pytest.raises(OptionError) as caught:
        explain(dense(tmp_path / "net.onnx"), picture((4, 4)), ["rise"], seed=-1, preprocess=WAY)
    assert (caught.value.message, caught.value.hint) == ("the seed is -1; expected 0 or more", "--seed 0")


def test_one_noisy_copy_has_no_variance(tmp_path):
    with pytest.raises(OptionError) as caught:
        explain(
            dense(tmp_path / "net.onnx"),
            picture((4, 4)),
            ["vargrad"],
            options={"vargrad": {"samples": 1}},
            preprocess=WAY,
        )
    assert caught.value.message == "vargrad: samples is 1; expected 2 or more"
    assert caught.value.hint == "-O vargrad.samples=50"


@pytest.mark.parametrize(("dtype", "zero"), [(np.uint8, 128), (np.int8, 0), (np.uint8, 0)])
def test_random_quantised_weights_lie_around_what_stands_for_zero(dtype, zero):
    limits = np.iinfo(dtype)
    drawn = np.random.default_rng(1).normal(zero, 20, (64, 64)).round().clip(limits.min, limits.max)
    weights = {"W": drawn.astype(dtype), "s": np.float32(1), "z": np.array(zero, dtype)}
    stored = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    node = helper.make_node("DequantizeLinear", ["W", "s", "z"], ["y"])
    graph = helper.make_graph([node], "net", [], [], stored)
    changed = with_random_weights(helper.make_model(graph, opset_imports=OPSETS))
    found = numpy_helper.to_array(changed.graph.initializer[0]).astype(np.float64)
    assert not np.array_equal(found, drawn)
    # Nothing wraps around the ends of the range: a few deviations from zero at most.
    assert np.abs(found - zero).max() < 6 * drawn.std()
    if zero or limits.min < 0:
        assert abs(found.mean() - zero) < 2
        assert found.std() == pytest.approx(drawn.std(), rel=0.1)


def test_pictures_of_one_name_are_told_apart_by_their_folders(tmp_path):
    from inspector.explain.picture import _names

    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        picture((4, 4)).save(tmp_path / folder / "x.png")
    picture((4, 4)).save(tmp_path / "a" / "y.png")
    files = [tmp_path / "a" / "x.png", tmp_path / "b" / "x.png", tmp_path / "a" / "y.png"]
    found = explain(dense(tmp_path / "net.onnx"), files, ["gradient"], preprocess=WAY, trust=False)
    assert _names(found.items) == ["a/x.png", "b/x.png", "y.png"]
