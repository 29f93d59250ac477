"""What a PyTorch archive would do beside computing, found before PyTorch sees it.

PyTorch evaluates the sizes of an exported program as Python, imports classes that it names, and unpickles
what lies in it; TorchScript runs code of the file as soon as it is loaded. All of that is held against lists
of what networks need.
"""

from __future__ import annotations

import ast
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from converters.errors import SourceError, UnsupportedError
from converters.pickles import ALLOWED, check_pickle
from converters.pytorch.archive import Archive, opened

_FETCH = "Fetch or export the file again."
_OWN_CODE = "Export it again without that, from code that you can read."
_FILES = frozenset({"from_file", "load", "save"})
_NAMESPACES = frozenset({"aten", "prim", "prims", "quantized", "quantized_decomposed", "torchvision"})
_TARGETS = re.compile(
    r"torch\.ops\.(?P<space>\w+)\.(?P<name>\w+)(\.\w+)?"
    r"|torch\.ops\.higher_order\.(cond|while_loop|scan|map_impl|associative_scan|wrap_with_set_grad_enabled"
    r"|wrap_with_autocast|autograd_function_apply|auto_functionalized\w*)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|pow|neg|pos|eq|ne|lt|le|gt|ge|and_|or_|not_|getitem|index)"
    r"|math\.(ceil|floor|trunc|sqrt)|torch\._?sym_\w+"
)
# What sizes are written with: sympy's arithmetic, and PyTorch's own functions for it.
_SIZES = re.compile(
    "Abs|Add|And|CeilDiv|CeilToInt|CleanDiv|Eq|False|Float|FloatPow|FloatTrueDiv|FloorDiv|FloorToInt|Ge|Gt"
    "|Identity|IntTrueDiv|Integer|LShift|Le|Lt|Max|Min|Mod|ModularIndexing|Mul|Ne|Not|Or|Pow|PowByNatural"
    "|PythonMod|RShift|Rational|RoundDecimal|RoundToInt|Symbol|ToFloat|True|TruncToFloat|TruncToInt|Where"
    "|ceiling|false|floor|sqrt|true"
)
_SYMBOL = re.compile(r"[a-z]+\d+")
_POWERS = frozenset({"Pow", "PowByNatural", "FloatPow", "LShift"})
_LARGEST_POWER = 16
_LONGEST_SIZE, _LONGEST_NUMBER = 4_096, 40
_SIZE_NODES = (ast.Expression, ast.Constant, ast.UnaryOp, ast.UAdd, ast.USub, ast.keyword, ast.Load)
# `torch.conv2d(`, `ops.prim.RaiseException(`, however they are spaced.
_CALLED = re.compile(r"\b(?:torch|ops\s*\.\s*(?P<space>\w+))\s*\.\s*(?P<name>\w+)")
_ATTRIBUTE = re.compile(r"(?:\.\s*|,\s*[\"'])(?P<name>from_file|save)\b")
# Another name for all operations, behind which any of them could be called.
_ALIAS = re.compile(r"(?:=|\bgetattr\s*\()[\s(]*(?P<name>torch|ops(?:\s*\.\s*\w+)?)[\s)]*(?:[,;\n]|$)")
_SCRIPT_PICKLES = ("data.pkl", "constants.pkl", "attributes.pkl", "traced_inputs.pkl")
_SCRIPT_GLOBALS = frozenset({*ALLOWED, "__torch__.*", "torch.jit._pickle.*"})


def check_program(path: Path) -> None:
    """Refuse an exported program that does more than compute.

    Raises:
        SourceError: It is damaged.
        UnsupportedError: It names something that is not PyTorch's own, with the reason.
    """
    with opened(path) as archive:
        names = archive.names()
        compiled = next((name for name in names if name.startswith("data/aotinductor/")), None)
        if compiled:
            raise UnsupportedError(
                f"{path}: holds compiled machine code ({compiled}), which is not run",
                "Save it with torch.export.save.",
            )
        for name in names:
            if name.endswith(".json") and not name.startswith("extra/"):
                for key, value in _entries(_json(archive, name)):
                    _check_entry(path, key, value)
        for name in names:
            if name.endswith(".pt") or name.startswith("data/sample_inputs/"):
                _check_saved(archive, name)


def check_script(path: Path) -> None:
    """Refuse a TorchScript program that does more than compute.

    Raises:
        SourceError: It is damaged.
        UnsupportedError: Its code touches files or calls what is not PyTorch's own.
    """
    with opened(path) as archive:
        for name in archive.names():
            if name in _SCRIPT_PICKLES:
                check_pickle(archive.read(name), f"{path}: {name}", allowed=_SCRIPT_GLOBALS)
            elif name.startswith("code/") and name.endswith(".py"):
                _check_code(path, archive.read(name).decode(errors="replace"))


