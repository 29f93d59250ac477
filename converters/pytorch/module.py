"""A PyTorch module from somebody's own code, in the child process."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from converters import code_child
from converters.errors import SourceError, UnsupportedError
from converters.input_shapes import matched
from converters.pytorch.arrays import examples, to_numpy, to_torch
from converters.pytorch.origin import Arrays, Origin

if TYPE_CHECKING:
    from torch import Tensor
    from torch.export import ExportedProgram
    from torch.nn import Module


@cache
def module(target: str) -> Module:
    """The module that a name stands for, in inference mode: itself, or what its class or factory makes."""
    network: Module = code_child.load(target)
    return network.cpu().eval()


def traced(origin: Origin) -> ExportedProgram:
    """Export a module for inputs of the shapes that the user named.

    Raises:
        SourceError: The module does not take such inputs, or makes a free axis a fixed one.
        UnsupportedError: PyTorch cannot express it as one graph.
    """
    import torch

    network = module(origin.code)
    shapes = matched(origin.shapes, parameters(origin), origin.name)
    given = examples(shapes)
    _check_runs(origin, network, given)
    dynamic = {
        name: {
            place: torch.export.Dim.DYNAMIC for place, axis in enumerate(shape.axes) if isinstance(axis, str)
        }
        for name, shape in shapes.items()
    }
    try:
        with torch.no_grad():
            return torch.export.export(network, (), given, dynamic_shapes=dynamic)
    except Exception as error:
        words = str(error)
        if any(dynamic.values()) and "specialized" in words:
            raise SourceError(
                f"{origin.name}: its code fixes an axis that is to be free: {_specialized(words)}",
                "Give that axis a number in --input-shape.",
            ) from error
        if "PackedParams" in words:
            raise UnsupportedError(
                f"{origin.name}: holds weights that PyTorch packed for its quantised operators, which "
                "torch.export does not take",
                "Script it: torch.jit.script(network).save('network.pt'), and convert that.",
            ) from error
        reason = (words.strip().splitlines() or [""])[0]
        raise UnsupportedError(
            f"{origin.name}: torch.export cannot make one graph of it: {type(error).__name__}: {reason}",
            "Where the data decide the way through the network, torch.cond says so.",
        ) from error


def parameters(origin: Origin) -> list[str]:
    """Names of a module's inputs: those without a default, or as many as are described."""
    import inspect

    signature = inspect.signature(module(origin.code).forward)
    found: list[str] = []
    for name, parameter in signature.parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.default is parameter.empty or len(found) < len(origin.shapes):
            found.append(name)
    return found


def results(origin: Origin, feeds: Arrays) -> list[NDArray[Any]]:
    """What a module itself answers, its tensors in order."""
    import torch
    from torch.utils import _pytree as tree

    with torch.no_grad():
        answer = module(origin.code)(**{name: to_torch(array) for name, array in feeds.items()})
    return [to_numpy(leaf) for leaf in tree.tree_leaves(answer) if isinstance(leaf, torch.Tensor)]


def _check_runs(origin: Origin, network: Module, given: dict[str, Tensor]) -> None:
    import torch

    try:
        with torch.no_grad():
            network(**given)
    except Exception as error:
        shapes = ", ".join(f"{name} {tuple(each.shape)} {each.dtype}" for name, each in given.items())
        raise SourceError(
            f"{origin.name}: raised {code_child.raised(error)} on inputs {shapes}",
            "Another --input-shape may be what it takes.",
        ) from error


def _specialized(words: str) -> str:
    """Where torch says which axis became which number: "x axis 0 is always 2"."""
    lines = [line.strip(" -") for line in words.splitlines() if "specialized" in line]
    found = re.search(r"L\['(\w+)'\]\.size\(\)\[(\d+)\].*constant \((\d+)\)", lines[0])
    return f"{found[1]} axis {found[2]} is always {found[3]}" if found else lines[0]
