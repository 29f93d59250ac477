"""Print the seconds that tf2onnx takes from a frozen graph to a file, its import aside.

python benchmarks/plain_tf2onnx.py FROZEN.pb OUT.onnx
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import notebook_network
import tensorflow as tf
import tf2onnx


def main(frozen: str, out: str) -> None:
    """Convert, and print the time."""
    began = time.perf_counter()
    graph = tf.compat.v1.GraphDef.FromString(Path(frozen).read_bytes())
    tf2onnx.convert.from_graph_def(
        graph,
        input_names=[notebook_network.INPUT],
        output_names=[notebook_network.OUTPUT],
        opset=17,
        output_path=out,
    )
    print(time.perf_counter() - began)


if __name__ == "__main__":
    main(*sys.argv[1:])
