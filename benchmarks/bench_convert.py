"""Converting the notebook's network (139 MB) against plain tf2onnx on the same frozen graph."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

import notebook_network
from measure import PYTHON, Row, timed

from converters.child import Child
from converters.conversion import convert
from converters.formats import Request


def rows(workspace: Path) -> list[Row]:
    """Measure both routes; the network is built once and kept in `workspace`."""
    network = notebook_network.build(workspace / "notebook")
    out = workspace / "notebook.onnx"
    script = Path(__file__).with_name("plain_tf2onnx.py")
    plain = float(
        subprocess.check_output([PYTHON, script, network.frozen, workspace / "plain.onnx"], text=True)
    )
    bare = [
        timed(lambda: convert(network.prefix, out, request=Request(verify=False), force=True))
        for _ in range(3)
    ]
    proven = [timed(lambda: convert(network.prefix, out, force=True)) for _ in range(3)]
    imports = [timed(_only_import) for _ in range(3)]
    idle, one, all_of_it = (statistics.median(times) for times in (imports, bare, proven))
    detail = f"{plain:.1f} s against {one - idle:.2f} s (TensorFlow's start of {idle:.1f} s aside in both)"
    with_proof = f"{plain:.1f} s against {all_of_it - idle:.2f} s"
    return [
        Row("plain tf2onnx / convert --no-verify", plain / (one - idle), "x", "≥ 20", detail),
        Row(
            "plain tf2onnx / convert with its certificate", plain / (all_of_it - idle), "x", "≥ 8", with_proof
        ),
    ]


def _only_import() -> None:
    with Child("TensorFlow", "nothing") as child:
        child.call("converters.tensorflow.through_tf2onnx:versions")
