"""Converting the notebook's network (139 MB): both engines, plain tf2onnx, and the floor: copying weights."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import notebook_network
from measure import INSPECTOR, PYTHON, Row, Usage, alternate, run, seconds, timed

from converters.child import Child
from converters.conversion import convert
from converters.formats import Request

WEIGHTS_MB = 139
# The command line where TensorFlow and tf2onnx are not installed, and those are the only ones that matter.
_WITHOUT_TENSORFLOW = (
    "import sys\nsys.modules['tensorflow'] = sys.modules['tf2onnx'] = None\n"
    "from inspector.cli.app import main\nmain()"
)
# Reading mapped weights and writing them to another file: what no conversion can do without.
_COPY = (
    "import sys, numpy\narray = numpy.memmap(sys.argv[1], numpy.uint8, 'r')\n"
    "with open(sys.argv[2], 'wb') as file: file.write(array.data)"
)


def rows(workspace: Path) -> list[Row]:
    """Measure all; the network is built once and kept in `workspace`."""
    network = notebook_network.build(workspace / "notebook")
    out = workspace / "notebook.onnx"
    return [*_native(network, out), *_through_tf2onnx(network, out)]


def _native(network: notebook_network.NotebookNetwork, out: Path) -> list[Row]:
    command = [INSPECTOR, "convert", network.prefix, "-o", out, "--force", "-q", "--engine", "native"]
    data = network.prefix.with_name(network.prefix.name + ".data-00000-of-00001")
    bare, floor = alternate(
        lambda: run([*command, "--no-verify"]),
        lambda: run([PYTHON, "-c", _COPY, data, out.with_suffix(".copy")]),
        5,
    )
    proven = [run([PYTHON, "-c", _WITHOUT_TENSORFLOW, *command[1:]]) for _ in range(2)]
    return [
        Row("convert --engine native --no-verify", seconds(bare), "s", "≤ 2.5", "whole process"),
        Row("its peak memory / the weights", _peak(bare), "x", "≤ 3", f"{WEIGHTS_MB} MB of weights"),
        Row("convert with its certificate, no TensorFlow", seconds(proven), "s", "≤ 15", "whole process"),
        Row("its peak memory / the weights", _peak(proven), "x", "≤ 3", f"{WEIGHTS_MB} MB of weights"),
        Row(
            "convert --engine native --no-verify / copying the weights",
            seconds(bare) / seconds(floor),
            "x",
            "≤ 10",
            f"{seconds(bare):.2f} s against {seconds(floor):.2f} s with numpy's import",
        ),
    ]


def _through_tf2onnx(network: notebook_network.NotebookNetwork, out: Path) -> list[Row]:
    script = Path(__file__).with_name("plain_tf2onnx.py")
    said = subprocess.check_output([PYTHON, script, network.frozen, out.with_suffix(".plain")], text=True)
    plain = float(said)

    def ours(engine: str, *, verify: bool) -> None:
        convert(network.prefix, out, request=Request(engine=engine, verify=verify), force=True)

    ways: list[Callable[[], None]] = [
        partial(ours, "native", verify=False),
        partial(ours, "tf2onnx", verify=False),
        partial(ours, "tf2onnx", verify=True),
        _only_import,
    ]
    # Its libraries are read from the disk once, which is not what is compared.
    _only_import()
    rounds = [[timed(way) for way in ways] for _ in range(3)]
    native, bare, proven, start = (statistics.median(each) for each in zip(*rounds, strict=True))
    return [
        Row(
            "plain tf2onnx / native, nothing compared",
            plain / native,
            "x",
            "≥ 20",
            f"{plain:.1f} s, {native:.2f} s",
        ),
        Row(
            "plain tf2onnx / tf2onnx without weights, nothing compared",
            plain / (bare - start),
            "x",
            "≥ 20",
            f"{plain:.1f} s, {bare - start:.2f} s (TensorFlow's start of {start:.1f} s aside)",
        ),
        Row(
            "plain tf2onnx / the same with the certificate",
            plain / (proven - start),
            "x",
            "≥ 8",
            f"{plain:.1f} s, {proven - start:.2f} s",
        ),
    ]


def _peak(usages: list[Usage]) -> float:
    return max(usage.peak_mb for usage in usages) / WEIGHTS_MB


def _only_import() -> None:
    with Child("TensorFlow", "nothing") as child:
        child.call("converters.tensorflow.through_tf2onnx:versions")