def _check_code(path: Path, code: str) -> None:
    for match in _CALLED.finditer(code):
        space = match["space"] or "aten"
        if space not in _NAMESPACES:
            raise UnsupportedError(
                f"{path}: its code calls {space}::{match['name']}, which is no operation of PyTorch's own",
                "Name a module that makes it: inspector convert package.module:callable --input-shape …",
            )
    alias = _ALIAS.search(code)
    if alias:
        raise UnsupportedError(
            f"{path}: its code hides which operations of {alias['name']} it calls",
            _OWN_CODE,
        )
    touching = _ATTRIBUTE.search(code)
    if touching:
        raise UnsupportedError(
            f"{path}: its code calls aten::{touching['name']}, which touches files",
            _OWN_CODE,
        )


def _json(archive: Archive, name: str) -> Any:
    try:
        return json.loads(archive.read(name))
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{archive.path}: {name} in it is not JSON: {error}", _FETCH) from error


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key of nested JSON with its value."""
    rest = [value]
    while rest:
        each = rest.pop()
        if isinstance(each, dict):
            yield from each.items()
            rest += each.values()
        elif isinstance(each, list):
            rest += each


def _check_entry(path: Path, key: str, value: Any) -> None:
    if not isinstance(value, str):
        return
    if key in ("target", "as_operator"):
        _check_target(path, value)
    elif key == "expr_str":
        _check_size(path, value)
    elif key == "path_name" and not re.fullmatch(r"(weight|tensor)_\d+", value):
        raise UnsupportedError(
            f"{path}: stores a Python object ({value[:80]}), which would have to be unpickled", _OWN_CODE
        )
    elif re.search(r"default_factory_module|__enum__", value):
        raise UnsupportedError(f"{path}: its {key} names Python code to import: {value[:80]}", _OWN_CODE)


def _check_target(path: Path, target: str) -> None:
    match = _TARGETS.fullmatch(target)
    if match is None or (match["space"] or "aten") not in _NAMESPACES:
        raise UnsupportedError(
            f"{path}: calls {target[:80]}, which is no operation of PyTorch's own",
            "Name a module that makes it: inspector convert package.module:callable --input-shape …",
        )
    if match["name"] in _FILES:
        raise UnsupportedError(f"{path}: calls {target}, which touches files", _OWN_CODE)


def _check_size(path: Path, text: str) -> None:
    """Hold a size against arithmetic: PyTorch evaluates it as Python."""
    refusal = UnsupportedError(f"{path}: a size in it is no arithmetic: {text[:80]}", _OWN_CODE)
    if len(text) > _LONGEST_SIZE:
        raise refusal
    try:
        tree = ast.parse(text, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise refusal from None
    # A symbol stands by its name in files of earlier releases: `s0`, `u1`, `2*s77 + 1`.
    for node in ast.walk(tree):
        plain = isinstance(node, (*_SIZE_NODES, ast.BinOp, ast.operator, ast.Compare, ast.cmpop))
        named = isinstance(node, ast.Name) and bool(_SIZES.fullmatch(node.id) or _SYMBOL.fullmatch(node.id))
        called = (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and bool(_SIZES.fullmatch(node.func.id))
        )
        if not (plain or named or called) or not _is_small(node):
            raise refusal


def _is_small(node: ast.AST) -> bool:
    """Whether a power or a number cannot fill the memory."""
    if isinstance(node, ast.Constant):
        return len(str(node.value)) <= _LONGEST_NUMBER
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Pow, ast.LShift)):
        return _is_small_exponent(node.right)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in _POWERS:
        return len(node.args) > 1 and _is_small_exponent(node.args[1])
    return True


def _is_small_exponent(node: ast.expr) -> bool:
    """Whether an exponent is one small number, `2` or `Integer(-1)`."""
    parts = list(ast.walk(node))
    numbers = [each.value for each in parts if isinstance(each, ast.Constant)]
    small = [
        number for number in numbers if isinstance(number, (int, float)) and abs(number) <= _LARGEST_POWER
    ]
    names = [each for each in parts if isinstance(each, ast.Name)]
    return len(numbers) == len(small) == 1 and len(names) < 2


def _check_saved(archive: Archive, name: str) -> None:
    """Follow the pickle of what `torch.save` wrote into an archive: a zip of its own."""
    where = f"{archive.path}: {name}"
    with archive.zip.open(archive.root + name) as file:
        if not zipfile.is_zipfile(file):
            file.seek(0)
            if file.read(1):
                file.seek(0)
                check_pickle(file, where)
            return
        try:
            with zipfile.ZipFile(file) as inner:
                for info in inner.infolist():
                    if info.filename.endswith(".pkl"):
                        if info.file_size > 2**26:
                            raise SourceError(f"{where}: its pickle takes {info.file_size:,} bytes", _FETCH)
                        check_pickle(inner.read(info), where)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
            raise SourceError(f"{where} in it is damaged: {error}", _FETCH) from error
