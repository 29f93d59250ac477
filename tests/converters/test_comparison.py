"""A source and its converted model on the same inputs."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.assemble import Assembled
from converters.comparison import answers, compare
from converters.difference import Agreement
from converters.errors import SourceError, UnsupportedError
from converters.formats import Reference, Written
from converters.runtime import Runtime
from converters.trials import Pictures, TensorSpec


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


def test_an_output_in_another_shape_differs_although_its_numbers_are_the_same(dense, tmp_path):
    def reshaped(feeds, names):
        known = dense.reference(feeds, names)
        return {name: array[:, None] if name == "y" else array for name, array in known.items()}

    found = compare(*answered(dense.source(reference=run_by(reshaped), layers={}), tmp_path))
    assert [item.max_abs for item in found.outputs] == [np.inf]


def test_a_layer_has_to_lie_in_one_layout_in_every_trial(dense, tmp_path):
    def turning(feeds, names):
        known = dense.reference(feeds, ["h", "y"])
        cube = known["h"][:, :1, None, None] * np.arange(8).reshape(2, 2, 2)
        # Batches of two are turned, others are not: no layout fits all.
        known["cube"] = np.moveaxis(cube, -1, 1) if len(cube) == 2 else cube
        return {name: known[name] for name in names}

    made = dense.written()
    graph = made.model.nodes.graph
    for name, array in (("first channel", np.array([0])), ("shape", np.array([-1, 1, 1, 1]))):
        graph.initializer.append(numpy_helper.from_array(array, name))
    graph.node.add(op_type="Gather", input=["h", "first channel"], output=["part"], name="g").attribute.add(
        name="axis", type=2, i=1
    )
    graph.node.add(op_type="Reshape", input=["part", "shape"], output=["tall"], name="r")
    graph.node.add(op_type="Mul", input=["tall", "counted"], output=["cube"], name="c")
    weights = {**made.model.weights, "counted": np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)}
    made = replace(made, model=Assembled(made.model.nodes, weights))
    source = dense.source(made, layers={"cube": "cube"}, reference=run_by(turning))
    (found,) = compare(*answered(source, tmp_path)).layers
    assert not found.equal


def quantised(dense, change=lambda graph: None):
    """A source that rounds its hidden layer to steps of 1/4, and its conversion."""

    def reference(feeds, names):
        hidden = np.clip(np.rint(feeds["x"] @ dense.first * 4) + 3, 0, 255).astype(np.uint8)
        logits = (hidden.astype("f4") - 3) / 4 @ dense.second
        scores = np.clip(np.rint(logits * 2) + 128, 0, 255).astype(np.uint8)
        values = {"h": hidden, "y": scores}
        return {name: values[name] for name in names}

    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["m"], name="fc_1/MatMul"),
        helper.make_node("QuantizeLinear", ["m", "quarter", "three"], ["h"], name="fc_1/Quantize"),
        helper.make_node("DequantizeLinear", ["h", "quarter", "three"], ["d"], name="fc_2/Dequantize"),
        helper.make_node("MatMul", ["d", "second"], ["l"], name="fc_2/MatMul"),
        helper.make_node("QuantizeLinear", ["l", "half", "middle"], ["y"], name="fc_2/Quantize"),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])
    y = helper.make_tensor_value_info("y", TensorProto.UINT8, ["N", 2])
    graph = helper.make_graph(nodes, "quantised", [x], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    weights = {
        "first": dense.first,
        "second": dense.second,
        "quarter": np.float32(0.25),
        "three": np.uint8(3),
        "half": np.float32(0.5),
        "middle": np.uint8(128),
    }
    change(weights)
    arrays = {name: np.asarray(array) for name, array in weights.items()}
    return dense.source(
        Written(Assembled(model, arrays), "by hand"),
        layers={"fc_1": "h", "fc_2": "y"},
        outputs=(TensorSpec("y", np.dtype("uint8"), (None, 2)),),
        reference=run_by(reference),
        steps={"h": 0.25, "y": 0.5},
    )


def test_a_quantised_source_is_compared_step_by_step(dense, tmp_path):
    found = compare(*answered(quantised(dense), tmp_path))
    assert [(item.name, item.step, item.noise, item.equal) for item in found.layers] == [
        ("fc_1", 0.25, 0.0, True),
        ("fc_2", 0.5, 0.0, True),
    ]
    assert found.outputs[0].equal
    assert found.outputs[0].top1.of == 8


def test_each_quantised_layer_is_given_the_sources_own_inputs(dense, tmp_path):
    def shift(weights):
        weights["first"] = weights["first"] + np.float32(0.5)

    found = compare(*answered(quantised(dense, shift), tmp_path))
    # The first layer is far off; the second is not, although it comes behind it.
    assert [item.equal for item in found.layers] == [False, True]
    assert not found.outputs[0].equal


@pytest.mark.parametrize(
    ("name", "value", "layer"),
    [
        ("quarter", np.float32(0.2), "fc_1"),
        ("three", np.uint8(7), "fc_1"),
        ("half", np.float32(0.4), "fc_2"),
        ("middle", np.uint8(120), "fc_2"),
    ],
)
def test_a_wrong_scale_or_zero_point_is_found_in_its_layer(dense, tmp_path, name, value, layer):
    found = compare(*answered(quantised(dense, lambda weights: weights.update({name: value})), tmp_path))
    assert next(item.name for item in found.layers if not item.equal) == layer


def test_a_quantised_value_that_the_model_holds_as_another_type_is_not_given_to_it(dense, tmp_path):
    source = quantised(dense)
    made = replace(source.write(), values={"h": "d"})
    found = compare(*answered(replace(source, write=lambda: made), tmp_path))
    assert not found.layers[0].equal


def test_a_hint_says_that_free_axes_can_be_given_sizes(dense, tmp_path, source_error):
    def broken(feeds, names):
        raise source_error

    source = dense.source(
        reference=run_by(broken), inputs=(TensorSpec("x", np.dtype("float32"), (None, None)),)
    )
    made = source.write()
    with pytest.raises(SourceError) as caught:
        compare(source, made, [{}] * 4)
    assert caught.value.hint == "Give its inputs sizes that it takes with --input-shape."


def test_pictures_are_compared_and_a_filled_up_batch_counts_each_once(dense, tmp_path):
    source, made, _ = answered(dense.source(), tmp_path)
    arrays = np.random.default_rng(4).normal(size=(3, 4)).astype("f4")
    pictures = Pictures(("a.png", "b.png"), {"x": arrays})
    runtime = Runtime(tmp_path / "m.onnx")
    first = compare(source, made, answers(source, made, runtime, [pictures]), [pictures])
    second = compare(source, made, answers(source, made, runtime, [pictures]), [pictures], layers=False)
    together = first.and_then(second)
    assert together.outputs[0].top1 == Agreement(4, 4)
    assert [item.name for item in together.layers] == ["fc_1", "fc_2"]
    assert together.unseen == ("dropout_1",)
    assert len(together.trials) == 2
