"""torchvision without its compiled library, which some packages import and never call.

Where torch is the build without a GPU and torchvision is not, the library cannot be loaded, and importing
torchvision fails because two operators are missing.
"""

from __future__ import annotations

import importlib
import sys

_MISSING = ("nms", "qnms")
_kept: list[object] = []


def importable() -> None:
    """Make `import torchvision` work, by declaring the operators that it expects of its library."""
    import torch

    try:
        importlib.import_module("torchvision")
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "DEF")
        for name in _MISSING:
            library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        _kept.append(library)
        importlib.import_module("torchvision")
