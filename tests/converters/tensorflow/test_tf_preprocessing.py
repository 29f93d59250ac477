from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tf_files import GraphBuilder

from converters.errors import UnsupportedError
from converters.tensorflow.freeze import freeze
from converters.tensorflow.graph import SourceGraph, read_source
from converters.tensorflow.inference import InferenceGraph
from converters.tensorflow.preprocessing import applied


def network(
    folder: Path, arrays: dict[str, np.ndarray], *sizes: int | None, dtype: str = "float32"
) -> SourceGraph:
    graph = GraphBuilder()
    graph.placeholder("x", *sizes, dtype=dtype)
    graph.const("w", np.ones((3, 2)))
    graph.add("y", "MatMul", "x", "w", T="float32")
    graph.write_checkpoint(folder / "net", {name: np.asarray(value) for name, value in arrays.items()})
    return replace(read_source(folder), kind="tflearn checkpoint")


SCOPE = "DataPreprocessing"
MEAN = {f"{SCOPE}/mean": np.float32(2), f"{SCOPE}/mean_r": np.bool_(True)}


def test_a_statistic_that_was_never_set_is_not_one(tmp_path):
    unset = {f"{SCOPE}/std": np.float32(0), f"{SCOPE}/std_r": np.bool_(False)}
    frozen = freeze(network(tmp_path, {**MEAN, **unset}, None, 3))
    assert dict(frozen.preprocessing) == {"mean": 2}


def test_a_variable_that_only_sounds_like_a_statistic_is_not_one(tmp_path):
    others = {"conv/mean_r": np.float32(1), "mean_r": np.bool_(True), "norm/std_r": np.bool_(True)}
    assert dict(freeze(network(tmp_path, others, None, 3)).preprocessing) == {}


def test_the_statistics_of_several_preprocessings_keep_their_scopes_and_are_not_baked_in(tmp_path):
    second = {name.replace(SCOPE, f"{SCOPE}_1"): value for name, value in MEAN.items()}
    source = network(tmp_path, {**MEAN, **second}, None, 3)
    assert sorted(freeze(source).preprocessing) == [f"{SCOPE}/mean", f"{SCOPE}_1/mean"]
    with pytest.raises(UnsupportedError) as caught:
        freeze(source, bake_preprocessing=True)
    assert caught.value.message == (
        f"{tmp_path}: has 1 inputs and 2 preprocessings, and does not say which belongs to which"
    )


def test_whitening_that_does_not_fit_the_input_is_refused(tmp_path):
    pc = {f"{SCOPE}/pc": np.eye(4, dtype=np.float32), f"{SCOPE}/pc_r": np.bool_(True)}
    with pytest.raises(UnsupportedError) as caught:
        freeze(network(tmp_path, pc, None, 3), bake_preprocessing=True)
    assert caught.value.message == (
        f"{tmp_path}: the whitening of shape [4, 4] does not fit the input x:0 of shape [None, 3]"
    )


def test_an_input_of_integers_is_not_prepared(tmp_path):
    with pytest.raises(UnsupportedError) as caught:
        freeze(network(tmp_path, MEAN, None, 3, dtype="int32"), bake_preprocessing=True)
    assert caught.value.message == (
        f"{tmp_path}: the input x:0 is not float32; its preprocessing cannot be baked in"
    )


def test_the_baked_graph_computes_what_applying_the_statistics_does(tmp_path, run):
    rng = np.random.default_rng(0)
    pc = rng.normal(size=(3, 3)).astype(np.float32)
    more = {
        f"{SCOPE}/std": np.float32(3),
        f"{SCOPE}/std_r": np.bool_(True),
        f"{SCOPE}/pc": pc,
        f"{SCOPE}/pc_r": np.bool_(True),
    }
    source = network(tmp_path, {**MEAN, **more}, None, 3)
    x = rng.normal(size=(5, 3)).astype(np.float32)
    baked, plain = freeze(source, bake_preprocessing=True), freeze(source)
    (got,) = run(baked.with_weights(), {"x:0": x}, ["y:0"])
    (expected,) = run(plain.with_weights(), {"x:0": applied(plain.preprocessing, x)}, ["y:0"])
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(got, ((x - 2) / 3) @ pc @ np.ones((3, 2)), atol=1e-5)
    assert list(baked.weights) == ["x/preprocessing/pc"] or not baked.weights


def test_weights_beyond_two_gibibytes_do_not_go_into_one_message():
    huge = np.broadcast_to(np.float32(1), (1 << 15, 1 << 15))
    frozen = InferenceGraph(None, {"w": huge}, (), (), {}, (), ())
    with pytest.raises(UnsupportedError) as caught:
        frozen.with_weights()
    assert caught.value.message == ("the weights have 4,294,967,296 bytes, more than the 2 GiB of a GraphDef")
