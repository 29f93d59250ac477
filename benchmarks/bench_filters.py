"""`inspector filters` against the notebook's script, as whole processes, and on a model of 1.5 GB."""

from __future__ import annotations

from pathlib import Path

import notebook_network
import numpy as np
from measure import INSPECTOR, PYTHON, Row, alternate, ratio, run, seconds

from converters.conversion import convert
from converters.formats import Request

LAYER = "conv_2"
_LARGE_ROWS = 360_000_000 // 1024


def rows(workspace: Path) -> list[Row]:
    """Measure; the models are built once and kept in `workspace`."""
    network = notebook_network.build(workspace / "notebook")
    model, large = workspace / "notebook.onnx", workspace / "large.onnx"
    if not model.exists():
        convert(network.prefix, model, request=Request(verify=False))
    if not large.exists():
        _write_large(model, large)
    script = Path(__file__).with_name("notebook_script.py")
    notebook, ours = alternate(
        lambda: run([PYTHON, script, network.prefix, LAYER, workspace / "notebook.png"]),
        lambda: run([INSPECTOR, "filters", model, "-l", LAYER, "-o", workspace / "ours.png", "--force"]),
        runs=3,
    )
    on_large, on_small = alternate(
        lambda: run([INSPECTOR, "filters", large, "-l", LAYER, "-o", workspace / "large.png", "--force"]),
        lambda: run([INSPECTOR, "filters", model, "-l", LAYER, "-o", workspace / "ours.png", "--force"]),
        runs=9,
    )
    peak = max(usage.peak_mb for usage in ours)
    large_peak = max(usage.peak_mb for usage in on_large)
    theirs = max(usage.peak_mb for usage in notebook)
    return [
        Row(
            "the notebook's script / inspector filters",
            ratio(notebook, ours),
            "x",
            "≥ 20",
            f"{seconds(notebook):.2f} s against {seconds(ours):.3f} s",
        ),
        Row("peak memory of inspector filters", peak, "MB", "≤ 80", f"the script: {theirs:.0f} MB"),
        Row(
            "inspector filters, 1.5 GB model / 139 MB model",
            ratio(on_large, on_small),
            "x",
            "≤ 1.1",
            f"{seconds(on_large):.3f} s against {seconds(on_small):.3f} s, {large_peak:.0f} MB",
        ),
    ]


def _write_large(model: Path, large: Path) -> None:
    """The same network with a dense layer of 1.4 GB behind it."""
    import onnx

    from converters.assemble import Assembled

    proto = onnx.load(model)
    output = proto.graph.output[0].name
    proto.graph.node.append(onnx.helper.make_node("MatMul", [output, "bulk"], ["bulky"]))
    proto.graph.output.append(onnx.ValueInfoProto(name="bulky"))
    bulk = np.zeros((1024, _LARGE_ROWS), np.float32)
    # Only the file's size matters here: nobody runs this model.
    Assembled(proto, {"bulk": bulk}).write(large)
