"""On networks that read one patch, maps fall on the patch; on linear ones, they are known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from inspector.errors import OptionError
from inspector.explain import Runner, all_methods, find
from inspector.explain.methods.rise import random_masks
from inspector.model import load
from inspector.predictor import Predictor

CORNERS = ((0, 0), (3, 8), (10, 10))
FINE = (
    *("gradient", "input-x-gradient", "smoothgrad", "vargrad", "integrated-gradients"),
    *("expected-gradients", "guided-backpropagation", "deeplift", "lrp"),
)
POSITIONS = ("hirescam", "layercam")
ASKING = {
    "occlusion": {"window": 3, "step": 1},
    "rise": {"masks": 1500, "cells": 6},
    "kernel-shap": {},
    "lime": {},
}


def run(built, name, **options):
    return find(name).run(built.subject, options)


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("name", FINE)
def test_a_method_over_pixels_finds_nothing_outside_the_patch(by_hand, name, corner):
    built = by_hand("conv", corner)
    found = run(built, name).values
    assert found[1].any()
    for values in found:
        # Guided backpropagation stops all that speaks for darkness.
        if not values.any():
            assert name == "guided-backpropagation"
            continue
        strongest = np.unravel_index(np.abs(values).argmax(), values.shape)
        assert built.mask[strongest]
        assert np.abs(values[~built.mask]).max() <= 1e-6 * np.abs(values).max()


@pytest.mark.parametrize("name", POSITIONS)
def test_maps_weighted_by_position_fall_on_the_patch_for_what_speaks_for_the_target(by_hand, name):
    built = by_hand("conv")
    light = built.subject.only(1)
    assert light.targets == (1,)
    values = find(name).run(light, {}).values[0]
    assert values.max() > 0
    assert not values[~built.mask].any()


@pytest.mark.parametrize("corner", CORNERS)
@pytest.mark.parametrize("name", ASKING)
def test_a_method_that_only_asks_points_at_the_patch(by_hand, name, corner):
    built = by_hand("conv", corner)
    light = built.subject.only(1)
    values = np.abs(find(name).run(light, ASKING[name]).values[0])
    assert values[built.mask].mean() > 2 * values[~built.mask].mean()
    # A superpixel may lie across the patch's edge.
    if name in ("occlusion", "rise"):
        assert built.mask[values == values.max()].all()


@pytest.mark.parametrize("name", ["input-x-gradient", "integrated-gradients", "deeplift", "lrp"])
def test_a_linear_networks_relevance_is_weight_times_pixel(by_hand, name):
    built = by_hand("linear")
    options = {"rule": "epsilon"} if name == "lrp" else {}
    found = find(name).run(built.subject, options).values
    for values, picture, target in zip(found, built.subject.inputs, built.subject.targets, strict=True):
        expected = built.weights[:, target].reshape(16, 16) * picture[0]
        assert np.allclose(values, expected, atol=1e-5 * np.abs(expected).max())


def test_integrated_gradients_and_deeplift_sum_to_the_difference_of_the_logits(by_hand):
    built = by_hand("conv")
    subject = built.subject
    black = np.zeros_like(subject.inputs)
    difference = subject.scores(subject.inputs, subject.targets) - subject.scores(black, subject.targets)
    for name, near in (("integrated-gradients", 1e-2), ("deeplift", 1e-4)):
        found = run(built, name)
        assert np.allclose(found.values.sum(axis=(1, 2)), difference, rtol=near)
        assert (found.figures["completeness error"] < near).all()


@pytest.mark.parametrize("rule", ["epsilon", "gamma", "composite"])
def test_relevance_propagation_conserves_the_logit_of_a_network_without_biases(by_hand, rule):
    built = by_hand("bare")
    found = run(built, "lrp", rule=rule).values
    logits = built.subject.scores(built.subject.inputs, built.subject.targets)
    assert np.allclose(found.sum(axis=(1, 2)), logits, rtol=1e-3)


def test_occlusion_of_a_linear_network_is_what_the_window_covers(by_hand):
    built = by_hand("linear")
    found = run(built, "occlusion", window=4, step=4, blank="black").values
    for values, picture, target in zip(found, built.subject.inputs, built.subject.targets, strict=True):
        parts = built.weights[:, target].reshape(16, 16) * picture[0]
        for top in range(0, 16, 4):
            for left in range(0, 16, 4):
                window = (slice(top, top + 4), slice(left, left + 4))
                assert np.allclose(values[window], parts[window].sum(), atol=1e-4)


def test_occlusion_leaves_zero_between_windows_that_do_not_meet(by_hand):
    values = run(by_hand("linear", (0, 0)), "occlusion", window=2, step=5).values
    assert np.isfinite(values).all()
    assert not values[:, 2:5].any()
    assert values[:, :2, :2].any()


def test_kernel_shap_shares_out_the_difference_of_the_probabilities(by_hand):
    built = by_hand("conv")
    one = built.subject.only(1)
    blank = one.blank("mean")
    expected = (one.probabilities(one.inputs) - one.probabilities(blank))[0, 1]
    from inspector.explain.segments import patches_of

    labels = patches_of(one, 0, 30).labels
    values = find("kernel-shap").run(one, {"samples": 200}).values[0]
    total = sum(values[labels == patch][0] for patch in np.unique(labels))
    assert total == pytest.approx(float(expected), abs=1e-5)


def test_rise_stops_when_its_error_is_small_enough_and_says_how_many_masks_it_took(by_hand):
    built = by_hand("conv")
    whole, short = (run(built, "rise", masks=600, enough=enough) for enough in (0.0, 10.0))
    assert (whole.figures["masks"] == 600).all()
    assert (short.figures["masks"] == 256).all()
    assert (short.figures["standard error"] < 10).all()


def test_rise_is_its_formula(by_hand):
    built = by_hand("linear")
    one = built.subject.only(0)
    found = find("rise").run(one, {"masks": 20, "cells": 4, "blank": "black"}).values[0]
    masks = random_masks(np.random.default_rng((0, 0)), 20, 4, 0.5, (16, 16))
    total, weight = np.zeros((16, 16)), np.zeros((16, 16))
    for mask in masks:
        said = one.probabilities(one.inputs * mask)[0, one.targets[0]]
        total += said * mask.astype(np.float64)
        weight += mask
    expected = total / weight
    assert np.allclose(found, expected - expected.min(), atol=1e-5)


def test_rise_masks_are_smooth_and_keep_as_much_as_was_asked():
    masks = random_masks(np.random.default_rng(0), 400, 7, 0.3, (30, 20))
    assert masks.shape == (400, 30, 20)
    assert masks.dtype == np.float32
    assert masks.min() >= 0
    assert masks.max() <= 1
    assert masks.mean() == pytest.approx(0.3, abs=0.02)
    # A cell is 5 pixels high, so a step of one pixel changes at most a fifth.
    assert np.abs(np.diff(masks, axis=1)).max() <= 0.2 + 1e-6


@pytest.mark.parametrize("size", [(32, 32), (20, 30), (13, 7)], ids=str)
def test_rise_masks_are_alike_at_every_edge(size):
    """A pixel between two nodes, at the part f of the way, has the variance k(1 - k) · ((1 - f)² + f²)."""
    cells, keep, count = 4, 0.4, 12000
    masks = random_masks(np.random.default_rng(0), count, cells, keep, size).astype(np.float64)
    expected = keep * (1 - keep)
    for side in size:
        parts = np.arange(-(-side // cells)) / -(-side // cells)
        expected *= np.mean((1 - parts) ** 2 + parts**2)
    corners = masks[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners.mean(axis=0), keep, atol=5 * np.sqrt(expected / count))
    np.testing.assert_allclose(corners.var(axis=0), expected, rtol=0.05)
    # Pixels that are side by side vary together as much at the one end as at the other.
    first, last = (np.cov(masks[:, 0, at], masks[:, 0, beside])[0, 1] for at, beside in ((0, 1), (-1, -2)))
    assert first == pytest.approx(last, rel=0.06)


def mirrored(built):
    """The subject of a linear network with left and right exchanged."""
    model = onnx.load(built.path)
    kept = next(tensor for tensor in model.graph.initializer if tensor.name == "dense.weight")
    turned = built.weights.reshape(16, 16, 2)[:, ::-1].reshape(built.weights.shape)
    kept.CopyFrom(numpy_helper.from_array(turned, kept.name))
    path = built.path.with_name("mirrored.onnx")
    onnx.save(model, path)
    ready = Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"})
    return replace(built.subject, runner=Runner(ready))


def test_rise_sees_as_much_at_the_right_edge_as_at_the_left(by_hand):
    built = by_hand("linear", (4, 0))
    contrasts = []
    for subject, mask in ((built.subject, built.mask), (mirrored(built), built.mask[:, ::-1])):
        one = replace(subject.only(1), inputs=np.ones((1, 1, 16, 16), np.float32))
        for seed in range(6):
            options = {"masks": 2000, "enough": 0.0, "blank": "black", "cells": 4}
            values = find("rise").run(replace(one, seed=seed), options).values[0]
            contrasts.append(values[mask].mean() - values[~mask].mean())
    left, right = np.reshape(contrasts, (2, 6))
    error = np.sqrt((left.var(ddof=1) + right.var(ddof=1)) / 6)
    assert abs(left.mean() - right.mean()) < 4 * error
    # The bound means something only where chance is far smaller than what is seen.
    assert left.mean() > 20 * error


def test_rise_reports_the_spread_that_other_masks_would_have_shown(by_hand):
    one = by_hand("linear").subject.only(1)
    options = {"masks": 400, "enough": 0.0, "blank": "black", "cells": 4}
    runs = [find("rise").run(replace(one, seed=seed), options) for seed in range(20)]
    reported = np.mean([run.figures["standard error"][0] * np.ptp(run.values[0]) for run in runs])
    means = []
    for seed in range(150):
        masks = random_masks(np.random.default_rng((seed, 7)), 400, 4, 0.5, (16, 16))
        said = one.probabilities(one.inputs * masks[:, None])[:, one.targets[0]].astype(np.float64)
        means.append(np.tensordot(said, masks, axes=1) / masks.sum(axis=0))
    assert reported == pytest.approx(np.std(means, axis=0, ddof=1).mean(), rel=0.1)


def test_rise_gives_finite_numbers_where_no_mask_keeps_anything(by_hand):
    found = run(by_hand("linear"), "rise", masks=2, cells=1, keep=1e-9)
    assert np.isfinite(found.values).all()


def test_chance_is_fixed_by_the_seed(by_hand):
    built = by_hand("conv")
    for name in ("smoothgrad", "rise", "kernel-shap", "lime", "expected-gradients"):
        options = {"masks": 100} if name == "rise" else {"samples": 40}
        first, again = (find(name).run(built.subject, options).values for _ in range(2))
        other = find(name).run(replace(built.subject, seed=1), options).values
        assert np.array_equal(first, again)
        # The gradient of a network of ReLUs that all let through is the same everywhere.
        if find(name).needs == "forward":
            assert not np.array_equal(first, other)


@pytest.mark.parametrize("name", all_methods())
@pytest.mark.parametrize(
    "how",
    [{"axes": "NHWC"}, {"axes": "HWC"}, {"batch": 1}, {"batch": 2}, {"ending": "Sigmoid"}, {"ending": ""}],
    ids=str,
)
def test_every_layout_batch_and_ending_gives_the_map_of_the_plain_network(by_hand, name, how):
    few = {"masks": 64} if name == "rise" else {"samples": 16} if "samples" in find(name).options else {}
    expected = find(name).run(by_hand().subject, few).values
    if name == "deeplift" and (how.get("batch") == 1 or how.get("axes") == "HWC"):
        with pytest.raises(OptionError, match="takes batches of 1; DeepLIFT needs two: picture and blank"):
            find(name).run(by_hand(**how).subject, few)
        return
    found = find(name).run(by_hand(**how).subject, few).values
    if how.get("ending") == "Sigmoid" and expected.any():
        # Its one logit is the difference of the two, so that the probabilities are the same.
        assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.999
        return
    # RISE draws its masks a batch at a time.
    if not (name == "rise" and "batch" in how) and how.get("axes") != "HWC":
        assert np.allclose(found, expected, atol=1e-4 * max(np.abs(expected).max(), 1e-3))
    assert found.shape == expected.shape
    assert np.isfinite(found).all()


def test_a_network_of_whole_numbers_is_explained_without_gradients(by_hand):
    built = by_hand("linear", dtype="UINT8")
    values = find("occlusion").run(built.subject, {"window": 4, "step": 4}).values[1]
    assert built.mask[np.unravel_index(np.abs(values).argmax(), values.shape)]
