"""How much of the input is drawn: what one position sees, or all of it."""

from __future__ import annotations

import numpy as np
from drawn_networks import EDGE, SPOT, alike, saved
from onnx import helper


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
