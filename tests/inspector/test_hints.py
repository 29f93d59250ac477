"""Every refusal says what helps."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = [
    path
    for path in sorted((ROOT / "inspector").rglob("*.py"))
    if "cli" not in path.relative_to(ROOT).parts and path.name != "errors.py"
]


def refusals(path: Path) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id.endswith("Error")
        and node.func.id
        not in (
            "AttributeError",
            "NotConstantError",
            "UnknownLayerError",
            "WireError",
            "CountError",
            "_FormError",
        )
    ]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_refusal_has_a_hint(path: Path) -> None:
    without = [ast.unparse(call) for call in refusals(path) if len(call.args) < 2]
    assert not without


def test_refusals_are_looked_for_where_they_are() -> None:
    assert sum(len(refusals(path)) for path in MODULES) > 100
