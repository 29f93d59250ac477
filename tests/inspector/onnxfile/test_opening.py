from __future__ import annotations

import io
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper
from PIL import Image

from inspector.errors import FileError, ModelError
from inspector.onnxfile import DataType, Value, open_onnx
from inspector.onnxfile.source import Source
from inspector.onnxfile.wire import encode_bytes, encode_number

Make = Callable[..., ModelProto]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]


def test_what_the_file_says_is_there(model: Make, write: Write) -> None:
    proto = model([helper.make_node("Conv", ["x", "w", ""], ["y"], name="c", domain="ai.onnx", group=2)])
    proto.producer_name = "somebody"
    helper.set_model_props(proto, {"a": "1", "b": "grüß"})
    entry = proto.graph.node[0].metadata_props.add()
    entry.key, entry.value = "inspector.layer", "conv_1"
    proto.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3))
    path = write(proto)
    file = open_onnx(path)
    assert (file.path, file.size, file.ir_version) == (path, path.stat().st_size, 10)
    assert file.opsets == {"": 18, "ai.onnx.ml": 3}
    assert (file.producer, file.metadata) == ("somebody", {"a": "1", "b": "grüß"})
    assert (file.functions, file.training, file.custom_domains) == ((), (), ())
    (node,) = file.graph.nodes
    assert (node.name, node.op_type, node.domain) == ("c", "Conv", "")
    assert (node.inputs, node.outputs) == (("x", "w", ""), ("y",))
    assert (dict(node.attributes), node.metadata) == ({"group": 2}, {"inspector.layer": "conv_1"})
    assert file.graph.producers == {"y": node}
    assert file.graph.consumers == {"x": (node,), "w": (node,)}


def test_values_have_the_types_and_shapes_that_are_declared(model: Make, write: Write) -> None:
    proto = model()
    declare = helper.make_tensor_value_info
    proto.graph.value_info.extend(
        [
            declare("sizes", TensorProto.FLOAT16, [2, "N", None]),
            declare("negative", TensorProto.INT8, [-1]),
            declare("rankless", TensorProto.INT64, None),
            declare("scalar", TensorProto.BOOL, []),
            helper.make_sparse_tensor_value_info("sparse", TensorProto.FLOAT, [3]),
            helper.make_tensor_sequence_value_info("sequence", TensorProto.FLOAT, [3]),
            helper.make_tensor_value_info("untyped", 0, [3]),
        ]
    )
    proto.graph.value_info[0].type.tensor_type.shape.dim[1].denotation = "DATA_BATCH"
    graph = open_onnx(write(proto)).graph
    assert graph.inputs == (Value("x", DataType.FLOAT, (1, 4)),)
    assert dict(graph.values) == {
        "x": Value("x", DataType.FLOAT, (1, 4)),
        "y": Value("y", DataType.FLOAT, (1, 4)),
        "sizes": Value("sizes", DataType.FLOAT16, (2, "N", None)),
        "negative": Value("negative", DataType.INT8, (None,)),
        "rankless": Value("rankless", DataType.INT64, None),
        "scalar": Value("scalar", DataType.BOOL, ()),
        "sparse": Value("sparse", DataType.FLOAT, (3,)),
        "sequence": Value("sequence"),
        "untyped": Value("untyped", None, (3,)),
    }
    assert len(graph.values) == 9
    assert "absent" not in graph.values


def test_opening_imports_neither_onnx_nor_protobuf(model: Make, write: Write) -> None:
    import subprocess

    write(model())
    code = (
        "import sys; from inspector.onnxfile import open_onnx; open_onnx('m.onnx')\n"
        "print({name.split('.')[0] for name in sys.modules} & {'onnx', 'google', 'onnxruntime', 'PIL'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_graph_in_two_pieces_is_joined(model: Make, write: Write) -> None:
    relu = helper.make_node("Relu", ["y"], ["z"]).SerializeToString()
    path = write(model().SerializeToString() + encode_bytes(7, encode_bytes(1, relu)))
    assert [node.outputs for node in open_onnx(path).graph.nodes] == [("y",), ("z",)]


def test_a_file_that_cannot_be_mapped_is_read(
    model: Make, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no mapping here")

    path = write(model(None, [numpy_helper.from_array(np.arange(3.0), "t")]))
    with monkeypatch.context() as patch:
        patch.setattr("mmap.mmap", refuse)
        file = open_onnx(path)
    assert file.graph.initializers["t"].numpy().tolist() == [0, 1, 2]
    file.close()


def test_a_file_that_vanishes_before_it_is_mapped_is_refused(refusal: Refusal) -> None:
    message = refusal(lambda: Source.open(Path("absent.onnx")))
    assert message == "absent.onnx: cannot be read: No such file or directory"


def test_a_closed_file_can_be_replaced(model: Make, write: Write) -> None:
    file = open_onnx(write(model()))
    file.close()
    write(model([helper.make_node("Abs", ["x"], ["y"])]))
    assert open_onnx("m.onnx").graph.nodes[0].op_type == "Abs"


def test_a_file_of_which_an_array_is_shown_cannot_be_closed(model: Make, write: Write) -> None:
    file = open_onnx(write(model(None, [numpy_helper.from_array(np.arange(3.0), "t")])))
    array = file.graph.initializers["t"].numpy()
    with pytest.raises(FileError) as caught:
        file.close()
    assert caught.value.message == "m.onnx: is still in use: an array shows a part of it"
    assert array.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "m.onnx: is empty; expected an ONNX model"),
        (b"<!DOCTYPE html><html>", "m.onnx: is an HTML page; expected an ONNX model"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid",
            "m.onnx: is a Git LFS pointer, not the file itself",
        ),
    ],
)
def test_a_file_that_is_no_model_file_is_refused(
    content: bytes, message: str, write: Write, refusal: Refusal
) -> None:
    path = write(content)
    assert refusal(lambda: open_onnx(path)) == message


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "{}")
    return buffer.getvalue()


