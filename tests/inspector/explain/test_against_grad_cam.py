"""Every class activation map that pytorch-grad-cam has too, on three networks with the same weights."""

from __future__ import annotations

import importlib
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from peers import NEAR, relative

from inspector.explain import Runner, find
from inspector.explain.cam import maps_with_gradients
from inspector.explain.registry import Heatmaps
from inspector.model import load
from inspector.predictor import Predictor


def theirs(twin, name):
    """Their map of the layer before it is rectified, enlarged and scaled, float (N, h, w)."""
    import pytorch_grad_cam as package
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    kind = getattr(package, name)
    found = []

    class Raw(kind):
        def get_cam_image(self, *arguments, **options):
            made = super().get_cam_image(*arguments, **options)
            found.append(made)
            return made

    targets = [ClassifierOutputTarget(target) for target in twin.subject.targets]
    with Raw(model=twin.module, target_layers=[twin.layer]) as cam:
        cam(input_tensor=twin.x, targets=targets)
    return found[0]


@pytest.fixture
def ours(monkeypatch):
    """Run a method as far as its map of the layer, before it is rectified and enlarged."""

    def run(twin, name):
        chosen = find(name)
        module = importlib.import_module(chosen.function.__module__)
        with monkeypatch.context() as patched:
            patched.setattr(module, "over_picture", lambda subject, maps, layer: Heatmaps(maps, layer=layer))
            return chosen.run(twin.subject, {}).values

    return run


@pytest.mark.parametrize(
    ("name", "their_name"),
    [
        ("grad-cam", "GradCAM"),
        ("grad-cam++", "GradCAMPlusPlus"),
        ("hirescam", "HiResCAM"),
        ("layercam", "LayerCAM"),
    ],
)
def test_the_map_is_theirs(twin, ours, name, their_name):
    assert relative(ours(twin, name), theirs(twin, their_name)) < NEAR


def test_score_cam_is_theirs_once_pictures_are_seen_through_the_same_masks(twin, ours, monkeypatch):
    import torch

    # Theirs are stretched until a map's outermost cells lie on the picture's outermost pixels; the product,
    # as for every heatmap, has map and picture cover the same square.
    assert relative(ours(twin, "score-cam"), theirs(twin, "ScoreCAM")) > NEAR
    same_square = partial(torch.nn.Upsample, mode="bilinear", align_corners=False)
    monkeypatch.setattr(torch.nn, "UpsamplingBilinear2d", same_square)
    assert relative(ours(twin, "score-cam"), theirs(twin, "ScoreCAM")) < NEAR


def test_the_map_of_ablations_is_theirs_but_for_the_sign_of_a_negative_logit(twin, ours):
    logits = twin.subject.scores(twin.subject.inputs, twin.subject.targets)
    expected = np.sign(logits)[:, None, None] * theirs(twin, "AblationCAM")
    assert relative(ours(twin, "ablation-cam"), expected) < NEAR


@pytest.mark.parametrize("shift", [-50.0, 50.0])
def test_a_number_added_to_all_logits_turns_no_map_of_ablations_over(twins, shift, tmp_path):
    """It leaves the probabilities, and scales the map by the quotient of the logits."""
    import onnx
    from onnx import numpy_helper

    subject = twins["notebook"].subject
    model = onnx.load(subject.model.path)
    bias = next(each for each in model.graph.initializer if each.name == model.graph.node[-1].input[2])
    bias.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(bias) + np.float32(shift), bias.name))
    onnx.save(model, tmp_path / "shifted.onnx")
    moved = replace(subject, runner=Runner(Predictor(load(tmp_path / "shifted.onnx"))))
    before, after = (each.scores(each.inputs, each.targets) for each in (subject, moved))
    assert np.allclose(after, before + shift, atol=1e-3)
    assert (np.sign(after) == np.sign(shift)).all()
    expected = find("ablation-cam").run(subject, {}).values * np.abs(before / after)[:, None, None]
    assert (expected.max(axis=(1, 2)) > 0).all()
    found = find("ablation-cam").run(moved, {}).values
    assert np.allclose(found, expected, atol=1e-3 * expected.max())


def test_eigen_cam_is_theirs_up_to_the_sign_of_a_direction(twin, ours):
    found, expected = ours(twin, "eigen-cam"), theirs(twin, "EigenCAM")
    # Theirs has the sign that the decomposition happens to give, ours the one in which the maps are stronger.
    maps, _ = maps_and_scores(twin)
    total = maps.detach().numpy().sum(axis=1)
    signs = np.sign((expected * total).sum(axis=(1, 2)))
    assert relative(found, signs[:, None, None] * expected) < NEAR


def test_the_maps_and_their_gradients_are_pytorchs(twin):
    import torch

    maps, scores = maps_and_scores(twin)
    total = sum(scores[row, target] for row, target in enumerate(twin.subject.targets))
    (expected,) = torch.autograd.grad(total, maps)
    found = maps_with_gradients(twin.subject)
    assert relative(found.values, maps.detach()) < NEAR
    assert relative(found.gradients, expected) < NEAR


def maps_and_scores(twin):
    """PyTorch's maps of the layer and its logits, with the way between them."""
    kept = {}
    handle = twin.layer.register_forward_hook(lambda module, given, made: kept.update(maps=made))
    scores = twin.module(twin.x)
    handle.remove()
    return kept["maps"], scores
