"""Explanations against bare forward runs, against DIANNA and against pytorch-grad-cam."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import notebook_network
import numpy as np
import onnxruntime
from measure import Row, timed

from converters.conversion import convert
from converters.formats import Request
from inspector.explain import Runner, Subject, find
from inspector.model import load
from inspector.predictor import Predictor

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

import torchvision_alone

MASKS = 1000
BATCHES = (8, 16, 32, 64)
CAMS, ROUNDS = 10, 3
FILTERS, STEPS = 64, 256


def rows(workspace: Path) -> list[Row]:
    """Measure RISE, Grad-CAM and activation maximisation on the notebook's network."""
    path = workspace / "notebook.onnx"
    if not path.exists():
        convert(notebook_network.build(workspace / "notebook").prefix, path, request=Request(verify=False))
    ready = Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"})
    picture = np.random.default_rng(0).random((1, 91, 91, 1), dtype=np.float32)
    subject = Subject(Runner(ready), picture, (1,))
    return [*_rise(subject, path), _grad_cam(subject, path), *_visualize(path)]


def _rise(subject: Subject, path: Path) -> list[Row]:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    best = min(BATCHES, key=lambda batch: timed(lambda: _forward(session, batch)))
    ours, bare = _alternated(
        lambda: find("rise").run(subject, {"masks": MASKS}), lambda: _forward(session, best)
    )
    found = [
        Row(
            f"RISE with {MASKS} masks / {MASKS} bare forwards",
            statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
            "x",
            "≤ 1.15",
            f"{statistics.median(ours):.2f} s against {statistics.median(bare):.2f} s (batch {best})",
        )
    ]
    what = "RISE / DIANNA's"
    try:
        from dianna.methods.rise_image import RISEImage
    except ImportError:
        detail = "not measured: it needs pip install dianna==1.8.1"
        return [*found, Row(what, float("nan"), "x", "≥ 8", detail)]
    theirs = timed(
        lambda: RISEImage(n_masks=MASKS, p_keep=0.5, axis_labels=("y", "x", "channels")).explain(
            str(path), subject.inputs[0], labels=(1,)
        )
    )
    detail = f"{statistics.median(ours):.2f} s against {theirs:.2f} s with its own batch size"
    return [*found, Row(what, theirs / statistics.median(ours), "x", "≥ 8", detail)]


def _forward(session: onnxruntime.InferenceSession, batch: int) -> None:
    pictures = np.random.default_rng(0).random((batch, 91, 91, 1), dtype=np.float32)
    name = session.get_inputs()[0].name
    for _ in range(MASKS // batch):
        session.run(None, {name: pictures})
    if MASKS % batch:
        session.run(None, {name: pictures[: MASKS % batch]})


def _grad_cam(subject: Subject, path: Path) -> Row:
    """The same weights in PyTorch, the same layer; sessions and hooks are made before the clock starts."""
    torchvision_alone.importable()
    import onnx2torch
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = onnx2torch.convert(str(path)).eval()
    layer = [part for part in module.modules() if isinstance(part, torch.nn.ReLU)][1]
    x, target = torch.tensor(subject.inputs), [ClassifierOutputTarget(1)]
    with GradCAM(model=module, target_layers=[layer]) as cam:

        def theirs() -> None:
            for _ in range(CAMS):
                cam(input_tensor=x, targets=target)

        def ours() -> None:
            for _ in range(CAMS):
                find("grad-cam").run(subject, {})

        mine, other = _alternated(ours, theirs)
    each = [1000 * statistics.median(times) / CAMS for times in (other, mine)]
    return Row(
        "pytorch-grad-cam / Grad-CAM of one picture",
        statistics.median(b / a for a, b in zip(mine, other, strict=True)),
        "x",
        "≥ 2",
        f"{each[0]:.1f} ms against {each[1]:.1f} ms",
    )


def _visualize(path: Path) -> list[Row]:
    from inspector.visualize import visualize

    took = timed(lambda: visualize(load(path), "conv_2", steps=STEPS))
    return [
        Row(f"visualize {FILTERS} filters of conv_2, {STEPS} steps", took, "s", "≤ 60", "one picture each")
    ]


def _alternated(first: Callable[[], object], second: Callable[[], object]) -> tuple[list[float], list[float]]:
    """Seconds of two things run in turn; one uncounted run of each goes first."""
    pairs = [(timed(first), timed(second)) for _ in range(ROUNDS + 1)][1:]
    return [a for a, _ in pairs], [b for _, b in pairs]
