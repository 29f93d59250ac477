"""A network in somebody's own code, `package.module:name`, as a source of `convert`.

The code runs, in a process of its own, because somebody named it: nothing that a file says comes here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from converters.errors import SourceError
from converters.formats import Format, Request, Source
from converters.input_shapes import EXAMPLE

if TYPE_CHECKING:
    from converters.child import Child

_NAME = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_TARGET = re.compile(rf"{_NAME}:{_NAME}")
_FILE_TARGET = re.compile(rf"(?P<file>.+)\.py:(?P<name>{_NAME})")


def _is_target(path: Path) -> bool:
    """Whether this names a module and what is in it, and no file."""
    text = path.as_posix()
    # A letter and a colon are a drive on Windows.
    named = _TARGET.fullmatch(text) or _FILE_TARGET.fullmatch(text)
    return bool(named) and not path.drive and not path.exists()


@contextmanager
def _open(path: Path, request: Request) -> Iterator[Source]:
    from converters.child import Child

    target = path.as_posix()
    file = _FILE_TARGET.fullmatch(target)
    if file:
        module = file["file"].replace("/", ".").lstrip(".")
        raise SourceError(
            f"{target}: names a file; expected a module and a name in it",
            f"inspector convert {module}:{file['name']}",
        )
    with Child("Python", target) as child:
        kind = child.call("converters.code_child:kind", target=target)
        if kind != "keras" and not request.input_shapes:
            names = child.call("converters.code_child:inputs", target=target)
            raise SourceError(
                f"{target}: code does not say which shape its inputs have; "
                f"expected --input-shape for {names}",
                f"inspector convert {target} {EXAMPLE}",
            )
        with _opened(child, kind, target, request) as source:
            yield source


@contextmanager
def _opened(child: Child, kind: str, target: str, request: Request) -> Iterator[Source]:
    if kind == "keras":
        from converters.keras.format import open_model

        with open_model(child, {"code": target}, Path(target), request) as source:
            yield source
        return
    files = [Path(file) for file in child.call("converters.code_child:files", target=target)]
    if kind == "torch":
        from converters.pytorch.format import open_module

        with open_module(child, target, request, files) as source:
            yield source
        return
    from converters.jax import open_function

    with open_function(child, target, request, files) as source:
        yield source


CODE = Format("package.module:callable of PyTorch, JAX, Flax or Keras code", _is_target, _open)
