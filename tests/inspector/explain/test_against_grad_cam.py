"""Every class activation map that pytorch-grad-cam has too, on three networks with the same weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inspector.explain import Runner, find
from inspector.explain.cam import maps_with_gradients
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
    """Run a method without bringing its maps to the picture's size."""
    import importlib

    def run(twin, name):
        chosen = find(name)
        module = importlib.import_module(chosen.function.__module__)
        from inspector.explain.registry import Heatmaps

        with monkeypatch.context() as patched:
            patched.setattr(
                module,
                "over_picture",
                lambda subject, maps, layer: Heatmaps(np.maximum(maps, 0), layer=layer),
            )
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
    found, expected = ours(twin, name), np.maximum(np.asarray(theirs(twin, their_name), np.float64), 0)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * max(np.abs(expected).max(), 1e-6)


def test_the_map_of_ablations_is_theirs_but_for_the_sign_of_a_negative_logit(twin, ours):
    found, raw = ours(twin, "ablation-cam"), np.asarray(theirs(twin, "AblationCAM"), np.float64)
    logits = twin.subject.scores(twin.subject.inputs, twin.subject.targets)
    expected = np.maximum(np.sign(logits)[:, None, None] * raw, 0)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-4 * max(np.abs(expected).max(), 1e-6)


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
    found, expected = ours(twin, "eigen-cam"), np.maximum(theirs(twin, "EigenCAM"), 0)
    for one, wanted in zip(found, expected, strict=True):
        assert one.shape == wanted.shape
        same = np.abs(one - wanted).max() < 1e-3 * max(one.max(), wanted.max())
        # Rectified, the other sign keeps the other half.
        opposite = not np.logical_and(one > 1e-6, wanted > 1e-6).any()
        assert same or opposite


def test_the_maps_and_their_gradients_are_pytorchs(twin):
    import torch

    kept = {}
    handle = twin.layer.register_forward_hook(lambda module, given, made: kept.update(maps=made))
    scores = twin.module(twin.x)
    handle.remove()
    total = sum(scores[row, target] for row, target in enumerate(twin.subject.targets))
    (expected,) = torch.autograd.grad(total, kept["maps"])
    found = maps_with_gradients(twin.subject)
    assert np.allclose(found.values, kept["maps"].detach().numpy(), atol=1e-5)
    assert np.allclose(found.gradients, expected.numpy(), atol=1e-6)
