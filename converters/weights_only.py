"""Files that hold weights without the network: they can be looked at, and cannot be converted."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from converters.errors import UnsupportedError
from converters.formats import Request, weights_of

NEEDS = "Export the network to ONNX with the framework that made it."
"""What helps where a format never holds more than weights."""


def refuse(path: Path, request: Request) -> NoReturn:
    """What such a format has for `Format.open`.

    Raises:
        UnsupportedError: It says what a conversion needs; always, but for what `weights_of` raises.
    """
    # What is damaged, or would run code, does not hold weights by name.
    weights_of(path)
    raise UnsupportedError(
        f"{path}: holds weights by name, but not the network that they belong to, so there is nothing to "
        "convert",
        "Export the network where its code is (torch.export.save, or model.export of Keras), or convert that "
        "code: inspector convert PACKAGE.MODULE:FUNCTION --input-shape N,3,224,224 -o MODEL.onnx\n"
        f"Its kernels can be seen as it is: inspector filters {path}",
    )
