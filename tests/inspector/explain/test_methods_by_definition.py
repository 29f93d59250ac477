"""Methods against their definitions, computed from the network's own answers or by PyTorch."""

from __future__ import annotations

from dataclasses import replace
from math import erf, sqrt
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from inspector.explain import Runner, Subject, find
from inspector.explain.cam import maps_alone
from inspector.model import load
from inspector.predictor import Predictor

SIDE = 6
WEIGHTS = np.random.default_rng(4).normal(size=(SIDE * SIDE, 2)).astype(np.float32)


def subject_of(tmp_path: Path, *, folded: bool, pictures: NDArray[np.float32]) -> Subject:
    """A network that adds up weight × pixel, or weight × |pixel| where it is folded."""
    nodes = [
        helper.make_node("Abs" if folded else "Identity", ["x"], ["a"]),
        helper.make_node("Flatten", ["a"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, SIDE, SIDE])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(WEIGHTS, "w")])
    path = tmp_path / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    runner = Runner(Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"}))
    return Subject(runner, pictures, tuple(number % 2 for number in range(len(pictures))))


def drawn(count: int, low: float, high: float) -> NDArray[np.float32]:
    pictures = np.random.default_rng(5).uniform(low, high, (count, 1, SIDE, SIDE))
    return pictures.astype(np.float32)


def slopes(subject: Subject, index: int) -> NDArray[np.float32]:
    """The weights of a picture's target, where the network is linear."""
    return WEIGHTS[:, subject.targets[index]].reshape(SIDE, SIDE)


@pytest.mark.parametrize("low", [-3.0, -1.0])
def test_smoothgrad_averages_slopes_before_it_takes_their_magnitude(tmp_path: Path, low: float) -> None:
    """Under noise of deviation s, |x| has the mean slope 2Φ(x/s) − 1: where signs cancel, little is left."""
    one = subject_of(tmp_path, folded=True, pictures=drawn(1, low, 1))
    deviation = 0.25 * float(np.ptp(one.inputs))
    mean = np.vectorize(erf)(one.inputs[0, 0] / deviation / sqrt(2))
    expected = np.abs(WEIGHTS[:, 0].reshape(SIDE, SIDE) * mean)
    found = find("smoothgrad").run(one, {"samples": 3000, "noise": 0.25}).values[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.06 * np.abs(WEIGHTS).max())


@pytest.mark.parametrize("low", [-3.0, -1.0])
def test_vargrad_is_the_variance_under_noise_of_a_part_of_the_pictures_range(
    tmp_path: Path, low: float
) -> None:
    one = subject_of(tmp_path, folded=True, pictures=drawn(1, low, 1))
    deviation = 0.25 * float(np.ptp(one.inputs))
    mean = np.vectorize(erf)(one.inputs[0, 0] / deviation / sqrt(2))
    expected = WEIGHTS[:, 0].reshape(SIDE, SIDE) ** 2 * (1 - mean**2)
    found = find("vargrad").run(one, {"samples": 3000, "noise": 0.25}).values[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=0.06 * np.square(WEIGHTS).max())


def test_expected_gradients_take_blank_and_other_pictures_equally_often_as_references(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, folded=False, pictures=drawn(3, 0, 1))
    done = find("expected-gradients").run(subject, {"samples": 20})
    assert done.notes == ()
    for index, picture in enumerate(subject.inputs):
        blanks = [subject.blank(kind)[index] for kind in ("black", "mean", "blur")]
        others = [other for at, other in enumerate(subject.inputs) if at != index]
        expected = slopes(subject, index) * (picture - np.mean([*blanks, *others], axis=0))[0]
        np.testing.assert_allclose(done.values[index], expected, rtol=0, atol=1e-5)
        # One alone is compared with the same pictures.
        alone = find("expected-gradients").run(subject.only(index), {"samples": 20}).values[0]
        np.testing.assert_allclose(alone, expected, rtol=0, atol=1e-5)


def test_with_enough_other_pictures_expected_gradients_need_no_blank_ones(tmp_path: Path) -> None:
    pictures = drawn(12, 0, 1)
    # The same picture again is no other one.
    pictures[11] = pictures[0]
    subject = subject_of(tmp_path, folded=False, pictures=pictures)
    found = find("expected-gradients").run(subject, {"samples": 20}).values
    expected = slopes(subject, 0) * (pictures[0] - pictures[1:11].mean(axis=0))[0]
    np.testing.assert_allclose(found[0], expected, rtol=0, atol=1e-5)


def test_expected_gradients_of_fewer_samples_than_references_draw_some_of_them(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, folded=False, pictures=drawn(31, 0, 1))
    chosen = [
        find("expected-gradients").run(replace(subject.only(0), seed=seed), {"samples": 1}).values[0]
        for seed in range(30)
    ]
    each = [slopes(subject, 0) * (subject.inputs[0] - other)[0] for other in subject.inputs[1:]]
    hit = {int(np.argmin([np.abs(found - one).max() for one in each])) for found in chosen}
    assert max(np.min([np.abs(found - one).max() for one in each]) for found in chosen) < 1e-5
    # Thirty draws of thirty meet nineteen on average.
    assert len(hit) > 10


def test_expected_gradients_of_a_picture_alone_say_that_they_know_only_blank_ones(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, folded=False, pictures=drawn(1, 0, 1))
    done = find("expected-gradients").run(subject, {"samples": 30})
    blanks = [subject.blank(kind)[0] for kind in ("black", "mean", "blur")]
    expected = slopes(subject, 0) * (subject.inputs[0] - np.mean(blanks, axis=0))[0]
    np.testing.assert_allclose(done.values[0], expected, rtol=0, atol=1e-5)
    assert done.notes == (
        "as no other picture of its size was given, it is compared with blank ones only; "
        "explain a folder to compare its pictures with each other, as the method is meant",
    )


def test_score_cam_weighs_maps_by_the_softmax_of_the_logits_under_them(twin) -> None:
    import torch
    from torch.nn.functional import interpolate

    kept = {}
    handle = twin.layer.register_forward_hook(lambda module, given, made: kept.update(maps=made))
    with torch.no_grad():
        twin.module(twin.x)
    handle.remove()
    found = find("score-cam").run(twin.subject, {}).values
    for index, target in enumerate(twin.subject.targets):
        maps, picture = kept["maps"][index], twin.x[index]
        large = interpolate(maps[:, None], size=picture.shape[1:], mode="bilinear")
        low, high = (getattr(large, end)(dim=(1, 2, 3), keepdim=True) for end in ("amin", "amax"))
        with torch.no_grad():
            logits = twin.module((large - low) / (high - low).clamp(min=1e-8) * picture)[:, target]
        weighted = (torch.softmax(logits, 0)[:, None, None] * maps).sum(0).clamp(min=0)
        expected = interpolate(weighted[None, None], size=picture.shape[1:], mode="bilinear")[0, 0].numpy()
        np.testing.assert_allclose(found[index], expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_eigen_cam_shows_the_side_on_which_the_maps_are_stronger(twin) -> None:
    subject = twin.subject
    found = find("eigen-cam").run(subject, {}).values
    for values, heatmap in zip(maps_alone(subject).values, found, strict=True):
        flat = values.reshape(len(values), -1).astype(np.float64)
        _, directions = np.linalg.eigh(np.cov(flat))
        projected = directions[:, -1] @ (flat - flat.mean(axis=1, keepdims=True))
        if projected @ flat.sum(axis=0) < 0:
            projected = -projected
        size = values.shape[1:]
        strongest = np.unravel_index(projected.argmax(), size)
        factor = [large / small for large, small in zip(subject.size, size, strict=True)]
        middle = tuple(int((at + 0.5) * by) for at, by in zip(strongest, factor, strict=True))
        assert heatmap[middle] > 0.5 * projected.max()


def test_lime_is_a_ridge_regression_weighted_by_the_cosine_distance_to_the_whole(twins, monkeypatch) -> None:
    from scipy.spatial.distance import cosine
    from sklearn.linear_model import Ridge

    from inspector.explain.methods import lime as module

    labels = (np.arange(18)[:, None] // 6 * 3 + np.arange(18) // 6).astype(np.int32)
    monkeypatch.setattr("inspector.explain.segments.superpixels", lambda picture, count: labels)
    asked, answers = [], module.answers

    def recorded(subject, index, patches, kept, nothing):
        said = answers(subject, index, patches, kept, nothing)
        asked.append((kept, said))
        return said

    monkeypatch.setattr(module, "answers", recorded)
    one = twins["residual"].subject.only(0)
    found = find("lime").run(one, {"samples": 60, "width": 0.3, "ridge": 2.0}).values[0]
    kept, said = asked[0]
    assert kept[0].all() and kept.shape == (60, 9)
    near = [np.exp(-(cosine(row, np.ones(9)) ** 2) / 0.3**2) if row.any() else None for row in kept * 1.0]
    weights = np.array([np.exp(-1 / 0.3**2) if weight is None else weight for weight in near])
    fitted = Ridge(alpha=2.0).fit(kept.astype(np.float64), said, sample_weight=weights)
    np.testing.assert_allclose([found[labels == patch][0] for patch in range(9)], fitted.coef_, atol=1e-6)


def test_shapley_values_from_drawn_coalitions_come_near_the_exact_ones(twins, monkeypatch) -> None:
    labels = (np.arange(18)[:, None] // 6 * 4 + np.minimum(np.arange(18) // 5, 3)).astype(np.int32)
    monkeypatch.setattr("inspector.explain.segments.superpixels", lambda picture, count: labels)
    one = twins["residual"].subject.only(0)
    exact, near = (
        find("kernel-shap").run(one, {"samples": samples, "blank": "black"}).values[0]
        for samples in (2**12, 2**12 - 1)
    )
    np.testing.assert_allclose(near, exact, rtol=0, atol=0.1 * np.abs(exact).max())


def test_occlusion_covers_the_far_edge_too(tmp_path: Path) -> None:
    """Six pixels are no whole number of steps of two behind a window of three."""
    one = subject_of(tmp_path, folded=False, pictures=drawn(1, 0.5, 1))
    found = find("occlusion").run(one, {"window": 3, "step": 2, "blank": "black"}).values[0]
    parts = WEIGHTS[:, 0].reshape(SIDE, SIDE) * one.inputs[0, 0]
    # The last pixel is under the one window that ends with the picture.
    assert found[-1, -1] == pytest.approx(parts[3:, 3:].sum(), abs=1e-4)


def test_methods_of_one_picture_do_not_depend_on_the_seed_of_another(tmp_path: Path) -> None:
    subject = subject_of(tmp_path, folded=True, pictures=drawn(2, -1, 1))
    found = find("smoothgrad").run(subject, {"samples": 10}).values
    other = find("smoothgrad").run(replace(subject, seed=1), {"samples": 10}).values
    assert not np.array_equal(found, other)
    assert np.array_equal(found[:1], find("smoothgrad").run(subject.only(0), {"samples": 10}).values)


@pytest.mark.parametrize("rule", ["gamma", "composite"])
def test_relevance_is_shared_out_by_favoured_kernels(twins, rule) -> None:
    """Each layer in its turn, as PyTorch computes it, with w + γ w⁺ in place of w where the rule says so.

    The first layer reads the picture, of whatever sign, and favours none.
    """
    import torch
    from torch import nn

    twin = twins["pooled"]
    favoured = (nn.Conv2d, nn.Linear) if rule == "gamma" else (nn.Conv2d,)
    layers, values = list(twin.module), [twin.x.double()]
    for layer in layers:
        values.append(layer.double()(values[-1]).detach())
    targets = list(twin.subject.targets)
    relevance = torch.zeros_like(values[-1])
    relevance[range(2), targets] = values[-1][range(2), targets]
    for layer, given in zip(reversed(layers), reversed(values[:-1]), strict=True):
        if isinstance(layer, (nn.ReLU, nn.Flatten)):
            relevance = relevance.reshape(given.shape)
            continue
        before = {name: each.detach().clone() for name, each in layer.named_parameters()}
        with torch.no_grad():
            for each in layer.parameters() if isinstance(layer, favoured) and layer is not layers[0] else ():
                each += 0.25 * each.clamp(min=0)
        given = given.clone().requires_grad_()
        z = layer(given)
        stable = z + torch.where(z < 0, -1e-6, 1e-6)
        (slope,) = torch.autograd.grad(z, given, (relevance / stable).detach())
        relevance = (given * slope).detach()
        with torch.no_grad():
            for name, each in layer.named_parameters():
                each.copy_(before[name])
    twin.module.float()
    found = find("lrp").run(twin.subject, {"rule": rule}).values
    expected = relevance.sum(dim=1).numpy()
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-3 * np.abs(expected).max())


def test_values_that_are_asked_for_beside_a_gradient_come_though_it_was_known_without(twins) -> None:
    twin = twins["pooled"]
    subject, value = twin.subject, twin.subject.target_layer.value
    alone = subject.gradient(subject.inputs, subject.targets)
    assert value not in alone
    both = subject.gradient(subject.inputs, subject.targets, outputs=(value,))
    np.testing.assert_array_equal(both["gradient"], alone["gradient"])
    np.testing.assert_array_equal(both[value], subject.values(subject.inputs, [value])[value])


def test_drawn_coalitions_come_with_their_complements(twins, monkeypatch) -> None:
    from inspector.explain.methods import kernel_shap as module

    asked, answers = [], module.answers

    def recorded(subject, index, patches, kept, nothing):
        asked.append(kept)
        return answers(subject, index, patches, kept, nothing)

    monkeypatch.setattr(module, "answers", recorded)
    find("kernel-shap").run(twins["pooled"].subject.only(0), {"samples": 50, "patches": 12})
    rows = [tuple(row) for row in asked[0]]
    assert len(rows) == 52
    assert sorted(rows) == sorted(tuple(not each for each in row) for row in rows)
