"""One way of explaining a picture, for `sides`: `explain_sides.py WAY MODEL.onnx [OPTION…]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from sides import serve

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests" / "support"))

CLASS = 1
Work = Callable[[], object]


def picture() -> NDArray[np.float32]:
    """A picture as the network takes it, with the batch axis."""
    return np.random.default_rng(0).random((1, 91, 91, 1), dtype=np.float32)


def forward(path: str, masks: str, batch: str) -> Work:
    """As many bare runs as RISE needs, in batches of one size."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    name, count, size = session.get_inputs()[0].name, int(masks), int(batch)
    pictures = np.repeat(picture(), size, axis=0)

    def work() -> None:
        for first in range(0, count, size):
            session.run(None, {name: pictures[: count - first]})

    return work


def rise(path: str, masks: str) -> Work:
    """RISE as `inspector explain` computes it."""
    return _ours("rise", path, {"masks": int(masks), "enough": 0.0})


def rise_dianna(path: str, masks: str, keep: str = "") -> Work:
    """RISE by DIANNA; not told what share of a picture to keep, it tries nine with a hundred masks each."""
    import torchvision_alone

    torchvision_alone.importable()
    from dianna.methods.rise_image import RISEImage  # type: ignore[import-untyped]

    method = RISEImage(
        n_masks=int(masks), p_keep=float(keep) if keep else None, axis_labels=("y", "x", "channels")
    )
    return lambda: method.explain(path, picture()[0], labels=(CLASS,))


def grad_cam(path: str) -> Work:
    """Grad-CAM as `inspector explain` computes it; the sessions are opened by the first run."""
    return _ours("grad-cam", path, {})


def grad_cam_torch(path: str) -> Work:
    """The same weights and the same layer in PyTorch, by pytorch-grad-cam."""
    import torchvision_alone

    torchvision_alone.importable()
    import onnx2torch
    import torch
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    module = onnx2torch.convert(path).eval()
    layer = [part for part in module.modules() if isinstance(part, torch.nn.ReLU)][1]
    cam = GradCAM(model=module, target_layers=[layer])
    x, target = torch.tensor(picture()), [ClassifierOutputTarget(CLASS)]
    return lambda: cam(input_tensor=x, targets=target)


WAYS: dict[str, Callable[..., Work]] = {
    way.__name__: way for way in (forward, rise, rise_dianna, grad_cam, grad_cam_torch)
}


def _ours(name: str, path: str, options: dict[str, object]) -> Work:
    from inspector.explain import Runner, Subject, find
    from inspector.model import load
    from inspector.predictor import Predictor

    ready = Predictor(load(path), preprocess={"channels": "gray", "range": "0..1"})
    subject = Subject(Runner(ready), picture(), (CLASS,))
    return lambda: find(name).run(subject, options)


if __name__ == "__main__":
    serve(WAYS[sys.argv[1]](*sys.argv[2:]))
