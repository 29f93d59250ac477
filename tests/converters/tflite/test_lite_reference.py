"""The reference that runs in a process of its own, called in this one."""

import numpy as np
import pytest
from lite_files import Part, Step, lite, run, stored
from lite_registry import stored as arrays

from converters.tflite import reference
from converters.tflite.format import _widened
from converters.tflite.reader import read_model

RNG = np.random.default_rng(2)


def values(path, feeds, fetches, *, widened=(), subgraph=0):
    return reference.run(
        path=str(path), widened=list(widened), subgraph=subgraph, feeds=feeds, fetches=fetches
    )


def test_any_tensor_can_be_asked_for(lite_zoo):
    path = lite_zoo / "float-cnn.tflite"
    model, held = read_model(path), np.load(lite_zoo / "float-cnn.npz")
    (fed,), (out,) = (
        [model.tensors[name].index for name in names] for names in (model.inputs, model.outputs)
    )
    middle = model.tensors[model.operations[1].outputs[0]]
    found = values(path, {fed: held["x0"]}, [middle.index, out])
    assert found[middle.index].shape == (3, 5, 5, 8)
    assert np.array_equal(found[out], arrays(held, "y")[0])


def test_states_begin_anew_with_each_run(lite_zoo):
    path = lite_zoo / "recurrent.tflite"
    model, held = read_model(path), np.load(lite_zoo / "recurrent.npz")
    fed, out = model.tensors[model.inputs[0]].index, model.tensors[model.outputs[0]].index
    first, second = (values(path, {fed: held["x0"]}, [out])[out] for _ in range(2))
    assert np.array_equal(first, second)


@pytest.mark.parametrize("axis_scales", [[0.02], [0.02, 0.5, 0.1, 0.003]])
def test_widened_weights_meet_data_that_is_not_rounded(tmp_path, axis_scales):
    weights = RNG.integers(-127, 128, (4, 32)).astype(np.int8)
    parts = [Part((1, 32)), stored(weights, scale=axis_scales), Part((1, 4))]
    path = tmp_path / "m.tflite"
    path.write_bytes(lite(parts, [Step("FULLY_CONNECTED", [0, 1], [2], {}, "FullyConnectedOptions")]))
    x = RNG.normal(0, 1, (1, 32)).astype(np.float32)
    exact = x @ (weights * np.asarray(axis_scales, np.float32).reshape(-1, 1)).T
    assert _widened(read_model(path)) == ["t1"]
    assert np.allclose(values(path, {0: x}, [2], widened=[1])[2], exact, atol=1e-5)
    if len(axis_scales) == 1:
        # What makes the difference: left alone, LiteRT rounds the data.
        assert np.abs(run(path, x)[0] - exact).max() > 1e-4


def test_another_graph_of_the_file_can_be_run(tmp_path):
    path = tmp_path / "m.tflite"
    path.write_bytes(lite([Part((2,)), Part((2,))], [Step("NEG", [0], [1])], graphs=2))
    x = np.asarray([1, -2], np.float32)
    assert np.array_equal(values(path, {0: x}, [1], subgraph=1)[1], -x)


def test_what_runs_a_model_is_told_with_its_version():
    import importlib.metadata

    assert reference.versions() == {"ai-edge-litert": importlib.metadata.version("ai-edge-litert")}