def picture(form: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, form)
    return buffer.getvalue()


def array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


# NodeDef: name and op; VersionDef: producer.
GRAPH_DEF = encode_bytes(1, encode_bytes(1, b"input") + encode_bytes(2, b"Placeholder"))
META_GRAPH = encode_bytes(1, encode_bytes(1, b"v1") + encode_bytes(5, b"2.21")) + encode_bytes(2, GRAPH_DEF)
EXPORT = "Export it to ONNX with the framework that made it."
CONVERT = "inspector convert m.onnx -o CONVERTED.onnx"

OTHERS = {
    "a Keras archive": (zipped("config.json", "model.weights.h5"), EXPORT),
    "a PyTorch archive": (zipped("archive/data.pkl"), EXPORT),
    "an archive of NumPy arrays": (zipped("x.npy"), ""),
    "a zip archive": (zipped("a.txt"), ""),
    "an HDF5 file, as Keras writes them": (b"\x89HDF\r\n\x1a\n" + bytes(90), EXPORT),
    "a TensorFlow Lite model": (b"\x1c\0\0\0TFL3" + bytes(40), EXPORT),
    "a model in ONNX Runtime's own format": (b"\x28\0\0\0ORTM" + bytes(40), EXPORT),
    "a safetensors file, which holds weights but no network": (
        (58).to_bytes(8, "little") + b'{"w":{"dtype":"F32"}}',
        EXPORT,
    ),
    "a Python pickle, as older PyTorch writes them": (pickle.dumps({"w": 1}, protocol=2), EXPORT),
    "a TensorFlow graph": (GRAPH_DEF, CONVERT),
    "a TensorFlow SavedModel": (encode_number(1, 1) + encode_bytes(2, META_GRAPH), EXPORT),
    "the index of a TensorFlow checkpoint": (
        b"\0\0\x04" + bytes(60) + bytes.fromhex("57fb808b247547db"),
        CONVERT,
    ),
    "a PNG picture": (picture("PNG"), ""),
    "a JPEG picture": (picture("JPEG"), ""),
    "a GIF picture": (picture("GIF"), ""),
    "a NumPy array": (array(), ""),
    "a GGUF model": (b"GGUF\x03\0\0\0" + bytes(30), EXPORT),
    "an XML file": (b"<?xml version='1.0'?><net/>", EXPORT),
    "a PDF document": (b"%PDF-1.7 and so on", ""),
    "a gzip archive": (b"\x1f\x8b\x08" + bytes(30), ""),
    "a tar archive": (b"w.npy".ljust(257, b"\0") + b"ustar\0" + bytes(200), ""),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_another_format_under_this_name_is_called_by_its_name(kind: str, write: Write) -> None:
    content, hint = OTHERS[kind]
    path = write(content)
    with pytest.raises(ModelError) as caught:
        open_onnx(path)
    assert caught.value.message == f"m.onnx: is {kind}, not an ONNX model"
    assert caught.value.hint == hint


def test_a_meta_graph_and_newer_pickles_are_told_too(write: Write, refusal: Refusal) -> None:
    path = write(META_GRAPH)
    assert refusal(lambda: open_onnx(path)) == "m.onnx: is a TensorFlow graph, not an ONNX model"
    for protocol in range(2, 6):
        for thing in ({"w": [1.5]}, [1, 2], ("a", "b")):
            path = write(pickle.dumps(thing, protocol=protocol))
            shown = "m.onnx: is a Python pickle, as older PyTorch writes them, not an ONNX model"
            assert refusal(lambda path=path: open_onnx(path)) == shown


@pytest.mark.parametrize(
    "content",
    [
        b"hello, world",
        b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\n\x05\x0a",
        b"\x80\x02zz",
        bytes(64),
    ],
)
def test_bytes_of_no_known_format_are_refused(content: bytes, write: Write, refusal: Refusal) -> None:
    path = write(content)
    expected = "m.onnx: is not an ONNX model, nor any other format that is known here"
    assert refusal(lambda: open_onnx(path)) == expected


def test_random_bytes_are_refused(write: Write, rng: np.random.Generator) -> None:
    for size in (1, 10, 100, 10_000):
        for _ in range(100):
            path = write(rng.bytes(size))
            with pytest.raises((ModelError, FileError)):
                open_onnx(path)


def test_bytes_that_start_like_a_model_and_go_wrong_are_damaged(write: Write, refusal: Refusal) -> None:
    path = write(b"\x08\x07\x07\x07")
    expected = "m.onnx: is damaged: nothing after byte 2 can be read as a model"
    assert refusal(lambda: open_onnx(path)) == expected
    path = write(b"\x08\x07" + encode_bytes(900, b"x"))
    assert refusal(lambda: open_onnx(path)) == expected


def test_a_truncated_file_says_how_much_is_missing(model: Make, write: Write, refusal: Refusal) -> None:
    proto = model(None, [numpy_helper.from_array(np.zeros(500), "t")])
    proto.ClearField("opset_import")
    whole = proto.SerializeToString()
    path = write(whole[:-1234])
    assert refusal(lambda: open_onnx(path)) == "m.onnx: is truncated: 1,234 bytes of its graph are missing"
    path = write(whole[:3])
    assert refusal(lambda: open_onnx(path)) == "m.onnx: is truncated: it ends before its graph"


def test_a_file_cut_anywhere_is_refused(model: Make, write: Write) -> None:
    proto = model([helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1])])
    proto.graph.initializer.append(numpy_helper.from_array(np.ones((2, 2)), "w"))
    helper.set_model_props(proto, {"key": "value"})
    whole = proto.SerializeToString()
    # Without its last field, the metadata, the file is a model again.
    complete = len(whole) - len(encode_bytes(14, encode_bytes(1, b"key") + encode_bytes(2, b"value")))
    for end in range(len(whole)):
        path = write(whole[:end])
        if end == complete:
            open_onnx(path)
        else:
            with pytest.raises((ModelError, FileError)):
                open_onnx(path)


