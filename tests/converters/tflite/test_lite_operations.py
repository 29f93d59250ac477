"""Each operator, as TensorFlow's converter writes it, against LiteRT's own kernels."""

import numpy as np
import onnx
import pytest
from lite_judge import session_of
from lite_operations_networks import CASES
from lite_registry import stored

from converters.tflite import emit
from converters.tflite.emit.registry import emitters
from converters.tflite.reader import read_model


def file_of(name: str) -> str:
    return name.replace(":", ".").rstrip(".")


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_operator_gives_what_litert_gives(lite_zoo, tmp_path, name):
    path = lite_zoo / f"{file_of(name)}.tflite"
    assert name.partition(":")[0] in {operation.op for operation in read_model(path).operations}
    session, steps = session_of(path, tmp_path / "m.onnx")
    held = np.load(path.with_suffix(".npz"))
    feeds = {entry.name: x for entry, x in zip(session.get_inputs(), stored(held, "x"), strict=True)}
    got = session.run(None, feeds)
    for array, expected, step in zip(got, stored(held, "y"), steps, strict=True):
        assert (array.shape, array.dtype) == (expected.shape, expected.dtype)
        apart = np.abs(array.astype(np.float64) - expected.astype(np.float64)).max(initial=0.0)
        if not step:
            assert apart <= 1e-5 * max(1.0, float(np.abs(expected).max(initial=0.0)))
        else:
            # Whole numbers: one rounds a half up, the other to the even neighbour.
            assert apart <= (1 if expected.dtype.kind in "iu" else 1.0001 * step)


def test_gelu_is_one_node_where_the_opset_has_it(lite_zoo, tmp_path):
    for name in ("GELU", "GELU.approximate"):
        path = lite_zoo / f"{name}.tflite"
        session, _ = session_of(path, tmp_path / "m.onnx", opset=20)
        held = np.load(path.with_suffix(".npz"))
        (got,) = session.run(None, {session.get_inputs()[0].name: held["x0"]})
        assert np.abs(got - held["y0"]).max() <= 1e-5
        assert [node.op_type for node in onnx.load(tmp_path / "m.onnx").graph.node] == ["Gelu"]


def test_every_operator_with_an_emitter_has_a_case():
    tried = {name.partition(":")[0] for name in CASES}
    # By hand, in test_lite_emit.py and test_lite_recurrent.py: the converter writes them otherwise, or never.
    by_hand = {
        "EXPAND_DIMS", "SQUEEZE", "RELU_0_TO_1", "PRELU", "RANK", "SELECT", "LOGICAL_NOT", "REDUCE_ALL",
        "ZEROS_LIKE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "UNIDIRECTIONAL_SEQUENCE_RNN", "QUANTIZE", "DEQUANTIZE",
    }  # fmt: skip
    assert set(emitters()) - tried == by_hand
    assert emit.MIN_OPSET == 17
