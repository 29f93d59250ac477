"""Reading files, sound and broken."""

import struct

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from lite_files import Part, Step, lite, stored

from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.tflite import schema as own
from converters.tflite.reader import read_model, recognise

SHAPE = (2, 3)
RELU = Step("RELU", [0], [1])


def relu(**options):
    return lite([Part(SHAPE), Part(SHAPE)], [RELU], **options)


def message_of(tmp_path, content, signature="") -> str:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(InspectorError) as caught:
        read_model(path, signature)
    return caught.value.message.removeprefix(f"{path}: ")


def names_of(kind) -> dict[int, str]:
    return {number: name for name, number in vars(kind).items() if isinstance(number, int)}


def test_operators_and_types_have_the_numbers_of_the_published_schema():
    assert dict(enumerate(own.OPERATORS)) == names_of(schema.BuiltinOperator)
    published = {n: name.lower() for n, name in names_of(schema.TensorType).items()}
    assert {n: name.lower() for n, name in enumerate(own.TYPES)} == published
    assert dict(enumerate(own.ACTIVATIONS)) == names_of(schema.ActivationFunctionType)
    assert dict(enumerate(own.PADDINGS)) == names_of(schema.Padding)
    assert dict(enumerate(own.MIRROR_MODES)) == names_of(schema.MirrorPadMode)


def test_tensors_are_read_as_they_were_written(tmp_path):
    path = tmp_path / "m.tflite"
    weights = np.arange(6, dtype=np.float32).reshape(SHAPE)
    quantised = stored(np.arange(6, dtype=np.int8).reshape(SHAPE), scale=[0.5, 0.25], zero=[1, 2])
    parts = [Part((1, 3), signature=(-1, 3)), stored(weights), quantised, Part(SHAPE), Part(SHAPE)]
    steps = [Step("ADD", [0, 1], [3], {}, "AddOptions"), Step("MUL", [3, 2], [4], {}, "MulOptions")]
    path.write_bytes(lite(parts, steps, names=["x", "w", "q", "same", "same"]))
    model = read_model(path)
    assert (model.inputs, model.outputs) == (("x",), ("same_1",))
    assert model.tensors["x"].signature == (None, 3)
    assert np.array_equal(model.tensors["w"].data, weights)
    assert not model.tensors["w"].data.flags.owndata
    expected = (np.arange(6).reshape(SHAPE) - [[1], [2]]) * [[0.5], [0.25]]
    assert np.array_equal(model.tensors["q"].real(), expected)
    assert [operation.op for operation in model.operations] == ["ADD", "MUL"]
    assert model.producers["same"].inputs == ("x", "w")


def test_only_tensorflow_lite_files_are_recognised(tmp_path):
    path = tmp_path / "m"
    path.write_bytes(relu())
    assert recognise(path)
    path.write_bytes(b"\0\0\0\0TFL2")
    assert not recognise(path)
    assert not recognise(tmp_path / "absent")
    assert not recognise(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            lite([Part(SHAPE)] * 2, [Step("CUSTOM", [0], [1], custom="TFLite_Detection_PostProcess")]),
            "cannot be converted, for it has a custom operator: TFLite_Detection_PostProcess",
        ),
        (
            lite([Part(SHAPE)] * 2, [Step("CUSTOM", [0], [1])]),
            "cannot be converted, for it has a custom operator: without a name",
        ),
        (
            lite([Part(SHAPE)] * 2, [Step("WHILE", [0], [1]), Step("IF", [0], [1])]),
            "cannot be converted, for it has control flow: WHILE; control flow: IF",
        ),
        (
            lite([Part(SHAPE)] * 2, [Step(4000, [0], [1])]),
            "cannot be converted, for it has an operator that this version does not know: operator 4000",
        ),
        (
            relu(signatures={"encode": 0, "decode": 1}, graphs=2),
            "has several signatures: encode, decode; expected one that is meant",
        ),
        (relu(signatures={"serving_default": 7}), "its signature 'serving_default' is for graph 7 of 1"),
        (relu(graphs=0), "is a TensorFlow Lite model without a graph"),
        (lite([Part((-2, 3)), Part(SHAPE)], [RELU]), "its tensor 't0' has the shape [-2, 3]"),
        (
            lite([Part((2000000000,) * 3), Part(SHAPE)], [RELU]),
            "its tensor 't0' has the shape [2000000000, 2000000000, 2000000000]",
        ),
        (
            lite([Part(SHAPE, raw=b"abc"), Part(SHAPE)], [RELU]),
            "its tensor 't0' of shape [2, 3] has 3 bytes; expected 24",
        ),
        (
            lite([Part(SHAPE, "int8", scale=[1, 2, 3]), Part(SHAPE)], [RELU]),
            "its tensor 't0' of shape [2, 3] has 3 scales for axis 0; expected one for the tensor or for each"
            " place of the axis, all positive",
        ),
        (
            lite([Part(SHAPE, "int8", scale=[-1]), Part(SHAPE)], [RELU]),
            "its tensor 't0' of shape [2, 3] has 1 scales for axis 0; expected one for the tensor or for each"
            " place of the axis, all positive",
        ),
        (lite([Part(SHAPE)] * 2, [Step("RELU", [9], [1])]), "refers to tensor 9 of 2"),
        (lite([Part(SHAPE)] * 2, [Step("RELU", [0], [-1])]), "refers to tensor -1 of 2"),
        (
            lite([Part(SHAPE)] * 3, [Step("RELU", [2], [1])], outputs=(1,)),
            "its RELU reads the tensor 't2', which nothing makes before",
        ),
        (lite([Part(SHAPE)] * 3, [RELU]), "is not a whole graph: nothing makes its output 't2'"),
        (
            lite([Part(SHAPE)] * 2, [RELU], outputs=(1, 1)),
            "is not a whole graph: it has no outputs, or one twice",
        ),
    ],
)
def test_a_file_that_is_no_sound_graph_is_refused_with_one_sentence(tmp_path, content, message):
    assert message_of(tmp_path, content) == message


