"""ONNX nodes for an inference graph by tf2onnx, without its weights.

tf2onnx copies every constant many times over. Here it sees each large weight as an input of the graph;
`converters.assemble` puts the arrays back afterwards. `emit` runs in a child process: it imports TensorFlow.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from converters.errors import UnsupportedError


def emit(graph_def: bytes, inputs: Sequence[str], outputs: Sequence[str], opset: int) -> bytes:
    """Convert a frozen graph whose weights are placeholders.

    Args:
        graph_def: A serialized GraphDef.
        inputs: Tensor names that become graph inputs, the weights' placeholders among them.
        outputs: Tensor names that become graph outputs.
        opset: The ONNX opset to write.

    Returns:
        The serialized ModelProto.

    Raises:
        UnsupportedError: tf2onnx does not know the opset.
    """
    import tensorflow as tf
    import tf2onnx

    newest = max(tf2onnx.constants.OPSET_TO_IR_VERSION)
    if opset > newest:
        raise UnsupportedError(
            f"opset {opset} is not known to tf2onnx {tf2onnx.__version__}; expected at most {newest}",
            f"--opset {newest}",
        )
    graph = tf.compat.v1.GraphDef.FromString(graph_def)
    model, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=list(inputs), output_names=list(outputs), opset=opset
    )
    serialized: bytes = model.SerializeToString()
    return serialized


def versions() -> dict[str, str]:
    """The versions of TensorFlow, and of tf2onnx where it is installed; both are imported."""
    import tensorflow as tf

    found = {"tensorflow": tf.__version__}
    with contextlib.suppress(ModuleNotFoundError):
        import tf2onnx

        found["tf2onnx"] = tf2onnx.__version__
    return found
