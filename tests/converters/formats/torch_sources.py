"""The networks of `torch_networks.py` in files that do not need PyTorch: `python torch_sources.py FOLDER`.

FOLDER/onnx/KIND.onnx is what the older of PyTorch's exporters writes, at an old opset; the quantised one is
made by onnxruntime's tools. FOLDER/weights/KIND.pth and KIND.safetensors hold the weights alone.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

sys.path.append(str(Path(__file__).resolve().parents[1] / "pytorch"))
from torch_networks import KINDS, example, stirred

OPSET = 11


def networks() -> Iterator[tuple[str, torch.nn.Module, dict[str, torch.Tensor]]]:
    """Each network of floats by its kind, and what it can be fed."""
    for kind, (make, inputs) in KINDS.items():
        if kind != "quantised":
            torch.manual_seed(0)
            yield kind, stirred(make()), {key: example(text) for key, text in inputs.items()}


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    for name in ("onnx", "weights"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for kind, network, given in networks():
        torch.save(network.state_dict(), folder / "weights" / f"{kind}.pth")
        save_file(network.state_dict(), folder / "weights" / f"{kind}.safetensors")
        with torch.no_grad():
            torch.onnx.export(
                network,
                tuple(given.values()),
                folder / "onnx" / f"{kind}.onnx",
                input_names=list(given),
                dynamic_axes={name: {0: "N"} for name in given},
                opset_version=OPSET,
                dynamo=False,
            )
    _quantise(folder / "onnx")


def _quantise(folder: Path) -> None:
    from onnxruntime.quantization import CalibrationDataReader, quantize_static

    class Pictures(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            random = np.random.default_rng(0)
            self.left = iter([{"image": random.normal(size=(1, 3, 16, 16)).astype("f4")} for _ in range(8)])

        def get_next(self) -> Any:
            return next(self.left, None)

    quantize_static(folder / "float-cnn.onnx", folder / "quantised.onnx", Pictures())


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
