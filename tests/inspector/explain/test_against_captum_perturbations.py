"""Every method of hidden parts that Captum has too gives what Captum gives, on three networks."""

from __future__ import annotations

import importlib
import warnings
from functools import partial

import numpy as np
import pytest
from peers import NEAR, captum, relative, run

# Four quarters and a middle: all their orders, which Captum goes through, are 120.
PATCHES = (np.arange(18)[:, None] // 9 * 2 + np.arange(18) // 9).astype(np.int32)
PATCHES[6:12, 6:12] = 4


@pytest.fixture
def patches(monkeypatch):
    """The same patches for both sides, int64 (1, 1, height, width)."""
    import torch

    monkeypatch.setattr("inspector.explain.segments.superpixels", lambda picture, count: PATCHES)
    return torch.tensor(PATCHES)[None, None].long()


@pytest.mark.parametrize(("window", "step"), [(3, 3), (6, 3), (6, 2)])
def test_occlusion_with_windows_side_by_side_and_overlapping(twin, window, step):
    from captum.attr import Occlusion

    expected = captum(
        twin, Occlusion, sliding_window_shapes=(3, window, window), strides=(3, step, step)
    ).mean(axis=1)
    assert relative(run(twin, "occlusion", window=window, step=step, blank="black"), expected) < NEAR


def test_kernel_shap_over_all_coalitions_gives_captums_exact_shapley_values(twin, patches):
    from captum.attr import ShapleyValues

    exact = [ShapleyValues(probability(twin))] * len(twin.subject)
    expected = of_patches(twin, exact, patches, "black", perturbations_per_eval=5)
    assert relative(run(twin, "kernel-shap", samples=2**5, blank="black"), expected) < NEAR


def test_kernel_shap_over_drawn_coalitions_is_captums_for_the_same_draws(twin, patches, monkeypatch):
    from captum.attr import KernelShap

    draws = recorded(monkeypatch, "kernel_shap")
    found = run(twin, "kernel-shap", samples=20, blank="mean")
    # The empty and the whole picture are among the draws; Captum has them count a million times.
    made = [KernelShap(probability(twin)) for _ in draws]
    expected = of_patches(twin, given(made, draws), patches, "mean", n_samples=22)
    assert relative(found, expected) < NEAR


def test_lime_is_captums_for_the_same_draws(twin, patches, monkeypatch):
    import torch
    from captum._utils.models.linear_model import SkLearnRidge
    from captum.attr import Lime
    from captum.attr._core.lime import get_exp_kernel_similarity_function

    # Captum's kernel is exp(-D²/2σ²), and by default its distance is one of pixels, not of patches.
    kernel = get_exp_kernel_similarity_function("cosine", 0.25 / np.sqrt(2))

    def similarity(original, seen, kept, **options):
        return kernel(torch.ones_like(kept), kept, None)

    draws = recorded(monkeypatch, "lime")
    found = run(twin, "lime", samples=60, width=0.25, ridge=0.5, blank="mean")
    made = [Lime(probability(twin), SkLearnRidge(alpha=0.5), similarity) for _ in draws]
    expected = of_patches(twin, given(made, draws), patches, "mean", n_samples=60)
    assert relative(found, expected) < NEAR


def probability(twin):
    """The network with the softmax that the explained probabilities are of."""
    import torch

    return torch.nn.Sequential(twin.module, torch.nn.Softmax(dim=1))


def recorded(monkeypatch, name):
    """A list that fills with what a method keeps of each picture: bool (draws, patches)."""
    module = importlib.import_module(f"inspector.explain.methods.{name}")
    found, answers = [], module.answers

    def noted(subject, index, patches, kept, nothing):
        found.append(kept)
        return answers(subject, index, patches, kept, nothing)

    monkeypatch.setattr(module, "answers", noted)
    return found


def given(made, draws):
    """Captum's explainers, each of which keeps what it is given in place of what it would draw."""
    import torch

    for explainer, kept in zip(made, draws, strict=True):
        explainer.perturb_func = partial(one_by_one, torch.tensor(kept).long())
    return made


def one_by_one(rows, original, **options):
    yield from rows[:, None]


def of_patches(twin, explainers, patches, blank, **options):
    """The attribution of each picture, one explainer for each: float (N, height, width)."""
    import torch

    found = []
    for index, (explainer, target) in enumerate(zip(explainers, twin.subject.targets, strict=True)):
        picture = twin.x[index : index + 1]
        mean = picture.mean(dim=(2, 3), keepdim=True).expand_as(picture)
        nothing = mean if blank == "mean" else torch.zeros_like(picture)
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            made = explainer.attribute(
                picture, baselines=nothing, target=target, feature_mask=patches, **options
            )
        found.append(made.numpy()[0, 0])
    return np.stack(found)
