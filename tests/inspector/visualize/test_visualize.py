"""What filters look for, on networks built by hand whose answer is known."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector import Visualization, load
from inspector.errors import ImageError, OptionError, OutputExistsError, UnknownLayerError
from inspector.preprocess import Preprocess

RANDOM = np.random.default_rng(0)
EDGE = np.outer([1, 1, 1, 1, 1], [-1, -1, 0, 1, 1]).astype(np.float32)
SPOT = np.where(np.hypot(*np.mgrid[-2:3, -2:3]) < 1.5, 1, -0.5).astype(np.float32)


def saved(tmp_path, nodes, weights, shape=("N", 1, 12, 14), metadata=None, kind=TensorProto.FLOAT):
    value = helper.make_tensor_value_info("x", kind, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [value], [result], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    channels = "gray" if 1 in shape[1:] else "rgb"
    told = metadata or {"inspector.preprocess": Preprocess(channels).to_json()}
    helper.set_model_props(model, told)
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return load(path)


def alike(picture, pattern):
    """The correlation of a picture's pixels with a pattern."""
    return np.corrcoef(picture.astype(float).ravel(), pattern.ravel())[0, 1]


@pytest.fixture
def two_filters(tmp_path):
    """A padded convolution with a Relu: an edge, and a spot."""
    kernels = np.stack([EDGE, SPOT])[:, None]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c"], ["y"], name="relu"),
    ]
    return saved(tmp_path, nodes, {"w": kernels})


def test_a_filter_looks_for_its_own_kernel(two_filters):
    found = two_filters.visualize("c")
    assert found.patch
    assert found.pictures.shape == (2, 1, 5, 5)
    assert alike(found.pictures[0, 0], EDGE) > 0.9
    assert alike(found.pictures[1, 0], SPOT) > 0.9


def test_the_activation_is_that_of_the_picture_as_it_is_shown(two_filters):
    found = two_filters.visualize("c")
    by_hand = (np.stack([EDGE, SPOT]) * (found.pictures[:, 0] / 255)).sum(axis=(1, 2))
    np.testing.assert_allclose(found.activations[:, 0], by_hand, rtol=1e-5)
    # The most that pixels between black and white can reach is the sum of the positive weights.
    assert (found.activations[:, 0] > 0.9 * np.array([10, SPOT[SPOT > 0].sum()])).all()
    assert (found.random < found.activations[:, 0]).all()
    assert found.beaten == ()


def test_the_slope_before_a_relu_is_climbed_and_said(two_filters):
    found = two_filters.visualize("y")
    assert (found.value, found.before) == ("c", "Relu")
    assert found.notes == ("activations are those before the Relu",)
    np.testing.assert_array_equal(found.pictures, two_filters.visualize("c").pictures)


def test_the_same_seed_gives_the_same_pictures_and_another_does_not(two_filters):
    first, again, other = (two_filters.visualize("c", seed=seed, steps=20) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.pictures, again.pictures)
    assert (first.pictures != other.pictures).any()


def test_a_picture_does_not_depend_on_which_other_filters_are_asked_for(two_filters):
    both, one = two_filters.visualize("c", steps=30), two_filters.visualize("c", select="1", steps=30)
    assert one.indices == (1,)
    difference = both.pictures[1].astype(int) - one.pictures[0]
    assert np.abs(difference).max() <= 1


def test_a_channel_may_stand_in_the_name(two_filters):
    found = two_filters.visualize("c:1", steps=5)
    assert (found.layer, found.indices, found.total) == ("c", (1,), 2)


def test_each_step_is_told(two_filters):
    from inspector.visualize import visualize

    told = []
    visualize(two_filters, "c", steps=7, step=lambda: told.append(1))
    assert len(told) == 7