def test_an_unknown_signature_is_named_beside_those_that_are_there(tmp_path):
    given = relu(signatures={"classify": 0})
    assert message_of(tmp_path, given, "other") == "has no signature 'other'; it has classify"
    assert message_of(tmp_path, relu(), "other") == "has no signature 'other'; it has none"
    (tmp_path / "m.tflite").write_bytes(given)
    assert read_model(tmp_path / "m.tflite").signature == "classify"


def test_offsets_beyond_the_file_are_refused(tmp_path):
    content = bytearray(relu())
    size = f"{len(content):,}"
    content[:4] = struct.pack("<I", 1 << 30)
    assert message_of(tmp_path, bytes(content)) == (
        f"is not a sound FlatBuffer of {size} bytes: it has an offset to byte 1,073,741,824"
    )
    truncated = relu()[:40]
    assert message_of(tmp_path, truncated).startswith("is not a sound FlatBuffer of 40 bytes: it has ")


def test_a_list_longer_than_the_file_is_refused(tmp_path):
    # A root table whose list of graphs claims to have more elements than there are bytes.
    vtable = struct.pack("<HHHHH", 10, 8, 0, 0, 4)
    content = struct.pack("<I4s", 20, b"TFL3") + vtable + b"\0\0" + struct.pack("<iI", 12, 4)
    content += struct.pack("<I", 0x7FFFFFFF)
    told = "it has a list of 2,147,483,647 elements at byte 28"
    told = f"is not a sound FlatBuffer of {len(content)} bytes: {told}"
    assert message_of(tmp_path, content) == told


def test_sparse_weights_are_refused(tmp_path):
    model = schema.ModelT.InitFromObj(
        schema.Model.GetRootAsModel(lite([Part(SHAPE), stored(np.ones(SHAPE, "f4")), Part(SHAPE)], [RELU]), 0)
    )
    model.subgraphs[0].tensors[1].sparsity = schema.SparsityParametersT()
    import flatbuffers

    builder = flatbuffers.Builder(0)
    builder.Finish(model.Pack(builder), b"TFL3")
    assert message_of(tmp_path, bytes(builder.Output())) == (
        "its tensor 't1' is stored without its zeros; expected all numbers"
    )


def test_whatever_bytes_are_broken_the_answer_is_a_sentence(lite_zoo, tmp_path):
    """Single bytes and words set at random, in files of several kinds."""
    from converters.formats import Request
    from converters.tflite.format import TFLITE
    from converters.tflite.weights import read_weights

    rng = np.random.default_rng(11)
    path = tmp_path / "m.tflite"
    refused = 0
    for name in ("quantised", "residual", "recurrent", "float16"):
        whole = (lite_zoo / f"{name}.tflite").read_bytes()
        for _ in range(60):
            content = bytearray(whole)
            place = int(rng.integers(8, len(content) - 4))
            if rng.random() < 0.5:
                content[place] = int(rng.integers(256))
            else:
                word = rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF])
                content[place & ~3 : (place & ~3) + 4] = struct.pack("<I", int(word))
            path.write_bytes(content)
            try:
                with TFLITE.open(path, Request(verify=False)) as source:
                    source.write()
                for layer in read_weights(path).layers:
                    assert all(variable.read().shape == variable.shape for variable in layer.variables)
            except (SourceError, UnsupportedError):
                refused += 1
    assert refused > 10
