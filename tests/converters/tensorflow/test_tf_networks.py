"""Whole networks: what is frozen gives what tflearn's `predict`, or TensorFlow's session, gave."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from converters.errors import SourceError
from converters.tensorflow.freeze import InferenceGraph, freeze
from converters.tensorflow.graph import read_source


def answers(zoo: Path, name: str) -> Mapping[str, np.ndarray]:
    """What is stored of a network's inputs and outputs."""
    return np.load(zoo / name / f"{name}.npz")


def assert_equal(frozen: InferenceGraph, stored: Mapping[str, np.ndarray], run) -> None:
    """What the frozen graph computes is what the framework did."""
    assert [spec.name for spec in frozen.inputs] == list(stored["inputs"])
    assert [spec.name for spec in frozen.outputs] == list(stored["outputs"])
    feeds = {spec.name: stored[f"x{place}"] for place, spec in enumerate(frozen.inputs)}
    values = run(frozen.with_weights(), feeds, [spec.name for spec in frozen.outputs])
    for place, got in enumerate(values):
        expected = stored[f"y{place}"]
        assert got.shape == expected.shape
        assert float(np.abs(got - expected).max()) <= 1e-6 * max(1.0, float(np.abs(expected).max()))


def test_a_tflearn_network_saved_after_fit_gives_its_predictions(tflearn_network, zoo, run):
    stored = answers(zoo, tflearn_network)
    source = read_source(zoo / tflearn_network)
    assert source.kind == "tflearn checkpoint"
    assert_equal(freeze(source, bake_preprocessing=bool(stored["preprocessed"])), stored, run)


def test_a_tensorflow_network_gives_what_its_session_gave(plain_network, zoo, run):
    stored = answers(zoo, plain_network)
    assert_equal(freeze(read_source(zoo / plain_network / str(stored["source"]))), stored, run)


def test_nothing_of_training_is_left_in_a_tflearn_network(tflearn_network, zoo):
    frozen = freeze(read_source(zoo / tflearn_network))
    ops = {node.op for node in frozen.graph_def.node}
    assert not {op for op in ops if "Variable" in op or "Random" in op or op in ("Switch", "Merge", "Assign")}


def test_the_layers_of_the_notebook_keep_their_names_and_dropout_holds_its_input(zoo):
    frozen = freeze(read_source(zoo / "notebook"))
    assert list(frozen.layers.items()) == list(
        {
            "input": ("input/X:0",),
            "conv_1": ("conv_1/Relu:0",),
            "max_pool_1": ("max_pool_1/MaxPool:0",),
            "conv_2": ("conv_2/Relu:0",),
            "max_pool_2": ("max_pool_2/MaxPool:0",),
            "fully_connected_1": ("fully_connected_1/Relu:0",),
            "dropout_1": ("fully_connected_1/Relu:0",),
            "fully_connected_2": ("fully_connected_2/Softmax:0",),
        }.items()
    )


def test_the_notebook_is_described_by_its_decisions_and_warnings(zoo):
    frozen = freeze(read_source(zoo / "notebook"))
    assert frozen.decisions == (
        "Inputs: input/X:0: noted as inputs by tflearn.",
        "Outputs: fully_connected_2/Softmax:0: the layers of tflearn that no other layer reads.",
        "is_training:0 is set to False, the source holds True.",
        "The branches of training are cut off in dropout_1 (3 switches).",
    )
    assert frozen.warnings == ("The source was saved in training mode; it is converted in inference mode.",)
    (spec,) = frozen.inputs
    assert (spec.dtype, spec.shape) == (np.float32, (None, 25, 25, 1))
    assert frozen.outputs[0].shape == (None, 2)


def test_weights_are_views_into_the_mapped_checkpoint_and_small_constants_stay_in_the_graph(zoo):
    source = read_source(zoo / "notebook")
    frozen = freeze(source)
    assert {name: value.shape for name, value in frozen.weights.items()} == {
        "conv_1/W": (10, 10, 1, 6),
        "conv_2/W": (10, 10, 6, 8),
        "fully_connected_1/W": (392, 16),
    }
    for name, value in frozen.weights.items():
        assert not value.flags.owndata and not value.flags.writeable
        np.testing.assert_array_equal(value, source.checkpoint.read(name))
    constants = {node.name for node in frozen.graph_def.node if node.op == "Const"}
    assert {"conv_1/b", "conv_2/b", "fully_connected_2/W"} < constants


def test_two_inputs_keep_the_order_in_which_tflearn_takes_them(zoo):
    frozen = freeze(read_source(zoo / "two_inputs"))
    assert [spec.name for spec in frozen.inputs] == ["picture/X:0", "numbers/X:0"]


