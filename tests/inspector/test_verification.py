"""Comparing a model with its source again, from Python."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector.conversion import convert
from inspector.errors import FileError, ImageError, OptionError, RunError, TensorError
from inspector.preprocess import Preprocess
from inspector.verification import verify

KERNEL = np.random.default_rng(0).normal(0, 0.5, (3, 3, 8, 8)).astype("f4")


def network(batch="N", side=8):
    """A classifier of coloured pictures."""
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["c"], name="conv"),
        helper.make_node("GlobalMaxPool", ["c"], ["p"], name="pool"),
        helper.make_node("Flatten", ["p"], ["f"], name="flat"),
        helper.make_node("Softmax", ["f"], ["y"], name="scores", axis=1),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, side, side])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 3])
    graph = helper.make_graph(nodes, "net", [x], [y], [numpy_helper.from_array(KERNEL, "conv.weight")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


@pytest.fixture
def pair(tmp_path):
    """A source, and its conversion, which declares how pixels become its input."""

    def make(**options):
        onnx.save(network(**options), tmp_path / "net.onnx")
        convert(
            tmp_path / "net.onnx", tmp_path / "m.onnx", force=True,
            preprocess={"channels": "bgr", "range": "0..255"},
        )  # fmt: skip
        return tmp_path / "net.onnx", tmp_path / "m.onnx"

    return make


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(1)
    for number in range(11):
        Image.fromarray(random.integers(0, 256, (9, 9, 3), np.uint8)).save(folder / f"{number:02}.png")
    return folder


def spoil(path, change):
    model = onnx.load(path)
    (weight,) = model.graph.initializer
    weight.CopyFrom(
        numpy_helper.from_array(np.ascontiguousarray(change(numpy_helper.to_array(weight))), weight.name)
    )
    onnx.save(model, path)


def test_random_inputs_are_the_default(pair):
    found = verify(*pair())
    assert found.equal
    assert [trial.seed for trial in found.certificate.trials] == [0, 1, 2, 3]
    assert [item.name for item in found.certificate.layers] == ["conv", "pool", "flat"]
    assert found.to_dict()["certificate"] == found.certificate.to_dict()
    assert found._repr_markdown_().startswith("# net.onnx: equal\n")


def test_pictures_go_through_the_declared_way_and_every_one_counts(pair, pictures):
    found = verify(*pair(), images=pictures)
    assert found.equal
    assert found.assumed is None
    assert found.certificate.pictures == 11
    assert str(found.certificate.outputs[0].top1) == "11 of 11"
    # BGR values of 0..255 were seen, not 0..1.
    assert found.certificate.layers[0].largest > 100


def test_a_fixed_batch_is_filled_up_and_counts_each_picture_once(pair, pictures):
    found = verify(*pair(batch=4), images=pictures)
    assert found.certificate.pictures == 11
    assert str(found.certificate.outputs[0].top1) == "11 of 11"


def test_a_wrong_model_has_fewer_agreements_and_names_its_layer(pair, pictures):
    source, model = pair()
    spoil(model, lambda kernel: kernel[::-1])
    found = verify(source, model, images=pictures)
    assert not found.equal
    assert found.certificate.first_difference.name == "conv"
    top1 = found.certificate.outputs[0].top1
    assert top1.agree < top1.of == 11


def test_the_way_can_be_given_whole_or_in_part(pair, pictures):
    source, model = pair()
    part = verify(source, model, images=pictures, preprocess={"range": "0..1"})
    assert part.certificate.layers[0].largest < 20
    whole = verify(source, model, images=pictures, preprocess=Preprocess("rgb", "0..255"))
    assert whole.assumed is None
    assert whole.certificate.layers[0].largest > 100


def test_what_is_assumed_of_an_undeclared_way_is_told(pair, pictures):
    source, _ = pair()
    found = verify(source, source, images=pictures)
    assert found.assumed == (
        f"{source} does not declare how pixels become its input; assumed: RGB, values 0..1, stretched to 8x8"
    )
    assert (
        verify(source, source, images=pictures, preprocess={"channels": "rgb", "range": "0..1"}).assumed
        is None
    )


def test_a_bad_picture_among_many_is_named_and_the_others_are_compared(pair, pictures):
    (pictures / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = verify(*pair(), images=pictures)
    assert found.equal
    assert [failure.source for failure in found.failures] == [str(pictures / "bad.png")]
    assert found.certificate.pictures == 11
    assert found.to_dict()["failures"][0]["source"] == str(pictures / "bad.png")


def test_a_bad_picture_alone_is_an_error(pair, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(ImageError):
        verify(*pair(), images=tmp_path / "bad.png")


def test_pictures_need_a_source_of_one_input(tmp_path, pictures):
    model = network()
    model.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 3]))
    model.graph.node.add(op_type="Add", input=["y", "z"], output=["s"], name="sum")
    model.graph.output[0].name = "s"
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises((OptionError, ImageError)):
        verify(tmp_path / "net.onnx", tmp_path / "net.onnx", images=pictures)


def test_options_are_handed_on(pair):
    source, model = pair()
    found = verify(
        source, model, trials=1, outputs=["y"], inputs=["x"], input_shapes=["N,3,8,8"], signature=""
    )
    assert found.certificate.request["outputs"] == ["y"]
    assert found.certificate.request["input_shapes"] == ["N,3,8,8"]
    assert len(found.certificate.trials) == 1


def test_no_trials_are_refused(pair):
    with pytest.raises(OptionError) as caught:
        verify(*pair(), trials=0)
    assert caught.value.message == "trials is 0; expected 1 or more"


def test_a_model_that_is_not_there_is_told_before_the_source_is_read(tmp_path):
    with pytest.raises(FileError) as caught:
        verify(tmp_path / "net", tmp_path / "m.onnx")
    assert caught.value.message == f"{tmp_path / 'm.onnx'}: no such file; expected an ONNX model"


@pytest.mark.parametrize("command", ["verify", "convert"])
def test_a_strangers_model_that_reads_other_files_is_never_run(tmp_path, command):
    model = network()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(TensorError):
        if command == "verify":
            verify(tmp_path / "net.onnx", tmp_path / "net.onnx")
        else:
            convert(tmp_path / "net.onnx", tmp_path / "m.onnx")


def test_a_model_that_takes_memory_without_measure_is_not_run_by_convert(tmp_path):
    nodes = [
        helper.make_node("ConstantOfShape", ["huge"], ["h"], name="bomb"),
        helper.make_node("ReduceSum", ["h"], ["s"], keepdims=0),
        helper.make_node("Add", ["x", "s"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N"]) for name in "xy")
    huge = numpy_helper.from_array(np.array([2**34]), "huge")
    model = helper.make_model(
        helper.make_graph(nodes, "bomb", [x], [y], [huge]), opset_imports=[helper.make_opsetid("", 17)]
    )
    onnx.save(model, tmp_path / "net.onnx")
    with pytest.raises(RunError):
        convert(tmp_path / "net.onnx", tmp_path / "m.onnx")


def test_a_model_that_is_to_be_repaired_passes_the_first_look(tmp_path):
    model = network()
    model.graph.node[1].input[0] = "nowhere"
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(Exception) as caught:
        convert(tmp_path / "net.onnx", tmp_path / "m.onnx")
    assert "nowhere" in caught.value.message


def test_labels_and_the_way_from_pixels_travel_in_the_converted_file(pair):
    _, model = pair()
    stored = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    assert json.loads(stored["inspector.preprocess"])["channels"] == "bgr"
