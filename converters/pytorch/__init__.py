"""PyTorch's exported programs and TorchScript as sources of `convert`.

Reading weights alone, of these and of everything else that PyTorch saves, needs none of this.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from converters.formats import Format, Request, Source
from converters.pytorch.archive import members


def _is_program(path: Path) -> bool:
    """Whether a file is an archive of `torch.export.save`, of its present or its earlier kind."""
    names = members(path)
    present = "archive_format" in names and any(name.startswith(("models/", "data/")) for name in names)
    return present or "serialized_exported_program.json" in names


def _is_script(path: Path) -> bool:
    """Whether a file is an archive of `torch.jit.save`."""
    names = members(path)
    return "constants.pkl" in names and any(name.startswith("code/") for name in names)


def _open_program(path: Path, request: Request) -> AbstractContextManager[Source]:
    from converters.pytorch.format import open_program

    return open_program(path, request)


def _open_script(path: Path, request: Request) -> AbstractContextManager[Source]:
    from converters.pytorch.format import open_script

    return open_script(path, request)


EXPORTED_PROGRAM = Format("PyTorch exported program (.pt2)", _is_program, _open_program)
TORCHSCRIPT = Format("TorchScript", _is_script, _open_script)