def test_outputs_asked_for_by_name_are_computed(zoo, run):
    frozen = freeze(read_source(zoo / "merged_outputs"), outputs=["second/Softmax:0", "first/Softmax"])
    assert [spec.name for spec in frozen.outputs] == ["second/Softmax:0", "first/Softmax:0"]
    stored = answers(zoo, "merged_outputs")
    second, first = run(
        frozen.with_weights(), {"InputData/X:0": stored["x0"]}, [spec.name for spec in frozen.outputs]
    )
    np.testing.assert_allclose(np.concatenate([first, second], 1), stored["y0"], atol=1e-6)


def test_a_tensor_within_the_network_can_be_the_input(zoo, run):
    source = read_source(zoo / "notebook")
    frozen = freeze(source, inputs=["max_pool_2/MaxPool:0"])
    pooled = np.random.default_rng(0).normal(size=(3, 7, 7, 8)).astype(np.float32)
    (got,) = run(frozen.with_weights(), {"max_pool_2/MaxPool:0": pooled}, ["fully_connected_2/Softmax:0"])
    whole = freeze(source)
    (expected,) = run(
        whole.with_weights(),
        {"max_pool_2/MaxPool:0": pooled, "input/X:0": np.zeros((3, 25, 25, 1), np.float32)},
        ["fully_connected_2/Softmax:0"],
    )
    np.testing.assert_allclose(got, expected, atol=1e-7)
    assert frozen.inputs[0].shape == (None, 7, 7, 8)


def test_stored_statistics_are_found_and_named(zoo):
    frozen = freeze(read_source(zoo / "featurewise"))
    fitted = answers(zoo, "featurewise")["fitted0"]
    assert sorted(frozen.preprocessing) == ["mean", "std"]
    np.testing.assert_allclose(frozen.preprocessing["mean"], fitted.mean(), rtol=1e-6)
    mean, std = (f"{frozen.preprocessing[name].item():.6g}" for name in ("mean", "std"))
    assert frozen.warnings == (
        f"The data were preprocessed with stored statistics (mean {mean}, std {std}), which are not part of "
        "the graph: --bake-preprocessing puts them in.",
    )


def test_baking_is_recorded_and_keeps_the_input(zoo):
    frozen = freeze(read_source(zoo / "featurewise"), bake_preprocessing=True)
    assert [spec.name for spec in frozen.inputs] == ["input/X:0"]
    assert frozen.decisions[-1] == (
        "The preprocessing is put behind the input input/X:0: subtract the mean, then divide by the standard "
        "deviation; what leaves no trace in a source (per-sample and custom steps) is not in it."
    )


def test_a_network_without_statistics_cannot_have_them_baked_in(zoo):
    source = read_source(zoo / "notebook")
    with pytest.raises(SourceError) as caught:
        freeze(source, bake_preprocessing=True)
    assert caught.value.message == f"{source.path}: holds no statistics of a preprocessing to bake in"
    assert caught.value.hint == "Leave out --bake-preprocessing."


def test_switches_and_rates_of_plain_graphs_are_set_and_said(zoo):
    said = {
        name: freeze(read_source(zoo / name / str(answers(zoo, name)["source"]))).decisions[2:]
        for name in ("keep_prob", "old_dropout", "phase", "defaults")
    }
    assert said == {
        "keep_prob": (
            "keep_prob:0 is set to 1: nothing is dropped at inference.",
            "Dropout without a switch is taken out in dropout/SelectV2.",
        ),
        "old_dropout": ("Dropout without a switch is taken out in dropout/Mul.",),
        "phase": (
            "is_training:0 is set to False: it says whether the graph trains.",
            "The branches of training are cut off (7 switches).",
        ),
        "defaults": (
            "training:0 is set to False: it says whether the graph trains.",
            "rate:0 is set to 0.4: its default.",
            "The branches of training are cut off (7 switches).",
        ),
    }


def test_a_meta_graph_without_tflearns_objects_is_imported_and_restored_by_tensorflow(
    zoo, tensorflow, tmp_path
):
    folder = zoo / "notebook"
    source = read_source(folder)
    meta = tmp_path / "clean.meta"
    meta.write_bytes(source.meta_bytes())
    with tensorflow.Graph().as_default(), tensorflow.Session() as session:
        saver = tensorflow.train.import_meta_graph(str(meta))
        saver.restore(session, str(folder / "notebook"))
        value = session.run("conv_1/W:0")
    np.testing.assert_array_equal(value, source.checkpoint.read("conv_1/W"))
