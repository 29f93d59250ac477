"""The rules of the house that no linter knows."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
BELOW_CLI = [
    path
    for package in ("inspector", "converters")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ROOT / "inspector" / "cli" not in path.parents and path.name != "__main__.py"
]
HEAVY = ("numpy", "onnx", "onnxruntime", "PIL", "tensorflow", "google.protobuf")


def imported(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def top_level(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("path", sorted((ROOT / "converters").rglob("*.py")), ids=lambda path: path.stem)
def test_converters_never_import_inspector(path: Path) -> None:
    assert "inspector" not in top_level(imported(path))


@pytest.mark.parametrize("path", BELOW_CLI, ids=lambda path: path.stem)
def test_nothing_below_the_command_line_knows_of_it(path: Path) -> None:
    assert not top_level(imported(path)) & {"typer", "argparse", "click"}
    assert not any(name.startswith("inspector.cli") for name in imported(path))
    calls = {
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    }
    assert not calls & {"print", "sys.exit", "exit", "sys.stdout.write", "sys.stderr.write"}


def loaded_by(code: str) -> set[str]:
    listing = f"import sys\n{code}\nprint('MODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", listing], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("MODULES")[2].split())


def test_help_loads_no_framework_and_not_even_numpy() -> None:
    code = "from inspector.cli.app import build\ntry: build()(['--help'])\nexcept SystemExit: pass"
    assert not loaded_by(code) & set(HEAVY)


def test_importing_the_package_loads_neither_onnx_nor_onnxruntime_nor_pillow() -> None:
    assert not loaded_by("import inspector") & (set(HEAVY) - {"numpy"})


def test_every_public_name_is_there_and_documented() -> None:
    import inspector

    assert sorted(inspector.__all__) == inspector.__all__
    for name in inspector.__all__:
        assert getattr(inspector, name).__doc__, name


def test_an_unknown_public_name_is_an_attribute_error() -> None:
    import inspector

    with pytest.raises(AttributeError, match="module 'inspector' has no attribute 'lod'"):
        inspector.lod  # noqa: B018
