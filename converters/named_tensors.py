"""From the tensors of a file, which have names alone, to layers: what each is, told by roles and shapes."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from converters.reparametrized import whole_weight
from converters.weights import StoredLayer, Variable

_KERNEL = ("weight", "kernel", "weights", "W", "w", "depthwise_kernel")
_BIAS = ("bias", "biases", "b")
_MOVING = (
    *("running_mean", "running_var", "moving_mean", "moving_variance", "mean", "var"),
    *("moving_var", "moving_average_mean"),
)
# A counter that PyTorch keeps beside a batch normalization: it is no weight.
_COUNTER = "num_batches_tracked"
_TRANSPOSED = re.compile(r"transpose|deconv|tconv|up_?conv", re.IGNORECASE)
_EMBEDDING = re.compile(r"emb|wte$|wpe$", re.IGNORECASE)
_GATES = {4: "LSTM", 3: "GRU", 1: "RNN"}
# A kernel with so few input channels may read the picture.
_COLOURS = (2, 3, 4)
_GUESSES = {
    "shape": "",
    "either": "as many input as output channels, taken for a convolution; a transposed one has them the "
    "other way round",
    "name": "taken for a transposed convolution because of the name",
    "before": "taken for a transposed convolution because the layer before makes as many channels",
}


@dataclass(frozen=True)
class Convention:
    """How a framework lays out its kernels.

    Attributes:
        name: What it calls itself.
        plain: A convolution's axes by their number, in the letters of `StoredLayer.order`.
        transposed: The same of a transposed convolution.
    """

    name: str
    plain: Mapping[int, str]
    transposed: Mapping[int, str]


_TORCH = Convention("PyTorch", {3: "OIW", 4: "OIHW", 5: "OIDHW"}, {3: "IOW", 4: "IOHW", 5: "IODHW"})
_TENSORFLOW = Convention("TensorFlow", {3: "WIO", 4: "HWIO", 5: "DHWIO"}, {3: "WOI", 4: "HWOI", 5: "DHWOI"})
_FLAX = Convention("Flax", _TENSORFLOW.plain, _TENSORFLOW.plain)
_MLX_AXES = {3: "OWI", 4: "OHWI", 5: "ODHWI"}
CONVENTIONS: Mapping[str, Convention] = {
    "pt": _TORCH,
    "tf": _TENSORFLOW,
    "flax": _FLAX,
    "mlx": Convention("MLX", _MLX_AXES, _MLX_AXES),
}
"""By the names that safetensors files use."""


@dataclass(frozen=True)
class _Group:
    """The variables of one layer by role."""

    name: str
    roles: Mapping[str, Variable]

    @cached_property
    def kernel(self) -> Variable | None:
        """The variable that may be a convolution's kernel."""
        found = self.weight
        return found if found is not None and 3 <= len(found.shape) <= 5 else None

    @cached_property
    def weight(self) -> Variable | None:
        """The variable that does the layer's main work."""
        stored = next((self.roles[role] for role in _KERNEL if role in self.roles), None)
        return stored or whole_weight(self.name, self.roles)

    @property
    def channels(self) -> int | None:
        """How many output channels it has, as its bias or its normalization tells."""
        names = (*_BIAS, *(("weight", "scale", "gamma", "beta") if self.kernel is None else ()))
        found = next((self.roles[role] for role in names if role in self.roles), None)
        return found.shape[0] if found is not None and len(found.shape) == 1 else None


def stored_layers(
    variables: Sequence[Variable], convention: Convention, *, ordered: bool
) -> tuple[StoredLayer, ...]:
    """Group variables into layers, and tell what each layer is.

    Args:
        variables: Named by layer and role: `features.0.weight`, `conv/kernel`.
        convention: How their kernels are laid out.
        ordered: Whether they come in the order in which the network's author made the layers.

    Returns:
        The layers, each with what was guessed of it.

    Example:
        >>> import numpy as np
        >>> zeros = np.zeros((8, 3, 5, 5), np.float32)
        >>> weight = Variable("conv.weight", zeros.dtype, zeros.shape, lambda: zeros)
        >>> (layer,) = stored_layers([weight], CONVENTIONS["pt"], ordered=True)
        >>> layer.name, layer.kind, layer.order
        ('conv', 'Conv', 'OIHW')
    """
    groups = _groups(variables)
    layers: list[StoredLayer] = []
    before: int | None = None
    for group, after in zip(groups, (*groups[1:], None), strict=True):
        if group.kernel is None:
            layers.append(StoredLayer(group.name, _kind(group), tuple(group.roles.values())))
            before = group.channels or before
            continue
        around = (before, after) if ordered else (None, None)
        layer, reason = _convolution(group, group.kernel, convention, *around)
        layers.append(replace(layer, guess=_GUESSES[reason]))
        before = group.channels or _made(layer)
    return tuple(_with_depthwise(layers))


def _groups(variables: Sequence[Variable]) -> list[_Group]:
    """The variables of each layer, in the order of the first of them."""
    found: dict[str, dict[str, Variable]] = {}
    for variable in variables:
        layer, role = split(variable.name)
        if role != _COUNTER:
            found.setdefault(layer, {})[role] = variable
    return [
        _Group(own, held) for name, roles in found.items() for own, held in _separated(name, roles).items()
    ]


def _separated(name: str, roles: Mapping[str, Variable]) -> Mapping[str, Mapping[str, Variable]]:
    """A group; a separable convolution is the two that it is made of."""
    if "pointwise_kernel" not in roles or "depthwise_kernel" not in roles:
        return {name: roles}
    rest = {role.removeprefix("pointwise_"): held for role, held in roles.items()}
    return {
        f"{name}/depthwise": {"depthwise_kernel": rest.pop("depthwise_kernel")},
        f"{name}/pointwise": rest,
    }