@pytest.mark.parametrize("garbage", [b"\0" * 512, b"garbage", b"\xff" * 9, encode_bytes(1, b"as field 1")])
def test_what_follows_the_model_is_refused(
    garbage: bytes, model: Make, write: Write, refusal: Refusal
) -> None:
    path = write(model().SerializeToString() + garbage)
    expected = f"m.onnx: has {len(garbage)} bytes after its end that are no part of the model"
    assert refusal(lambda: open_onnx(path)) == expected


def test_a_field_that_a_later_onnx_may_add_is_passed_over(model: Make, write: Write) -> None:
    path = write(model().SerializeToString() + encode_bytes(27, b"news") + encode_number(28, 1))
    assert len(open_onnx(path).graph.nodes) == 1


def test_damage_within_the_graph_is_told_with_its_place(model: Make, write: Write, refusal: Refusal) -> None:
    content = bytearray(model().SerializeToString())
    place = content.index(b"act") - 2
    content[place : place + 2] = b"\x1b\x01"
    path = write(bytes(content))
    expected = f"m.onnx: is damaged: no field of ONNX has wire type 3 at byte {place}"
    assert refusal(lambda: open_onnx(path)) == expected


def test_any_single_changed_byte_gives_a_model_or_a_named_error(
    model: Make, write: Write, rng: np.random.Generator
) -> None:
    branch = helper.make_graph(
        [helper.make_node("Abs", ["x"], ["b"])],
        "branch",
        [],
        [helper.make_tensor_value_info("b", TensorProto.FLOAT, [1, 4])],
    )
    proto = model(
        [
            helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch),
            helper.make_node("Conv", ["z", "w"], ["y"], pads=[1, 1], value=1.5, text="a", many=[0.5]),
        ],
        [numpy_helper.from_array(np.ones((2, 2), np.float32), "w"), helper.make_tensor("c", 9, (), [True])],
    )
    whole = proto.SerializeToString()
    for place in range(len(whole)):
        for value in (0, 0xFF, int(rng.integers(256))):
            path = write(whole[:place] + bytes([value]) + whole[place + 1 :])
            try:
                file = open_onnx(path)
                [dict(node.attributes) for node in file.graph.nodes]
                dict(file.graph.values)
                for tensor in file.graph.initializers.values():
                    tensor.numpy()
                file.skeleton()
            except Exception as error:
                if type(error).__module__ not in ("inspector.errors", "converters.errors"):
                    raise


def test_one_missing_byte_is_one_byte(model: Make, write: Write, refusal: Refusal) -> None:
    proto = model(None, [numpy_helper.from_array(np.zeros(500), "t")])
    proto.ClearField("opset_import")
    path = write(proto.SerializeToString()[:-1])
    assert refusal(lambda: open_onnx(path)) == "m.onnx: is truncated: 1 byte of its graph is missing"
