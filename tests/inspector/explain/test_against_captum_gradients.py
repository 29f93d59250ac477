"""Every method of gradients that Captum has too gives what Captum gives, on three networks."""

from __future__ import annotations

import warnings
from functools import partial

import numpy as np
import pytest
from peers import NEAR, captum, relative, run

from inspector.explain import Subject, find


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


@pytest.mark.parametrize("name", ["notebook-average", "residual-average", "pooled"])
def test_deeplift_where_no_maximum_is_pooled(twins, name):
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


def test_smoothgrad_is_the_mean_of_captums_noise_tunnel(twin, monkeypatch):
    # Slopes of both signs are averaged before their magnitude is taken.
    expected = np.abs(through_noise(twin, monkeypatch, "smoothgrad")).max(axis=1)
    assert relative(run(twin, "smoothgrad", samples=20, noise=0.1), expected) < NEAR


def test_vargrad_is_the_variance_of_captums_noise_tunnel(twin, monkeypatch):
    expected = through_noise(twin, monkeypatch, "vargrad").sum(axis=1)
    assert relative(run(twin, "vargrad", samples=20, noise=0.1), expected) < NEAR


def through_noise(twin, monkeypatch, kind):
    """Captum's statistic of the slopes under our draws of noise, float (N, channels, height, width)."""
    import torch
    from captum.attr import NoiseTunnel, Saliency

    found = []
    for index, target in enumerate(twin.subject.targets):
        picture = twin.x[index : index + 1]
        draws = np.random.default_rng((twin.subject.seed, index)).standard_normal((20, *picture.shape[1:]))
        with warnings.catch_warnings(), monkeypatch.context() as patched:
            warnings.simplefilter("ignore")
            patched.setattr(torch, "normal", partial(drawn, torch.tensor(draws)))
            made = NoiseTunnel(Saliency(twin.module)).attribute(
                picture.requires_grad_(),
                nt_type=kind,
                nt_samples=20,
                stdevs=0.1 * float(picture.max() - picture.min()),
                target=target,
                abs=False,
            )
        found.append(made.detach().numpy()[0])
    return np.stack(found)


def drawn(draws, mean, deviations):
    """What stands for `torch.normal`: the given draws from N(0, 1), moved and stretched."""
    assert draws.shape == deviations.shape
    return (mean + deviations * draws).to(deviations.dtype)


def test_expected_gradients_are_captums_gradient_shap_for_the_same_draws(twin, monkeypatch):
    from captum.attr import GradientShap

    seen, gradient = [], Subject.gradient

    def noted(subject, batch, targets, **options):
        seen.extend(batch)
        return gradient(subject, batch, targets, **options)

    with monkeypatch.context() as patched:
        patched.setattr(Subject, "gradient", noted)
        ours = run(twin, "expected-gradients", samples=60)
    found = []
    for index, target in enumerate(twin.subject.targets):
        picture, references = twin.x[index : index + 1], references_of(twin, index)
        chosen, along = ways(np.stack(seen[60 * index : 60 * index + 60]), picture, references)
        # Every reference equally often, and a point in each of as many equal parts of the way.
        assert np.bincount(chosen).tolist() == [15] * len(references)
        assert sorted((along * 60).astype(int)) == list(range(60))
        with monkeypatch.context() as patched:
            patched.setattr(np.random, "choice", lambda count, samples, chosen=chosen: chosen)
            patched.setattr(np.random, "uniform", lambda low, high, samples, along=along: along)
            made = GradientShap(twin.module).attribute(
                picture, baselines=references, n_samples=60, stdevs=0.0, target=target
            )
        found.append(made.detach().numpy()[0])
    assert relative(ours, np.stack(found).sum(axis=1)) < NEAR


def references_of(twin, index):
    """The blank pictures and the other one, float (4, channels, height, width)."""
    import torch

    blanks = [torch.tensor(twin.subject.blank(kind)[index]) for kind in ("black", "mean", "blur")]
    return torch.stack([*blanks, *(picture for other, picture in enumerate(twin.x) if other != index)])


def ways(points, picture, references):
    """For each point the reference whose way to the picture leads through it, and how far along it is.

    Returns:
        int (M,), and float (M,) in 0..1.
    """
    flat = [np.asarray(array, np.float64).reshape(len(array), -1) for array in (points, picture, references)]
    whole = flat[1] - flat[2]
    gone = flat[0][:, None] - flat[2]
    along = (gone * whole).sum(axis=2) / (whole * whole).sum(axis=1)
    missed = np.abs(gone - along[:, :, None] * whole).max(axis=2)
    chosen = missed.argmin(axis=1)
    assert missed.min(axis=1).max() < 1e-5
    return chosen, along[np.arange(len(points)), chosen]
