"""A source and a model of it that is compared later."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from converters.assemble import Assembled
from converters.certificate import METADATA_KEY, FileRecord
from converters.conversion import convert
from converters.errors import SourceError, UnsupportedError
from converters.formats import Format, Request
from converters.stored_certificate import stored_certificate
from converters.trials import Pictures, TensorSpec
from converters.verification import Changes, verify

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[2] / "docs" / "certificate.schema.json").read_text(encoding="utf-8")
)


@pytest.fixture
def opened_as(monkeypatch):
    """Make `convert` and `verify` take any path as the given source; the requests are noted."""

    def install(source):
        requests = []

        @contextmanager
        def opened(path, request):
            requests.append(request)
            yield source

        known = Format("a network by hand", lambda path: True, opened)
        for module in ("conversion", "verification"):
            monkeypatch.setattr(f"converters.{module}.recognise", lambda path: known)
        return requests

    return install


def stored(path, change):
    """Change the certificate in a model."""
    model = onnx.load(path)
    (entry,) = [each for each in model.metadata_props if each.key == METADATA_KEY]
    record = json.loads(entry.value)
    entry.value = json.dumps(change(record))
    onnx.save(model, path)


def test_a_fresh_conversion_is_equal_and_its_new_certificate_fits_the_schema(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    stages = []
    found = verify("net", tmp_path / "m.onnx", progress=stages.append)
    assert found.equal
    assert [item.name for item in found.certificate.layers] == ["fc_1", "fc_2"]
    assert found.certificate.engine == "by hand"
    assert found.certificate.unseen == ("dropout_1",)
    assert found.certificate.warnings == ("saved in training mode",)
    assert stages == ["reading the model", "reading the source", "comparing with the source"]
    jsonschema.validate(found.certificate.to_dict(), SCHEMA)
    assert found.to_dict() == {
        "path": str(tmp_path / "m.onnx"), "certificate": found.certificate.to_dict()
    }  # fmt: skip


def test_a_weight_that_changed_since_is_found_in_its_layer(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    (tensor,) = [each for each in model.graph.initializer if each.name == "second"]
    array = numpy_helper.to_array(tensor).copy()
    array[0, 0] *= 1.01
    tensor.CopyFrom(numpy_helper.from_array(array, "second"))
    onnx.save(model, tmp_path / "m.onnx")
    found = verify("net", tmp_path / "m.onnx")
    assert not found.equal
    assert found.certificate.first_difference.name == "fc_2"


def test_more_trials_are_more_seeds(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    found = verify("net", tmp_path / "m.onnx", trials=6)
    assert [trial.seed for trial in found.certificate.trials] == [0, 1, 2, 3, 4, 5]


def test_the_request_of_the_conversion_is_repeated_but_trust_never_is(dense, opened_as, tmp_path):
    requests = opened_as(dense.source())
    asked = Request(
        inputs=("x",), outputs=("y",), opset=18, bake_preprocessing=True, fold=True, signature="s",
        input_shapes=("N,4",), trust=True, verify=False,
    )  # fmt: skip
    convert("net", tmp_path / "m.onnx", request=asked)
    verify("net", tmp_path / "m.onnx")
    assert requests[-1] == replace(asked, trust=False, verify=True)
    changes = Changes(("a",), ("b",), "t", ("1,4",), True)
    verify("net", tmp_path / "m.onnx", changes=changes)
    assert requests[-1] == replace(
        asked, inputs=("a",), outputs=("b",), signature="t", input_shapes=("1,4",), verify=True
    )


@pytest.mark.parametrize(
    "record",
    [
        None,
        [],
        {"request": "no", "model": 3, "layers": {"a": 1}, "outputs": [1, {"name": 2, "value": "y"}]},
        {"request": {"inputs": "x", "opset": "17", "fold": 1, "signature": []}},
    ],
)
def test_a_certificate_that_makes_no_sense_is_as_good_as_none(dense, opened_as, tmp_path, record):
    requests = opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    stored(tmp_path / "m.onnx", lambda old: record)
    found = verify("net", tmp_path / "m.onnx")
    assert requests[-1] == Request()
    assert found.equal
    assert found.certificate.engine == "an unknown engine"
    assert [item.name for item in found.certificate.layers] == ["fc_1", "fc_2"]


def test_text_that_is_no_json_is_no_certificate():
    model = onnx.ModelProto()
    model.metadata_props.add(key=METADATA_KEY, value="{")
    assert stored_certificate(model).layers == {}


def test_a_layer_is_found_through_the_certificate_under_another_name(dense, opened_as, tmp_path):
    def renamed(name):
        return "hidden" if name == "h" else name

    made = dense.written()
    for node in made.model.nodes.graph.node:
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]
    opened_as(dense.source(replace(made, values={"h": "hidden"})))
    convert("net", tmp_path / "m.onnx")
    found = verify("net", tmp_path / "m.onnx").certificate
    assert [(item.name, item.value) for item in found.layers] == [("fc_1", "hidden"), ("fc_2", "y")]
    stored(tmp_path / "m.onnx", lambda record: {**record, "layers": []})
    found = verify("net", tmp_path / "m.onnx").certificate
    assert [item.name for item in found.layers] == ["fc_2"]
    assert found.unseen == ("fc_1", "dropout_1")


def test_a_model_of_another_tool_is_matched_by_order_and_shape(dense, opened_as, tmp_path):
    made = dense.written()
    model = Assembled(made.model.nodes, made.model.weights)
    model.write(tmp_path / "m.onnx")
    whole = onnx.load(tmp_path / "m.onnx")
    whole.graph.node[0].input[0] = whole.graph.input[0].name = "input_1"
    whole.graph.node[3].output[0] = whole.graph.output[0].name = "output_1"
    onnx.save(whole, tmp_path / "m.onnx")
    opened_as(dense.source())
    found = verify("net", tmp_path / "m.onnx").certificate
    assert found.verdict == "equal"
    assert found.model["inputs"] == ["input_1"]
    assert [(item.name, item.value) for item in found.outputs] == [("y", "output_1")]


def test_tensorflows_output_numbers_may_be_missing_in_another_tools_names(dense, opened_as, tmp_path):
    dense.written().model.write(tmp_path / "m.onnx")

    def reference(feeds, names):
        known = dense.reference({"x": feeds["x:0"]}, ["h", "y"])
        return {name: known[name.removesuffix(":0")] for name in names}

    source = dense.source()
    opened_as(
        replace(
            source,
            inputs=(replace(source.inputs[0], name="x:0"),),
            outputs=(replace(source.outputs[0], name="y:0"),),
            layers={"fc_1": "h:0"},
            reference=replace(source.reference, run=reference),
        )
    )
    found = verify("net", tmp_path / "m.onnx").certificate
    assert found.verdict == "equal"
    assert [(item.name, item.value) for item in found.layers] == [("fc_1", "h")]


def test_a_model_with_other_inputs_is_told_from_a_wrong_one(dense, opened_as, tmp_path):
    convert_source = dense.source()
    opened_as(convert_source)
    convert("net", tmp_path / "m.onnx")
    picture = TensorSpec("p", np.dtype("float32"), (None, 8, 8, 1))
    opened_as(dense.source(inputs=(picture,)))
    with pytest.raises(SourceError) as caught:
        verify("net", tmp_path / "m.onnx")
    assert caught.value.message == (
        f"{tmp_path / 'm.onnx'}: is no conversion of net: it takes x (?x4 of float32); "
        "the source takes p (?x8x8x1 of float32)"
    )
    assert caught.value.hint == (
        "Name the tensors that were converted with --inputs and --outputs, or the right files."
    )


def test_a_model_with_other_outputs_or_more_inputs_is_told_too(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    opened_as(
        dense.source(outputs=(TensorSpec("y", np.dtype("int64"), None), TensorSpec("z", np.dtype("f4"), ())))
    )
    with pytest.raises(
        SourceError, match=r"it gives y \(\?x2 of float32\); the source gives y \(any shape of "
    ):
        verify("net", tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, []))
    onnx.save(model, tmp_path / "m.onnx")
    opened_as(dense.source())
    with pytest.raises(
        SourceError, match=r"it takes x \(\?x4 of float32\), more \(one number of float32\); "
    ):
        verify("net", tmp_path / "m.onnx")


def test_weights_that_old_models_list_as_inputs_are_none(dense, opened_as, tmp_path):
    made = dense.written()
    made.model.write(tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.input.append(helper.make_tensor_value_info("first", TensorProto.FLOAT, [4, 5]))
    onnx.save(model, tmp_path / "m.onnx")
    opened_as(dense.source())
    assert verify("net", tmp_path / "m.onnx").equal


def test_other_files_than_those_of_the_certificate_are_a_warning(dense, opened_as, tmp_path):
    (tmp_path / "w").write_bytes(b"one")
    opened_as(dense.source(files=(FileRecord.of(tmp_path / "w"),)))
    convert("net", tmp_path / "m.onnx")
    assert verify("net", tmp_path / "m.onnx").certificate.warnings == ("saved in training mode",)
    (tmp_path / "w").write_bytes(b"two")
    opened_as(dense.source(files=(FileRecord.of(tmp_path / "w"),)))
    assert verify("net", tmp_path / "m.onnx").certificate.warnings[-1] == (
        "The source's files are not those of which the model's certificate speaks."
    )


def test_pictures_take_the_place_of_random_inputs(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    random = np.random.default_rng(0)

    def batches(inputs):
        for names in (("a", "b"), ("c",)):
            yield Pictures(names, {inputs[0].name: random.normal(size=(len(names), 4)).astype("f4")})

    found = verify("net", tmp_path / "m.onnx", pictures=batches).certificate
    assert found.verdict == "equal"
    assert (found.pictures, found.trials) == (3, ())
    assert found.outputs[0].top1.of == 3
    assert "compared with numpy: 3 pictures; largest" in found.summary()
    jsonschema.validate(found.to_dict(), SCHEMA)


def test_no_picture_at_all_is_an_error(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    with pytest.raises(SourceError) as caught:
        verify("net", tmp_path / "m.onnx", pictures=lambda inputs: [])
    assert caught.value.message == "there is no picture to compare on"


def test_a_model_that_cannot_be_run_is_told(dense, opened_as, tmp_path):
    opened_as(dense.source())
    convert("net", tmp_path / "m.onnx")
    model = onnx.load(tmp_path / "m.onnx")
    model.graph.node[1].op_type = "Nonsense"
    onnx.save(model, tmp_path / "m.onnx")
    with pytest.raises(UnsupportedError, match=r"^onnxruntime cannot open the converted model: "):
        verify("net", tmp_path / "m.onnx")