def test_pixels_are_mapped_as_the_model_declares(tmp_path):
    # Blue first, from -1 to 1, and a filter that likes red on the left and blue on the right.
    kernel = np.zeros((1, 3, 3, 4), np.float32)
    kernel[0, 2, :, :2], kernel[0, 0, :, :2] = 1, -1
    kernel[0, 2, :, 2:], kernel[0, 0, :, 2:] = -1, 1
    told = {"inspector.preprocess": Preprocess("bgr", "-1..1").to_json()}
    model = saved(
        tmp_path, [helper.make_node("Conv", ["x", "w"], ["y"])], {"w": kernel}, ("N", 3, 9, 9), told
    )
    found = model.visualize("y")
    red, _, blue = np.moveaxis(found.pictures[0, 0].astype(int), -1, 0)
    assert (red[:, :2] > 200).all() and (blue[:, :2] < 55).all()
    assert (red[:, 2:] < 55).all() and (blue[:, 2:] > 200).all()
    # Twelve places, two channels, each at most 1.
    assert 0.9 * 24 < found.activations[0, 0] <= 24


def test_a_grey_picture_laid_out_anew_keeps_its_patch(tmp_path):
    nodes = [
        helper.make_node("Reshape", ["x", "s"], ["t"]),
        helper.make_node("Conv", ["t", "w"], ["c"], auto_pad="SAME_UPPER"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2], strides=[2, 2], auto_pad="SAME_UPPER"),
        helper.make_node("Conv", ["p", "v"], ["y"], pads=[1, 1, 1, 1]),
    ]
    weights = {
        "s": np.array([-1, 1, 12, 14]),
        "w": EDGE[None, None],
        "v": np.ones((1, 1, 3, 3), np.float32),
    }
    found = saved(tmp_path, nodes, weights, ("N", 12, 14, 1)).visualize("y")
    # Five, one more by the pooling, and two strides of two by the second convolution.
    assert found.pictures.shape == (1, 1, 10, 10)
    assert found.patch


def test_branches_keep_their_padding_and_the_position_that_sees_none(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[2, 2, 2, 2]),
        helper.make_node("Conv", ["a", "v"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    third = np.zeros((1, 1, 3, 3), np.float32)
    third[0, 0, 1, 1] = 0.5
    model = saved(tmp_path, nodes, {"w": EDGE[None, None], "v": third}, ("N", 1, 20, 20))
    found = model.visualize("y", transforms=False)
    assert found.patch and found.place == (3, 3)
    assert found.pictures.shape == (1, 1, 7, 7)
    assert alike(found.pictures[0, 0, 1:-1, 1:-1], EDGE) > 0.9
    picture = found.pictures[0, 0].astype(float) / 255
    by_hand = 1.5 * (picture[1:-1, 1:-1] * EDGE).sum()
    np.testing.assert_allclose(found.activations[0, 0], by_hand, rtol=1e-4)


def test_where_a_position_sees_everything_the_whole_input_is_drawn(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("InstanceNormalization", ["c", "one", "zero"], ["y"]),
    ]
    weights = {"w": EDGE[None, None], "one": np.ones(1, np.float32), "zero": np.zeros(1, np.float32)}
    found = saved(tmp_path, nodes, weights).visualize("y", steps=3)
    assert not found.patch
    assert found.pictures.shape == (1, 1, 12, 14)
    assert found.place == (4, 5)


def classifier(tmp_path, batch="N", end="Softmax"):
    """Three classes: each wants one third of the picture white and the others black."""
    weights = np.full((3, 12, 15), -1, np.float32)
    for number in range(3):
        weights[number, :, 5 * number : 5 * number + 5] = 1
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node(end, ["l"], ["y"]),
    ]
    told = {
        "inspector.preprocess": Preprocess("gray").to_json(),
        "inspector.labels": json.dumps(["left", "middle", "right"]),
    }
    shape = (batch, 1, 12, 15)
    return saved(tmp_path, nodes, {"d": weights.reshape(3, -1).T.copy()}, shape, told), weights


def test_a_class_is_found_by_name(tmp_path):
    model, weights = classifier(tmp_path)
    found = model.visualize(target="middle")
    assert (found.layer, found.value, found.indices, found.labels) == ("logits", "l", (1,), ("middle",))
    assert found.pictures.shape == (1, 1, 12, 15)
    assert found.place is None and not found.patch
    assert alike(found.pictures[0, 0], weights[1]) > 0.9
    assert found.title == "logits · 1 of 3 classes · 15x12, whole input"


def test_all_classes_are_the_logits_and_a_softmax_is_climbed_before_it(tmp_path):
    model, _ = classifier(tmp_path)
    assert model.visualize("logits", steps=2).labels == ("left", "middle", "right")
    found = model.visualize("y", steps=2)
    assert (found.layer, found.before, found.labels) == ("logits", "Softmax", ("left", "middle", "right"))


def test_a_model_of_a_fixed_batch_is_climbed_too(tmp_path):
    model, weights = classifier(tmp_path, batch=2)
    found = model.visualize("logits", transforms=False)
    assert all(alike(found.pictures[at, 0], weights[at]) > 0.9 for at in range(3))


def test_several_pictures_of_one_filter_differ(tmp_path):
    # Either eye of a filter that wants one of two things: the larger of two spots.
    kernels = np.zeros((2, 1, 4, 8), np.float32)
    kernels[0, 0, :, :4], kernels[0, 0, :, 4:] = 1, -1
    kernels[1] = -kernels[0]
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "v"], ["y"]),
    ]
    weights = {"w": kernels, "v": np.array([[1, 1], [1, -1]], np.float32)[:, :, None, None]}
    model = saved(tmp_path, nodes, weights, ("N", 1, 10, 12))
    found = model.visualize("y", select=[0], per_filter=6)
    assert found.pictures.shape == (1, 6, 4, 8)
    sides = {bool(one[:, :4].mean() > one[:, 4:].mean()) for one in found.pictures[0].astype(float)}
    assert sides == {True, False}
    assert len(found.picture().texts) == 7


