"""What filters look for, on networks built by hand whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_networks import EDGE, SPOT, alike, classifier, saved, yes_or_no
from onnx import TensorProto, helper

from inspector.preprocess import Preprocess
from inspector.visualize import visualize


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
    told = []
    visualize(two_filters, "c", steps=60, step=lambda: told.append(1))
    assert len(told) == 60


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


def test_a_class_is_found_by_name(tmp_path):
    model, weights = classifier(tmp_path)
    found = model.visualize(target="middle")
    assert (found.layer, found.value, found.indices, found.labels) == ("logits", "l", (1,), ("middle",))
    assert found.pictures.shape == (1, 1, 12, 15)
    assert found.place is None and not found.patch
    assert alike(found.pictures[0, 0], weights[1]) > 0.9
    assert found.title == "logits · 1 of 3 classes · 15x12, whole input"


@pytest.mark.parametrize("end", ["Sigmoid", "HardSigmoid"])
def test_a_single_sigmoid_has_two_classes_that_look_for_opposites(tmp_path, end):
    model, weights = yes_or_no(tmp_path, ("dark", "bright"), end)
    found = [model.visualize(target=name, transforms=False) for name in ("dark", "bright")]
    assert [(each.indices, each.labels, each.total) for each in found] == [
        ((0,), ("dark",), 2),
        ((1,), ("bright",), 2),
    ]
    for each, sign in zip(found, (-1, 1), strict=True):
        picture = each.pictures[0, 0]
        assert alike(picture, sign * weights) > 0.9
        assert np.allclose(each.activations, sign * (picture / 255 * weights).sum(), rtol=1e-4)


def test_both_classes_of_a_single_sigmoid_are_shown_for_the_logits_and_for_the_sigmoid(tmp_path):
    model, _ = yes_or_no(tmp_path)
    logits, sigmoid = model.visualize("logits", steps=2), model.visualize("y", steps=2)
    assert logits.labels == sigmoid.labels == ("class 0", "class 1")
    assert np.array_equal(logits.pictures, sigmoid.pictures)
    captions = [text.text.partition(":")[0] for text in logits.picture().texts]
    assert captions[:2] == ["class 0", "class 1"]


def test_a_sigmoid_on_the_way_makes_no_classes(tmp_path):
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], name="conv"),
        helper.make_node("Sigmoid", ["c"], ["gate"], name="gate"),
        helper.make_node("GlobalAveragePool", ["gate"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Concat", ["f", "f"], ["y"], axis=1),
    ]
    model = saved(tmp_path, nodes, {"w": EDGE[None, None]})
    found = model.visualize("gate", steps=2)
    assert (found.layer, found.before, found.labels, found.total) == ("gate", "Sigmoid", (), 1)


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
    told = []
    found = visualize(saved(tmp_path, nodes, weights), "y", step=lambda: told.append(1))
    assert len(told) == 2 * 256
    assert found.activations[0, 0] > found.random[0] > 0
    assert (found.pictures > 240).all()
    assert found.beaten == ()
