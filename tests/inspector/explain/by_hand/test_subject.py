"""What a method may ask of a model and its pictures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import OptionError
from inspector.explain import Runner, Subject, find
from inspector.explain.randomised import randomised, with_random_weights
from inspector.explain.subject import blurred
from inspector.model import load
from inspector.predictor import Predictor


def test_scores_are_the_targets_logits_and_probabilities_their_softmax(by_hand):
    subject = by_hand().subject
    logits = subject.logits(subject.inputs)
    assert np.array_equal(subject.scores(subject.inputs, subject.targets), logits[range(3), subject.targets])
    expected = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert np.allclose(subject.probabilities(subject.inputs), expected, atol=1e-6)


def test_a_single_sigmoid_counts_for_two_classes(by_hand):
    subject = by_hand(ending="Sigmoid").subject
    logits = subject.logits(subject.inputs)
    assert logits.shape == (3, 2)
    assert np.array_equal(logits[:, 0], -logits[:, 1])
    found = subject.gradient(subject.inputs[:1].repeat(2, axis=0), (0, 1))["gradient"]
    assert np.allclose(found[0], -found[1])
    assert found.any()


def test_more_samples_than_fit_one_run_give_what_each_gives_alone(by_hand):
    subject = by_hand().subject
    many = np.resize(subject.inputs, (2 * subject.batch + 5, *subject.inputs.shape[1:]))
    assert subject.batch == 32
    whole = subject.logits(many)
    alone = np.concatenate([subject.logits(many[at : at + 1]) for at in range(len(many))])
    assert np.allclose(whole, alone, atol=1e-5)


def test_picture_and_blank_of_a_large_input_still_fit_one_run(by_hand):
    subject = by_hand().subject
    assert replace(subject, inputs=np.zeros((1, 1, 2400, 2400), np.float32)).batch == 2


@pytest.mark.parametrize("axes", ["NCHW", "NHWC", "HWC"])
def test_pictures_come_back_from_channels_first_as_they_were(by_hand, axes):
    subject = by_hand(axes=axes).subject
    first = subject.channels_first(subject.inputs)
    assert first.shape == (3, 1, 16, 16)
    assert subject.size == (16, 16)
    assert np.array_equal(subject.as_input(first), subject.inputs)


def test_the_blank_pictures_are_what_their_names_say(by_hand):
    subject = by_hand().subject
    assert not subject.blank("black").any()
    mean = subject.blank("mean")
    assert np.allclose(mean[1], subject.inputs[1].mean())
    blur = subject.blank("blur")
    assert blur.std() < subject.inputs.std() / 2
    assert np.allclose(blur.mean(), subject.inputs.mean(), atol=0.05)
    with pytest.raises(OptionError) as caught:
        subject.blank("white")
    assert caught.value.message == "there is no blank picture 'white'; expected blur, mean, black or zero"


def test_a_blur_is_a_gaussian_sum_with_continued_edges():
    picture = np.random.default_rng(0).normal(size=(1, 1, 7, 6)).astype(np.float32)
    offsets = range(-3, 4)
    weight = {at: np.exp(-0.5 * at**2) for at in offsets}
    total = sum(weight.values())
    expected = np.zeros((7, 6))
    for row in range(7):
        for column in range(6):
            for down in offsets:
                for across in offsets:
                    there = min(max(row + down, 0), 6), min(max(column + across, 0), 5)
                    expected[row, column] += weight[down] * weight[across] / total**2 * picture[0, 0][there]
    assert np.allclose(blurred(picture, 1.0)[0, 0], expected, atol=1e-6)


def test_a_mask_mixes_picture_and_blank(by_hand):
    subject = by_hand().subject
    kept = np.full((2, 16, 16), 0.25, np.float32)
    kept[1, :8] = 1
    found = subject.masked(2, kept, subject.blank("mean"))
    picture = subject.inputs[2]
    assert np.allclose(found[0], 0.25 * picture + 0.75 * picture.mean(), atol=1e-6)
    assert np.allclose(found[1, :, :8], picture[:, :8])


@pytest.fixture
def around(tmp_path):
    """A residual network whose shape of the flattened maps is computed from the input."""
    random = np.random.default_rng(1)
    nodes = [
        helper.make_node("Conv", ["x", "w1"], ["a"], pads=[1] * 4, name="first"),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "w2"], ["c"], pads=[1] * 4, name="second"),
        helper.make_node("Add", ["b", "c"], ["d"]),
        helper.make_node("Shape", ["x"], ["shape"], end=1),
        helper.make_node("Concat", ["shape", "rest"], ["flat shape"], axis=0),
        helper.make_node("Reshape", ["d", "flat shape"], ["f"]),
        helper.make_node("MatMul", ["f", "w3"], ["y"], name="dense"),
    ]
    stored = {"w1": (3, 1, 3, 3), "w2": (3, 3, 3, 3), "w3": (3 * 36, 2)}
    tensors = [
        numpy_helper.from_array(random.normal(size=s).astype("f4"), name) for name, s in stored.items()
    ]
    tensors.append(numpy_helper.from_array(np.array([-1]), "rest"))
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 6, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "around", [x], [y], tensors)
    path = tmp_path / "around.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    runner = Runner(Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"}))
    return Subject(runner, random.uniform(size=(2, 1, 6, 6)).astype(np.float32), (0, 1), "second")


def test_running_on_from_a_layer_with_its_own_maps_changes_nothing(around):
    layer = around.target_layer
    maps = around.values(around.inputs, [layer.value])[layer.value]
    for index in range(2):
        found = around.scores_from(index, layer, np.repeat(maps[index : index + 1], 40, axis=0))
        expected = around.scores(around.inputs, around.targets)[index]
        assert found.shape == (40,)
        assert np.allclose(found, expected, atol=1e-4)


def test_running_on_from_a_layer_without_maps_leaves_what_goes_around_it(around):
    layer = around.target_layer
    maps = around.values(around.inputs, [layer.value, "b"])
    dense = next(tensor for tensor in onnx.load(around.model.path).graph.initializer if tensor.name == "w3")
    expected = maps["b"][0].ravel() @ numpy_helper.to_array(dense)[:, 0]
    found = around.scores_from(0, layer, np.zeros_like(maps[layer.value][:1]))
    assert np.allclose(found, expected, atol=1e-4)


def test_random_weights_keep_their_size_and_spare_biases_and_the_model(by_hand):
    built = by_hand()
    model = onnx.load(built.path)
    before = {tensor.name: numpy_helper.to_array(tensor).copy() for tensor in model.graph.initializer}
    drawn = {t.name: numpy_helper.to_array(t) for t in with_random_weights(model).graph.initializer}
    for name in ("conv.weight", "dense.weight"):
        assert abs(np.corrcoef(before[name].ravel(), drawn[name].ravel())[0, 1]) < 0.5
        assert drawn[name].std() == pytest.approx(before[name].std(), rel=0.3)
        assert drawn[name].dtype == np.float32
    assert np.array_equal(before["dense.bias"], drawn["dense.bias"])
    kept = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    assert all(np.array_equal(before[name], kept[name]) for name in before)


def test_the_part_behind_a_layer_has_the_random_weights_too(by_hand):
    subject = by_hand().subject
    other = randomised(subject)
    maps = other.values(other.inputs, ["last"])["last"]
    found = other.scores_from(0, other.target_layer, maps[:1])
    assert np.allclose(found, other.scores(other.inputs, other.targets)[0], atol=1e-4)
    assert not np.allclose(found, subject.scores(subject.inputs, subject.targets)[0], atol=1e-2)


def test_deeplift_says_what_a_model_of_one_picture_at_a_time_lacks(by_hand):
    built = by_hand(batch=1)
    with pytest.raises(OptionError) as caught:
        find("deeplift").run(built.subject, {})
    assert caught.value.message == (
        f"{built.path}: takes batches of 1; DeepLIFT needs two: picture and blank"
    )
