"""PyTorch state_dicts: tensors by name, as `torch.save` writes them, read without PyTorch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from converters.errors import SourceError
from converters.files import check_file
from converters.formats import Format
from converters.named_tensors import CONVENTIONS, stored_layers
from converters.pickles.tensors import StoredTensor
from converters.pickles.torch_file import TorchFile, read, recognise
from converters.weights import Variable, Weights
from converters.weights_only import NEEDS, refuse

# Where checkpoints keep the network's own tensors, the most telling first.
_KEYS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights"),
    *("params_ema", "params", "state", "ema", "generator"),
)
_DEEPEST = 4
# What `torch.nn.DataParallel` and `torch.compile` put before the author's names.
_WRAPPER, _COMPILED = "module.", "_orig_mod."

Named = Mapping[str, StoredTensor]


def weights(path: Path) -> Weights:
    """Read the layers of a state_dict, or of a checkpoint that holds one.

    Args:
        path: What `torch.save` wrote.

    Raises:
        FileError: It is missing or unreadable.
        SourceError: It is damaged, or holds no tensors by name.
        UnsupportedError: It is more than tensors and plain values, so that loading it would run code.
    """
    file = read(check_file(path, "a PyTorch state_dict"))
    keys, tensors = _found(file.value)
    if not tensors:
        raise SourceError(
            f"{path}: holds no tensors by name; expected a state_dict",
            "torch.save(model.state_dict(), PATH)",
        )
    layers = stored_layers(list(_variables(file, tensors)), CONVENTIONS["pt"], ordered=True)
    where = f", under {' / '.join(map(repr, keys))}" if keys else ""
    return Weights(path, f"PyTorch state_dict{where}", layers, needs=NEEDS)


def _variables(file: TorchFile, tensors: Named) -> Iterator[Variable]:
    """The tensors, by the names that the network's author knows."""
    wrapped = all(name.startswith(_WRAPPER) for name in tensors)
    for name, tensor in tensors.items():
        own = (name.removeprefix(_WRAPPER) if wrapped else name).replace(_COMPILED, "")
        yield Variable(own, tensor.dtype, tensor.shape, partial(tensor.numpy, file.read))


def _found(value: Any) -> tuple[tuple[str, ...], Named]:
    """The tensors of the network, and the keys under which they are."""
    keys: tuple[str, ...] = ()
    for _ in range(_DEEPEST):
        if not isinstance(value, dict):
            return keys, {}
        own = {name: held for name, held in value.items() if _is_tensor(name, held)}
        inner = next((key for key in _KEYS if isinstance(value.get(key), dict) and _holds(value[key])), None)
        if inner is None or len(own) > 1:
            return keys, own or _nested(value)
        keys, value = (*keys, inner), value[inner]
    return keys, {}


def _nested(value: Mapping[Any, Any]) -> Named:
    """Tensors of several networks side by side: {"encoder": {…}, "decoder": {…}}."""
    return {
        f"{outer}.{name}": held
        for outer, inner in value.items()
        if isinstance(outer, str) and isinstance(inner, dict) and "optim" not in outer
        for name, held in inner.items()
        if _is_tensor(name, held)
    }


def _holds(value: Mapping[Any, Any]) -> bool:
    """Whether there are tensors in a dictionary, or in one within it."""
    inner = (held for held in value.values() if isinstance(held, dict))
    return any(_is_tensor(*item) for item in value.items()) or any(
        _is_tensor(*item) for held in inner for item in held.items()
    )


def _is_tensor(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, StoredTensor)


STATE_DICT = Format("PyTorch state_dict", recognise, refuse, weights)
