"""The globals that a pickle of weights may name, and why any other is refused."""

from __future__ import annotations

from collections.abc import Collection

from converters.errors import UnsupportedError

TYPES = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
}
"""PyTorch's classes of storages → what the numbers in them are."""

DTYPES = {
    **{
        name: name
        for name in ("float64", "float32", "float16", "bfloat16", "complex64", "complex128", "bool")
    },
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{f"float8_{kind}": f"float8_{kind}" for kind in ("e4m3fn", "e4m3fnuz", "e5m2", "e5m2fnuz")},
    "qint8": "int8",
    "quint8": "uint8",
    "qint32": "int32",
}
"""PyTorch's `torch.dtype` objects → what the numbers are."""

DICTIONARIES = frozenset(("collections.OrderedDict", "collections.defaultdict", "collections.Counter"))

REBUILDERS = frozenset(
    f"torch._utils._rebuild_{what}"
    for what in ("tensor", "tensor_v2", "tensor_v3", "parameter", "parameter_with_state", "qtensor")
)

# What checkpoints hold beside weights: read as an object without contents, and never made.
_BESIDE = frozenset(
    (
        *("builtins.set", "builtins.frozenset", "builtins.complex", "builtins.slice", "builtins.bytearray"),
        *(
            "builtins.int",
            "builtins.float",
            "builtins.bool",
            "builtins.str",
            "builtins.list",
            "builtins.dict",
        ),
        *("__builtin__.set", "__builtin__.frozenset", "_codecs.encode", "argparse.Namespace"),
        *("datetime.datetime", "datetime.timedelta", "pathlib.PosixPath", "pathlib.WindowsPath"),
        *("pathlib.Path", "pathlib.PurePosixPath", "pathlib._local.PosixPath", "pathlib._local.WindowsPath"),
        *("numpy.dtype", "numpy.ndarray", "numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"),
        *("numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"),
        *("torch.Size", "torch.device", "torch.per_tensor_affine", "torch.per_channel_affine"),
        *("torch.Tensor", "torch.nn.parameter.Parameter", "torch.nn.parameter.Buffer"),
        *("torch._tensor._rebuild_from_type_v2", "torch._utils._rebuild_sparse_tensor"),
        *("torch._utils._rebuild_meta_tensor_no_storage", "torch.serialization._get_layout"),
        *("torch.strided", "torch.contiguous_format", "torch.sparse_coo", "torch.torch_version.TorchVersion"),
    )
)

ALLOWED: Collection[str] = frozenset(
    (
        *DICTIONARIES,
        *REBUILDERS,
        *_BESIDE,
        *(f"{module}.{name}" for module in ("torch", "torch.cuda") for name in TYPES),
        *(f"{module}.UntypedStorage" for module in ("torch", "torch.storage")),
        *(f"torch.{name}" for name in DTYPES),
    )
)
"""What a pickle of weights may name: rebuilders of tensors, and plain data."""

_STATE_DICT = "torch.save(model.state_dict(), PATH) in the program that has the network's code."


def check_global(name: str, where: str, allowed: Collection[str]) -> None:
    """Refuse a global that is not on the list.

    Args:
        name: Module and name: "posix.system".
        where: What holds the pickle, as the start of an error's sentence.
        allowed: Full names; one that ends in ".*" stands for everything below it.

    Raises:
        UnsupportedError: It is not.
    """
    if name in allowed:
        return
    parts = name.split(".")
    if any(".".join((*parts[:end], "*")) in allowed for end in range(1, len(parts))):
        return
    shown = name if len(name) <= 80 else f"{name[:79]}…"
    if name.startswith("torch.nn."):
        raise UnsupportedError(
            f"{where}: holds a whole network as Python objects (`{shown}`), and loading one runs its code; "
            "expected a state_dict: tensors by name",
            f"For its kernels: {_STATE_DICT} To convert the network, there: torch.export.save.",
        )
    raise UnsupportedError(
        f"{where}: its pickle asks for `{shown}`, which is none of the functions that rebuild tensors, "
        "so loading it could run anything; nothing of it was run",
        _STATE_DICT,
    )
