"""The table of formats: `python tests/converters/formats_table.py` writes it to docs.

It builds a small network of each kind with each framework, and converts it. `test_formats_table.py` repeats a
part of that, and holds the table to it.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(ROOT), str(HERE / "formats")]

from format_networks import ABSENT, KINDS, ROWS, Networks, Row  # noqa: E402

from converters.conversion import convert  # noqa: E402
from converters.errors import InspectorError  # noqa: E402
from converters.formats import Request, all_formats  # noqa: E402

DOCUMENT = ROOT / "docs" / "formats.md"
# Where the modules of `module:callable` are.
_CODE_PATHS = (HERE / "formats", HERE / "pytorch", HERE / "keras")

_HEAD = """# Which formats convert, and how equally

Made by `make formats-table`; `tests/converters/test_formats_table.py` holds it to what conversions give
now. A format is recognised by a file's content, never by its suffix alone.

## What each format offers

"Weights" are what `inspector layers` and `inspector filters` read without the framework. The proof is what
the converted model is compared with, layer by layer where the source tells its layers' values.

| format | weights | to convert it | the proof |
| --- | --- | --- | --- |
"""
_KINDS_HEAD = """
## A network of each kind

Each format's own framework made a small network of each kind, with random weights. A cell tells how its
conversion came out: the verdict of the certificate, the largest absolute difference of an output, and in
brackets the largest difference of any output or layer as a part of what is
[allowed](certificate.md#when-two-values-count-as-equal). "no" is a refusal, with its words below. A dash: the
format holds no networks of integers, or no tool that the tests install makes one.

"""


@dataclass(frozen=True)
class Offer:
    """What a person has to know of a format.

    Attributes:
        install: What converting takes beside onnx-inspector, as extras of it.
        proof: What a conversion is compared with.
    """

    install: str
    proof: str


# By the name of the format in the registry.
OFFERS = {
    "ONNX model": Offer("nothing", "the file as it stands, in onnxruntime"),
    "tflearn or TensorFlow 1 checkpoint, frozen TensorFlow graph": Offer(
        "nothing; `[tf]` for loops",
        "the graph in TensorFlow; without it, the frozen graph in float64 numpy",
    ),
    "TensorFlow SavedModel": Offer(
        "nothing; `[tf]` for loops, recurrent layers among them",
        "the SavedModel in TensorFlow; without it, the frozen graph in float64 numpy",
    ),
    "Keras model or weights": Offer("`[keras]`", "the model in the Keras of its generation"),
    "TensorFlow Lite model": Offer("nothing with `--no-verify`; else `[tflite]`", "the file in LiteRT"),
    "PyTorch exported program (.pt2)": Offer("`[torch]`", "the program in PyTorch"),
    "TorchScript": Offer("`[torch]` and `--input-shape`", "the program in PyTorch"),
    "PyTorch state_dict": Offer("the code of the network, as `module:callable`", ""),
    "safetensors file": Offer("the code of the network, as `module:callable`", ""),
    "package.module:callable of PyTorch, JAX, Flax or Keras code": Offer(
        "`[torch]`, `[keras]` or `[jax]`, and `--input-shape`; the code is run",
        "the code itself in its framework; outputs alone with JAX",
    ),
}


@dataclass(frozen=True)
class Outcome:
    """How a conversion came out.

    Attributes:
        difference: Largest absolute difference of an output.
        part: Largest difference of an output or layer as a part of what is allowed.
        refusal: What was said instead, with NAME for the network.
        verdict: The certificate's; empty where it was refused.
    """

    verdict: str = ""
    difference: float = 0.0
    part: float = 0.0
    refusal: str = ""

    @property
    def figures(self) -> str:
        """Both differences in a few digits."""
        difference = f"{self.difference:.0e}" if self.difference else "0"
        return f"{difference} ({self.part:.1g})"


def outcome(networks: Networks, row: Row, kind: str, out: Path) -> Outcome | None:
    """Convert one network; None where the format has none of the kind.

    Args:
        networks: All networks.
        row: The format.
        kind: A key of `KINDS`.
        out: The file to write.
    """
    if (row.label, kind) in ABSENT:
        return None
    source = row.source(networks, kind)
    request = Request(input_shapes=row.shapes(networks, kind))
    try:
        certificate = convert(source, out, request=request, force=True).certificate
    except InspectorError as error:
        # One note for all networks of a format.
        called = re.sub(kind.replace("-", "[-_]"), "NAME", source.name)
        return Outcome(refusal=error.message.replace(str(source), called))
    differences = (*certificate.outputs, *certificate.layers)
    return Outcome(
        certificate.verdict,
        max(item.max_abs for item in certificate.outputs),
        max(item.part for item in differences),
    )


@contextmanager
def code_on_path() -> Iterator[None]:
    """The modules of `module:callable` can be imported in the framework's process."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(map(str, _CODE_PATHS))
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def document(results: Mapping[str, Mapping[str, Outcome | None]]) -> str:
    """The whole page.

    Args:
        results: Label of a row → kind → how the conversion came out.
    """
    lines = [_HEAD.rstrip("\n")]
    lines += [f"| {' | '.join(cells)} |" for cells in offers()]
    lines += _KINDS_HEAD.rstrip("\n").split("\n")
    lines += ["", f"| format | {' | '.join(KINDS.values())} |", f"| --- |{' --- |' * len(KINDS)}"]
    notes = list(dict.fromkeys(_refusals(results.values())))
    for label, row in results.items():
        cells = [cell(row[kind], notes) for kind in KINDS]
        lines.append(f"| {label} | {' | '.join(cells)} |")
    lines += ["", *(f"{place}. {note}" for place, note in enumerate(notes, 1))]
    return "\n".join(lines).rstrip("\n") + "\n"


def offers() -> Iterable[list[str]]:
    """The cells of the first table, a list for each row."""
    for known in all_formats():
        offer = OFFERS[known.name]
        # Weights of a model of ONNX are read by the inspector itself.
        weights = "yes" if known.weights or known.name == "ONNX model" else "no"
        yield [known.name, weights, offer.install, offer.proof or "it cannot be converted"]


def cell(result: Outcome | None, notes: list[str]) -> str:
    """A cell of the second table."""
    if result is None:
        return "—"
    if result.refusal:
        return f"no [{notes.index(result.refusal) + 1}]"
    return f"{result.verdict} {result.figures}"


def _refusals(rows: Iterable[Mapping[str, Outcome | None]]) -> Iterator[str]:
    for row in rows:
        yield from (result.refusal for result in row.values() if result and result.refusal)


def main() -> None:
    def kept(name: str) -> Path:
        folder = ROOT / ".pytest_cache" / "d" / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    networks = Networks(kept)
    results: dict[str, dict[str, Outcome | None]] = {}
    with tempfile.TemporaryDirectory() as folder, code_on_path():
        out = Path(folder) / "net.onnx"
        for row in ROWS:
            results[row.label] = {kind: outcome(networks, row, kind, out) for kind in KINDS}
            sys.stderr.write(f"{row.label}: {results[row.label]}\n")
    DOCUMENT.write_text(document(results), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
