"""A source and its converted model on the same inputs."""

from dataclasses import replace

import numpy as np
import pytest

from converters.assemble import Assembled
from converters.comparison import answers, compare
from converters.errors import SourceError, UnsupportedError
from converters.formats import Reference
from converters.runtime import Runtime


def answered(source, tmp_path):
    made = source.write()
    made.model.write(tmp_path / "m.onnx")
    return source, made, answers(source, made, Runtime(tmp_path / "m.onnx"))


def with_weight(dense, name, change):
    """A conversion in which one weight went wrong."""
    made = dense.written()
    weights = {**made.model.weights, name: change(made.model.weights[name].copy())}
    return dense.source(replace(made, model=Assembled(made.model.nodes, weights)))


def run_by(function):
    return Reference(function, lambda: "numpy")


def test_a_right_conversion_is_equal_in_outputs_and_every_layer_that_both_hold(dense, tmp_path):
    found = compare(*answered(dense.source(), tmp_path))
    assert [item.name for item in found.outputs] == ["y"]
    assert [item.name for item in found.layers] == ["fc_1", "fc_2"]
    assert all(item.equal for item in (*found.outputs, *found.layers))
    assert found.unseen == ("dropout_1",)
    assert [trial.batch for trial in found.trials] == [1, 3, 2, 2]
    # The comparison saw real numbers: inputs of 0..255 make hidden values of that size.
    assert found.layers[0].largest > 30


@pytest.mark.parametrize(
    ("weight", "first"), [("first", "fc_1"), ("second", "fc_2")], ids=["first layer", "second layer"]
)
def test_a_single_wrong_number_is_found_in_its_own_layer(dense, tmp_path, weight, first):
    def nudged(array):
        array[1, 1] += 1e-3
        return array

    found = compare(*answered(with_weight(dense, weight, nudged), tmp_path))
    differing = [item.name for item in found.layers if not item.equal]
    assert differing[0] == first


def test_a_value_that_the_graph_holds_under_another_name_is_compared_by_that_name(dense, tmp_path):
    made = replace(dense.written(), values={"source name": "h"})

    def reference(feeds, names):
        known = dense.reference(feeds, ["h", "y"])
        return {"source name": known["h"], "y": known["y"]}

    found = compare(
        *answered(dense.source(made, layers={"fc_1": "source name"}, reference=run_by(reference)), tmp_path)
    )
    assert [(item.name, item.value, item.equal) for item in found.layers] == [("fc_1", "h", True)]


def test_inputs_that_the_source_refuses_are_left_out_and_named(dense, tmp_path, source_error):
    def picky(feeds, names):
        if np.abs(feeds["x"]).max() > 100:
            raise source_error
        return dense.reference(feeds, names)

    found = compare(*answered(dense.source(reference=run_by(picky)), tmp_path))
    assert [trial.drawn for trial in found.trials] == [
        "uniform in 0..1",
        "normal with deviation 1",
        "whole numbers 0 to 4",
    ]
    assert found.refusals == (
        "Inputs uniform in 0..255 are left out: numpy failed on this model: no such index",
    )


def test_a_source_that_runs_on_no_input_is_an_error(dense, tmp_path, source_error):
    def broken(feeds, names):
        raise source_error

    with pytest.raises(SourceError) as caught:
        compare(*answered(dense.source(reference=run_by(broken)), tmp_path))
    assert caught.value.message == (
        "the source could not be run on any input: Inputs uniform in 0..1 are left out: "
        "numpy failed on this model: no such index"
    )


def test_a_model_that_fails_where_the_source_runs_is_an_error(dense, tmp_path):
    source, made, given = answered(dense.source(), tmp_path)
    failure = UnsupportedError("onnxruntime cannot run the converted model: no")
    with pytest.raises(UnsupportedError) as caught:
        compare(source, made, [given[0], failure, *given[2:]])
    assert caught.value is failure


def test_a_model_may_fail_where_the_source_fails_too(dense, tmp_path, source_error):
    def picky(feeds, names):
        if np.abs(feeds["x"]).max() > 100:
            raise source_error
        return dense.reference(feeds, names)

    source, made, given = answered(dense.source(reference=run_by(picky)), tmp_path)
    found = compare(source, made, [*given[:2], UnsupportedError("no"), given[3]])
    assert len(found.trials) == 3
    assert all(item.equal for item in found.outputs)