def test_a_filter_that_nothing_excites_is_named(tmp_path):
    nodes = [helper.make_node("Conv", ["x", "w", "b"], ["c"]), helper.make_node("Relu", ["c"], ["y"])]
    weights = {"w": np.zeros((1, 1, 3, 3), np.float32), "b": np.array([-1], np.float32)}
    found = saved(tmp_path, nodes, weights).visualize("y", steps=2)
    assert found.dead == found.beaten == (0,)
    assert found.notes == (
        "activations are those before the Relu",
        "no picture was found that the Relu lets through for filter 0",
        "a random picture does as well as what was found for filter 0",
    )


def test_captions_have_the_activation_and_what_chance_reaches(two_filters):
    found = two_filters.visualize("c", steps=3)
    texts = [text.text for text in found.picture().texts]
    assert texts[0] == f"0: {found.activations[0, 0]:.3g} ({found.random[0]:.3g})"
    assert texts[-1] == (
        "c · 2 filters · 5x5, what one position sees · number: activation reached (best of random pictures)"
    )
    assert found.picture(captions=False).texts == ()


def test_files_by_suffix(two_filters, tmp_path):
    found = two_filters.visualize("c", steps=2)
    np.testing.assert_array_equal(np.load(found.save(tmp_path / "v.npy")), found.pictures)
    assert found.save(tmp_path / "v.png").read_bytes()[:4] == b"\x89PNG" == found._repr_png_()[:4]
    assert found.save(tmp_path / "v.svg").read_text().startswith("<svg")
    assert found.image().mode == "RGB"
    with pytest.raises(OutputExistsError):
        found.save(tmp_path / "v.png")
    with pytest.raises(OptionError) as caught:
        found.save(tmp_path / "v.webp")
    assert caught.value.message == "cannot write visualizations as .webp; expected .png, .svg, .npy"


def test_the_record_can_be_json(two_filters):
    found = two_filters.visualize("c", steps=2)
    record = json.loads(json.dumps(found.to_dict()))
    assert record["shape"] == [2, 1, 5, 5]
    assert record["place"] == [0, 0] and record["patch"] is True
    assert [row["filter"] for row in record["filters"]] == [0, 1]
    assert isinstance(found, Visualization)
    assert repr(found) == "Visualization(c · 2 filters · 5x5, what one position sees)"


