"""The names of the networks that the programs beside this file make."""

from __future__ import annotations

import ast
from pathlib import Path


def _makers(program: str) -> list[str]:
    """The names in the program's table of networks, read without running it: that would import TensorFlow."""
    tree = ast.parse((Path(__file__).parent / program).read_text("utf-8"))
    table = next(
        node.value
        for node in tree.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == "NETS"
    )
    assert isinstance(table, ast.DictComp) and isinstance(table.generators[0].iter, ast.Tuple)
    return [name.id for name in table.generators[0].iter.elts if isinstance(name, ast.Name)]


TFLEARN = [*_makers("tflearn_nets.py"), "version_1"]
PLAIN = _makers("plain_nets.py")
