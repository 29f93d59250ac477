"""What the author of a network calls its nodes and variables, where TensorFlow has added to the names.

A model's own name stands before those of its layers, `model/conv2d/Conv2D`; Keras 3 numbers every scope once
more when it exports, `model_1/conv2d_1/convolution`, beside a variable `model/conv2d/kernel`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

from converters.tensorflow.topology import Topology, owner

_TRIVIAL = frozenset({"Identity", "IdentityN", "NoOp", "Const"})
_NUMBER = re.compile(r"_\d+")
_BEHIND = re.compile(r"(?<=.)_\d+$")


def author_names(
    topology: Topology, inner: Collection[str], variables: Mapping[str, str], wanted: Mapping[str, str]
) -> dict[str, str]:
    """Return new names for nodes; each is free.

    Args:
        topology: The whole graph.
        inner: The nodes that come from functions.
        variables: The nodes of variables, with what the program calls each: "model/conv2d/kernel".
        wanted: Other nodes, with the names that they are to have.
    """
    scopes = [tuple(name.split("/")[:-1]) for name in variables.values()]
    above = _numbered(topology, inner, variables)
    short = {name: name if above is None else _without_numbers(name, above, scopes) for name in inner}
    model = _model(topology, short, scopes)
    candidates = {
        **{name: [new] for name, new in wanted.items()},
        **{name: [_within(full, model)] for name, full in variables.items() if full},
        **{name: [_within(s, model), name.partition("/")[2] if model else name] for name, s in short.items()},
    }
    return _free(topology, candidates)


def _numbered(topology: Topology, inner: Iterable[str], variables: Mapping[str, str]) -> int | None:
    """How many scopes nodes have above those that they share with their variables: a model's own, or none.

    None when the scopes of the nodes are not those of the variables with a number behind each.
    """
    pairs = [
        (name.split("/"), variables[owner(tensor)].split("/")[:-1])
        for name in inner
        for tensor in topology.nodes[name].inputs
        if "/" in variables.get(owner(tensor), "")
    ]
    tried = (above for above in (0, 1) if pairs and all(_is_numbered(p[above:], scope) for p, scope in pairs))
    return next(tried, None)


def _is_numbered(parts: Sequence[str], scope: Sequence[str]) -> bool:
    """Whether a node's scopes are those of a variable with a number behind each."""
    return len(parts) >= len(scope) and all(
        part.startswith(own) and _NUMBER.fullmatch(part.removeprefix(own)) is not None
        for part, own in zip(parts, scope, strict=False)
    )


def _without_numbers(name: str, above: int, scopes: Sequence[tuple[str, ...]]) -> str:
    """A node's name, without the numbers behind the scopes of layers."""
    *parts, last = name.split("/")
    found: list[str] = []
    for part in parts:
        # Below a layer, a number tells apart two operations of one kind.
        path = tuple(found[above:])
        holds_layers = any(len(scope) > len(path) and scope[: len(path)] == path for scope in scopes)
        found.append(_BEHIND.sub("", part) if holds_layers else part)
    return "/".join((*found, last))


def _model(topology: Topology, short: Mapping[str, str], scopes: Sequence[tuple[str, ...]]) -> str:
    """The scope that all nodes of a network share and that is no layer: the model's own; "" without one."""
    names = [new for name, new in short.items() if topology.nodes[name].op not in _TRIVIAL]
    first = {name.partition("/")[0] for name in names}
    if len(first) != 1 or any("/" not in name for name in names):
        return ""
    (model,) = first
    deep = any(name.count("/") > 1 for name in names)
    return model if deep and (model,) not in scopes else ""


def _within(name: str, model: str) -> str:
    """A name without the model's own before it."""
    return name.removeprefix(f"{model}/") if model else name


def _free(topology: Topology, candidates: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The first candidate of each node that no other node has."""
    taken = set(topology.nodes) - set(candidates)
    found: dict[str, str] = {}
    left: list[str] = []
    for name, names in candidates.items():
        new = next((candidate for candidate in names if candidate and candidate not in taken), "")
        if new:
            found[name] = new
            taken.add(new)
        else:
            left.append(name)
    for name in left:
        new, count = name, 0
        while new in taken:
            count += 1
            new = f"{name}_{count}"
        found[name] = new
        taken.add(new)
    return found