def message(call, kind):
    with pytest.raises(kind) as caught:
        call()
    return caught.value.message


def test_options_that_make_no_sense_are_refused(two_filters):
    path = two_filters.path
    assert message(lambda: two_filters.visualize("c", steps=0), OptionError) == (
        "steps is 0; expected 1 to 100000"
    )
    assert message(lambda: two_filters.visualize("c", per_filter=101), OptionError) == (
        "per-filter is 101; expected 1 to 100"
    )
    assert message(lambda: two_filters.visualize(), OptionError) == (
        f"{path}: expected either a layer or a class to look for"
    )
    assert message(lambda: two_filters.visualize("c", target=1), OptionError) == (
        f"{path}: expected either a layer or a class to look for"
    )
    assert message(lambda: two_filters.visualize("c", select="2"), OptionError) == (
        f"{path}: 'c': filter 2 does not exist; there are filters 0 to 1"
    )
    assert message(lambda: two_filters.visualize("cc"), UnknownLayerError).startswith(
        f"{path} has no layer 'cc'; nearest: "
    )


def test_a_class_that_is_not_there_is_refused(tmp_path):
    model, _ = classifier(tmp_path)
    assert message(lambda: model.visualize(target="top"), OptionError) == (
        f"{model.path}: there is no class 'top'; there are left, middle, right"
    )


def test_a_value_whose_axes_nobody_tells_is_refused(tmp_path):
    nodes = [helper.make_node("Reshape", ["x", "s"], ["y"])]
    model = saved(tmp_path, nodes, {"s": np.array([-1, 2, 3, 4, 7, 1])})
    assert message(lambda: model.visualize("y"), OptionError) == (
        f"{model.path}: 'y': its value has the shape [1, 2, 3, 4, 7, 1], and no operator says what its axes "
        "are; expected feature maps or one number a unit"
    )


def test_a_model_for_single_pictures_is_refused(tmp_path):
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["m"], axes=[0], keepdims=0),
        helper.make_node("Flatten", ["m"], ["f"]),
        helper.make_node("Relu", ["f"], ["y"]),
    ]
    model = saved(tmp_path, nodes, {}, (3, 12, 14))
    assert message(lambda: model.visualize("y"), ImageError) == (
        f"{model.path}: its input has no batch axis; expected one, so that many are optimised at once"
    )


def test_padding_that_is_a_node_of_its_own_is_taken_off_a_patch(tmp_path):
    nodes = [
        helper.make_node("Pad", ["x", "p"], ["a"]),
        helper.make_node("Conv", ["a", "w"], ["y"]),
    ]
    weights = {"p": np.array([0, 0, 2, 2, 0, 0, 2, 2]), "w": SPOT[None, None]}
    found = saved(tmp_path, nodes, weights).visualize("y")
    assert found.patch and found.pictures.shape == (1, 1, 5, 5)
    assert alike(found.pictures[0, 0], SPOT) > 0.9


def test_a_field_larger_than_the_input_is_no_patch(tmp_path):
    kernel = np.ones((1, 1, 15, 15), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[7, 7, 7, 7])]
    found = saved(tmp_path, nodes, {"w": kernel}).visualize("y", steps=2)
    assert not found.patch and found.pictures.shape == (1, 1, 12, 14)


def test_a_field_that_never_lies_within_the_input_is_no_patch(tmp_path):
    # Every third position, of which the only ones with all of their field inside would need a larger picture.
    kernel = np.ones((1, 1, 11, 11), np.float32)
    nodes = [helper.make_node("Conv", ["x", "w"], ["y"], pads=[5, 5, 5, 5], strides=[4, 4])]
    found = saved(tmp_path, nodes, {"w": kernel}, ("N", 1, 12, 12)).visualize("y", steps=2)
    assert not found.patch and found.pictures.shape == (1, 1, 12, 12)


