"""Somebody's own code, imported in the process that runs it. Only `converters.child` calls this."""

from __future__ import annotations

import difflib
import importlib
import inspect
import sys
import traceback
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from converters.errors import SourceError

Kind = Literal["torch", "keras", "jax"]
_NEAREST = 3
_OWN = str(Path(__file__).resolve().parent)


@cache
def load(target: str) -> Any:
    """Import a module and return the network that it calls by a name; the same when it is asked for again.

    A class, and a function without parameters, is called: what it makes is the network.

    Args:
        target: "package.module:name", where `name` may be dotted. The current folder is searched first.

    Raises:
        SourceError: There is no such module or name, or somebody's code raised an error.
    """
    module, _, attributes = target.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    found: Any = _module(target, module)
    for attribute in attributes.split("."):
        found = _attribute(target, module, found, attribute)
    if not (inspect.isclass(found) or inspect.isroutine(found)):
        return found
    required = _required(found)
    if not required:
        return _called(target, found)
    if inspect.isclass(found):
        raise SourceError(
            f"{target}: making one needs arguments: {', '.join(required)}",
            f"Write a function without parameters that makes it, and name that: {module}:make_network",
        )
    return found


def kind(target: str) -> Kind:
    """Which framework a network is of.

    Raises:
        SourceError: It is nothing that can be converted; or as `load`.
    """
    network = load(target)
    if is_of(network, "torch", "nn.Module"):
        return "torch"
    if is_of(network, "keras", "Model") or is_of(network, "tf_keras", "Model"):
        return "keras"
    pair = isinstance(network, tuple) and len(network) == 2 and is_of(network[0], "flax.linen", "Module")
    if pair or inspect.isroutine(network) or is_of(network, "flax.nnx", "Module"):
        return "jax"
    if is_of(network, "flax.linen", "Module"):
        raise SourceError(
            f"{target}: is a flax.linen module without its variables",
            "Name a pair: network = (module, variables).",
        )
    if callable(network) and "jax" in sys.modules:
        return "jax"
    raise SourceError(
        f"{target}: is {described(network)}; expected a torch.nn.Module, a Keras model, a JAX function or a "
        "Flax module, or a function without parameters that makes one",
        "inspector convert --help",
    )


def files(target: str) -> list[str]:
    """The file of the module that holds a network, where there is one."""
    load(target)
    file = getattr(sys.modules[target.partition(":")[0]], "__file__", None)
    return [file] if file and Path(file).is_file() else []


def inputs(target: str) -> str:
    """What a network takes, by name: "x, mask"."""
    network = load(target)
    if isinstance(network, tuple):
        network = network[0]
    parts = (getattr(network, name, None) for name in ("forward", "__call__"))
    function = network if inspect.isroutine(network) else next((each for each in parts if each), network)
    return ", ".join(_required(function)) or "its inputs"


def described(value: object) -> str:
    """A value by its type, for messages: "a dict", "the module nets"."""
    if isinstance(value, ModuleType):
        return f"the module {value.__name__}"
    name = type(value).__name__
    return f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def raised(error: BaseException) -> str:
    """What somebody's code raised, and where: "ValueError: no data (nets.py, line 3)"."""
    words = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {words[0]}" if words else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{what.partition(' (')[0]} ({Path(error.filename or '').name}, line {error.lineno})"
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith((_OWN, "<")) and "importlib" not in frame.filename
    ]
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    return f"{what} ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else what


def _module(target: str, name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        absent = error.name or name
        if name == absent or name.startswith(f"{absent}."):
            raise SourceError(
                f"{target}: there is no module {absent} in the current folder and none is installed",
                "Run the command in the folder that holds it, or name that folder in PYTHONPATH.",
            ) from error
        raise SourceError(
            f"{target}: importing {name} needs the module {absent}, which is not installed here",
            f"pip install {absent.partition('.')[0]}",
        ) from error
    except (Exception, SystemExit) as error:
        raise SourceError(
            f"{target}: importing {name} raised {raised(error)}", f'python -c "import {name}"'
        ) from error


def _attribute(target: str, module: str, owner: object, attribute: str) -> object:
    try:
        found: object = getattr(owner, attribute)
    except AttributeError:
        names = [name for name in dir(owner) if not name.startswith("_")]
        near = difflib.get_close_matches(attribute, names, _NEAREST, 0.5)
        where = f"the module {module}" if isinstance(owner, ModuleType) else described(owner)
        raise SourceError(
            f"{target}: {where} has no {attribute}",
            f"Nearest: {', '.join(near)}." if near else f'python -c "import {module}; help({module})"',
        ) from None
    return found


def _called(target: str, maker: Any) -> Any:
    try:
        return maker()
    except (Exception, SystemExit) as error:
        raise SourceError(f"{target}: calling it raised {raised(error)}") from error


def _required(maker: Any) -> list[str]:
    """Names of the parameters that a class or function cannot be called without."""
    try:
        # A metaclass of Flax hides what a class takes.
        function = maker.__init__ if inspect.isclass(maker) else maker
        parameters = list(inspect.signature(function).parameters.values())[inspect.isclass(maker) :]
    except ValueError:
        return ["…"]
    open_ended = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is each.empty and each.kind not in open_ended]


def is_of(value: object, module: str, name: str) -> bool:
    """Whether a value is an instance of a framework's class; a framework that nobody imported made nothing.

    Args:
        value: Any object.
        module: The framework's module.
        name: The class in it, dotted.
    """
    kind: Any = sys.modules.get(module)
    for part in name.split("."):
        kind = getattr(kind, part, None)
    return isinstance(kind, type) and isinstance(value, kind)