def split(name: str) -> tuple[str, str]:
    """A variable's layer and its role in it: "conv/kernel:0" → ("conv", "kernel").

    A name of one part is both.
    """
    name = re.sub(r":\d+$", "", name)
    layer, inner, role = name.partition(".parametrizations.")
    if inner:
        return layer, role
    at = max(name.rfind("."), name.rfind("/"))
    return (name[:at], name[at + 1 :]) if at > 0 else (name, name)


def _convolution(
    group: _Group, kernel: Variable, convention: Convention, before: int | None, after: _Group | None
) -> tuple[StoredLayer, str]:
    """A layer with a kernel, and what its kind rests on: its shape, or one of the guesses in `_GUESSES`."""
    order = convention.plain[len(kernel.shape)]
    layer = StoredLayer(group.name, "Conv", tuple(group.roles.values()), kernel, order)
    if "depthwise_kernel" in group.roles:
        groups = kernel.shape[order.index("I")]
        return replace(layer, order=order.replace("O", "M"), groups=groups), "shape"
    turned = convention.transposed[len(kernel.shape)]
    made, taken = kernel.shape[order.index("O")], kernel.shape[order.index("I")]
    # What a transposed convolution of one group would make is what this one would take.
    channels = _made_channels(group, made, taken, before, after)
    named = bool(_TRANSPOSED.search(group.name))
    if turned == order:
        return replace(layer, kind="ConvTranspose" if named else "Conv"), "name" if named else "shape"
    transposed = replace(layer, kind="ConvTranspose", order=turned)
    if channels is not None and channels != made:
        groups = channels // taken if taken else 0
        if groups and groups * taken == channels and made % groups == 0:
            return replace(transposed, groups=groups), "shape"
    if channels == made != taken:
        return layer, "shape"
    if named:
        return transposed, "name"
    # Few convolutions are of even size, and most transposed ones are.
    even = not any(size % 2 for axis, size in zip(order, kernel.shape, strict=True) if axis in "DHW")
    if channels is None and even and before == made != taken:
        return transposed, "before"
    turns = made == taken > 1 and math.prod(kernel.shape) > made * taken
    return layer, "either" if turns else "shape"


def _made_channels(
    group: _Group, made: int, taken: int, before: int | None, after: _Group | None
) -> int | None:
    """How many channels a convolution makes, as its bias says or the normalization behind it."""
    if group.channels is not None:
        return group.channels
    following = after.channels if after is not None and after.kernel is None and _normalizes(after) else None
    # The layer before has what this one takes: only then is the one after proof of the other way round.
    proof = following == made or (following == taken and before != taken)
    return following if proof else None


def _normalizes(group: _Group) -> bool:
    """Whether it is a normalization: then it has as many channels as what it normalizes."""
    if any(role in group.roles for role in _MOVING):
        return True
    # A slope for negative values is often one for all channels.
    return group.weight is not None and len(group.weight.shape) == 1 and group.weight.shape[0] > 1


def _with_depthwise(layers: Sequence[StoredLayer]) -> list[StoredLayer]:
    """The layers with the groups of depthwise convolutions.

    A kernel of one input channel reads a grey picture, or each channel for itself; only one can be first.
    """
    convolutions = [layer for layer in layers if layer.kernel is not None]
    coloured = any(_taken(layer) in _COLOURS for layer in convolutions)
    first = None if coloured or not convolutions else convolutions[0].name
    return [
        replace(layer, groups=layer.kernel.shape[layer.order.index("O")])
        if layer.kernel is not None
        and layer.kind == "Conv"
        and layer.groups == 1
        and "O" in layer.order
        and _taken(layer) == 1
        and layer.name != first
        else layer
        for layer in layers
    ]


def _taken(layer: StoredLayer) -> int:
    assert layer.kernel is not None
    return layer.kernel.shape[layer.order.index("I")]


def _made(layer: StoredLayer) -> int | None:
    """How many channels a convolution makes."""
    if layer.kernel is None or "O" not in layer.order:
        return None
    made = layer.kernel.shape[layer.order.index("O")]
    return made * layer.groups if layer.order.startswith("IO") else made


def _kind(group: _Group) -> str:
    """What a layer without kernels is."""
    roles = group.roles
    if any(role in roles for role in _MOVING):
        return "BatchNormalization"
    recurrent = next((role for role in ("weight_hh_l0", "recurrent_kernel") if role in roles), None)
    if recurrent is not None and len(roles[recurrent].shape) == 2:
        sizes = sorted(roles[recurrent].shape)
        return _GATES.get(sizes[1] // max(sizes[0], 1), "RNN")
    if "in_proj_weight" in roles:
        return "MultiheadAttention"
    if any(role in roles for role in ("embedding", "embeddings")):
        return "Embedding"
    weight = group.weight or next((roles[role] for role in ("gamma", "scale") if role in roles), None)
    if weight is None or len(weight.shape) not in (1, 2):
        return "Parameter"
    biased = any(role in roles for role in (*_BIAS, "beta"))
    if len(weight.shape) == 2:
        last = re.split(r"[./]", group.name)[-1]
        return "Embedding" if not biased and _EMBEDDING.search(last) else "Gemm"
    if biased:
        return "Normalization" if re.search(r"gn|group", group.name) else "LayerNormalization"
    return "RMSNormalization" if re.search(r"norm|rms|ln", group.name, re.IGNORECASE) else "PRelu"
