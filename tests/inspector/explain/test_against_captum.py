"""Every method that Captum has too gives what Captum gives, on three networks with the same weights."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from inspector.explain import find

NEAR = 1e-4
WITHOUT_MAXIMA = ("notebook-average", "residual-average", "pooled")


def relative(found, expected):
    wanted = np.asarray(expected, np.float64)
    assert found.shape == wanted.shape
    return float(np.abs(found - wanted).max() / np.abs(wanted).max())


def run(twin, name, **options):
    return find(name).run(twin.subject, options).values


def captum(twin, kind, **options):
    """Captum's attribution of the pictures, float (N, channels, height, width)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = kind(twin.module)
        return (
            made.attribute(twin.x.requires_grad_(), target=list(twin.subject.targets), **options)
            .detach()
            .numpy()
        )


def test_the_gradient_is_captums_saliency(twin):
    from captum.attr import Saliency

    assert relative(run(twin, "gradient"), captum(twin, Saliency).max(axis=1)) < NEAR


def test_input_x_gradient(twin):
    from captum.attr import InputXGradient

    assert relative(run(twin, "input-x-gradient"), captum(twin, InputXGradient).sum(axis=1)) < NEAR


def test_integrated_gradients_from_black(twin):
    from captum.attr import IntegratedGradients

    expected = captum(twin, IntegratedGradients, n_steps=50, method="gausslegendre")
    assert relative(run(twin, "integrated-gradients", steps=50), expected.sum(axis=1)) < NEAR


def test_guided_backpropagation(twin):
    from captum.attr import GuidedBackprop

    expected = np.abs(captum(twin, GuidedBackprop)).max(axis=1)
    assert relative(run(twin, "guided-backpropagation"), expected) < NEAR


@pytest.mark.parametrize("name", WITHOUT_MAXIMA)
def test_deeplift_with_the_rescale_rule(twins, name):
    from captum.attr import DeepLift

    twin = twins[name]
    assert relative(run(twin, "deeplift"), captum(twin, DeepLift).sum(axis=1)) < NEAR


def test_deeplift_is_complete_behind_maxima_too_where_captums_is_not(twins):
    from captum.attr import DeepLift

    twin = twins["notebook"]
    found = find("deeplift").run(twin.subject, {})
    assert found.figures["completeness error"].max() < 1e-4
    black = twin.subject.blank("black")
    difference = twin.subject.scores(twin.subject.inputs, twin.subject.targets) - twin.subject.scores(
        black, twin.subject.targets
    )
    theirs = captum(twin, DeepLift).sum(axis=(1, 2, 3))
    assert np.abs(theirs / difference - 1).max() > 0.05


def test_occlusion_with_windows_that_do_not_overlap(twin):
    from captum.attr import Occlusion

    expected = captum(twin, Occlusion, sliding_window_shapes=(3, 3, 3), strides=(3, 3, 3))
    found = run(twin, "occlusion", window=3, step=3, blank="black")
    assert relative(found, expected.mean(axis=1)) < NEAR


def test_lrp_with_the_epsilon_rule(twins):
    from captum.attr import LRP
    from captum.attr._utils.lrp_rules import EpsilonRule

    # Captum has no rule for a residual sum written as +, nor for batch normalization.
    for name in ("notebook", "pooled"):
        twin = twins[name]
        for part in twin.module.modules():
            # What only moves or picks numbers loses none; Captum would have it lose a little.
            summing = type(part).__name__ in ("Conv2d", "Linear", "AdaptiveAvgPool2d")
            if summing or type(part).__name__ == "Flatten":
                part.rule = EpsilonRule(epsilon=0.01 if summing else 1e-12)
        expected = captum(twin, LRP).sum(axis=1)
        assert relative(run(twin, "lrp", rule="epsilon", epsilon=0.01), expected) < NEAR


def test_smoothgrad_and_vargrad_are_the_moments_of_captums_noise_tunnel(twins):
    """The draws differ, so the statistics are compared over many samples on one network."""
    from captum.attr import NoiseTunnel, Saliency

    twin = twins["pooled"]
    one = twin.subject.only(0)
    deviation = 0.1 * float(np.ptp(one.inputs))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tunnel = NoiseTunnel(Saliency(twin.module))
        x = twin.x[:1].requires_grad_()
        expected = tunnel.attribute(
            x, nt_type="vargrad", nt_samples=3000, stdevs=deviation, target=one.targets[0], abs=False
        )
    found = find("vargrad").run(one, {"samples": 3000, "noise": 0.1}).values
    assert np.corrcoef(found.ravel(), expected.detach().numpy().sum(axis=1).ravel())[0, 1] > 0.98
    assert found.sum() == pytest.approx(float(expected.sum()), rel=0.1)


def test_kernel_shap_over_all_coalitions_gives_the_shapley_values(twins, monkeypatch):
    from captum.attr import ShapleyValueSampling

    twin = twins["residual"]
    one = twin.subject.only(0)
    labels = (np.arange(18)[:, None] // 9 * 3 + np.arange(18) // 6).astype(np.int32)
    monkeypatch.setattr("inspector.explain.segments.superpixels", lambda picture, count: labels)
    found = find("kernel-shap").run(one, {"samples": 64, "blank": "black"}).values[0]
    import torch

    soft = torch.nn.Sequential(twin.module, torch.nn.Softmax(dim=1))
    mask = torch.tensor(labels)[None, None].long()
    # All orders of six patches are 720: the mean of many drawn ones comes near, the exact one is by hand.
    expected = by_definition(soft, twin.x[:1], one.targets[0], labels)
    values = np.array([found[labels == patch][0] for patch in range(6)])
    assert np.abs(values - expected).max() < 1e-5
    with torch.no_grad():
        near = ShapleyValueSampling(soft).attribute(
            twin.x[:1], target=one.targets[0], feature_mask=mask, n_samples=300
        )
    assert np.abs(near.numpy()[0, 0] - found).max() < 0.2 * np.abs(values).max() + 1e-4


def by_definition(module, x, target, labels):
    """Shapley values of six patches from their definition, over all subsets."""
    from itertools import combinations
    from math import factorial

    import torch

    def said(present):
        kept = torch.tensor(np.isin(labels, list(present)).astype(np.float32))
        with torch.no_grad():
            return float(module(x * kept)[0, target])

    count, values = 6, []
    for patch in range(count):
        others = [other for other in range(count) if other != patch]
        total = 0.0
        for size in range(count):
            share = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                total += share * (said({*chosen, patch}) - said(set(chosen)))
        values.append(total)
    return np.array(values)