def test_a_patch_that_does_not_give_what_the_whole_gives_is_not_used(tmp_path):
    # TensorFlow's padding depends on the size: that of a patch is another than that of the picture.
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], strides=[2, 2]),
        helper.make_node(
            "AveragePool", ["x"], ["b"], kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"
        ),
        helper.make_node("Add", ["a", "b"], ["y"]),
    ]
    model = saved(tmp_path, nodes, {"w": np.array([[[[-1]]]], np.float32)})
    found = model.visualize("y", transforms=False)
    assert not found.patch and found.pictures.shape == (1, 1, 12, 14)
    # The place in the middle sees nine pixels, the first of which counts against it; the rest is left grey.
    assert found.place == (3, 3)
    white, grey = np.full((3, 3), 255), found.pictures[0, 0].copy()
    white[0, 0] = 0
    np.testing.assert_allclose(grey[6:9, 6:9], white, atol=40)
    grey[6:9, 6:9] = 128
    assert (grey == 128).all()


def test_pixels_that_come_as_bytes_are_climbed_behind_their_cast(tmp_path):
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["f"], ["t"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["t", "w"], ["y"]),
    ]
    told = {"inspector.preprocess": Preprocess("gray", "0..255").to_json()}
    weights = {"w": EDGE[None, None]}
    found = saved(tmp_path, nodes, weights, ("N", 12, 14, 1), told, TensorProto.UINT8).visualize("y")
    assert found.patch and alike(found.pictures[0, 0], EDGE) > 0.9
    assert 0.9 * 255 * 10 < found.activations[0, 0] <= 255 * 10


@pytest.mark.parametrize("shape", [("N", 100), ("N", 10, 10)])
def test_flattened_pictures_and_those_without_a_channel_axis_are_climbed(tmp_path, shape):
    pattern = np.where(np.arange(100) % 10 < 4, 1, -1).astype(np.float32)
    nodes = [
        helper.make_node("Mul", ["x", "one"], ["m"]),
        helper.make_node("Reshape", ["m", "s"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["y"]),
    ]
    weights = {"one": np.ones(1, np.float32), "s": np.array([-1, 100]), "d": pattern[:, None]}
    told = {"inspector.preprocess": Preprocess("gray").to_json()}
    found = saved(tmp_path, nodes, weights, shape, told).visualize("y")
    assert found.pictures.shape == (1, 1, 10, 10)
    assert alike(found.pictures[0, 0], pattern) > 0.9


def test_a_layer_of_a_model_without_class_scores_is_climbed(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["y"]),
    ]
    model = saved(tmp_path, nodes, {"w": EDGE[None, None]})
    model.graph  # noqa: B018
    assert alike(model.visualize("y").pictures[0, 0], EDGE) > 0.9


def test_where_the_first_climb_does_no_better_than_chance_another_begins_with_what_chance_found(tmp_path):
    # Nothing but a white picture gets through: from grey there is no slope.
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("Conv", ["r", "one"], ["y"]),
    ]
    weights = {
        "w": np.ones((1, 1, 3, 3), np.float32),
        "b": np.array([-7.5], np.float32),
        "one": np.ones((1, 1, 1, 1), np.float32),
    }
    found = saved(tmp_path, nodes, weights).visualize("y")
    assert found.activations[0, 0] > found.random[0] > 0
    assert (found.pictures > 240).all()
    assert found.beaten == ()


def test_integers_are_refused_with_a_command_that_shows_them(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[2, 2, 2, 2]),
        helper.make_node("QuantizeLinear", ["c", "step", "zero"], ["q"], name="steps"),
        helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"], name="back"),
    ]
    weights = {"w": EDGE[None, None], "step": np.float32(0.1), "zero": np.uint8(0)}
    model = saved(tmp_path, nodes, weights)
    with pytest.raises(OptionError) as caught:
        model.visualize("q")
    assert caught.value.message == (
        f"{model.path}: 'q' holds uint8; expected floats, which alone can be climbed by their gradient"
    )
    assert caught.value.hint == f"inspector activations {model.path} PICTURE -l q needs none."
