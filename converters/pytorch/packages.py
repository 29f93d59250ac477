"""What takes part of PyTorch, in the child process."""

from __future__ import annotations

import os
from importlib import metadata


def versions() -> dict[str, str]:
    """Import PyTorch, which takes a second, and say which versions are there."""
    # Whatever in PyTorch reads a pickle later reads tensors and nothing else.
    os.environ["TORCH_FORCE_WEIGHTS_ONLY_LOAD"] = "1"
    import torch

    return {"torch": torch.__version__.partition("+")[0], "onnxscript": metadata.version("onnxscript")}
