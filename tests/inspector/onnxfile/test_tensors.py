from __future__ import annotations

import mmap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.onnxfile import DataType, OnnxFile, SparseTensor, Tensor, open_onnx
from inspector.onnxfile.wire import encode_bytes, encode_number

Make = Callable[..., ModelProto]
Write = Callable[..., Path]
Refusal = Callable[[Callable[[], object]], str]

WORDS = [
    "FLOAT",
    "DOUBLE",
    "FLOAT16",
    "INT8",
    "UINT8",
    "INT16",
    "UINT16",
    "INT32",
    "UINT32",
    "INT64",
    "UINT64",
]


def sample(name: str, rng: np.random.Generator) -> np.ndarray:
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name)))
    if dtype.kind == "f":
        return rng.standard_normal((2, 3)).astype(dtype)
    limits = np.iinfo(dtype)
    return np.array([[0, 1, limits.max], [limits.min, limits.max - 1, 127]], dtype)


def raw(proto: TensorProto) -> TensorProto:
    return numpy_helper.from_array(numpy_helper.to_array(proto), proto.name)


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("as_raw", [True, False])
def test_numbers_come_back_as_they_were_stored(
    name: str, as_raw: bool, rng: np.random.Generator, model: Make, write: Write
) -> None:
    expected = sample(name, rng)
    proto = helper.make_tensor("t", getattr(TensorProto, name), (2, 3), expected.reshape(-1))
    tensor = open_onnx(write(model(None, [raw(proto) if as_raw else proto]))).graph.initializers["t"]
    found = tensor.numpy()
    assert (tensor.name, tensor.dtype.name, tensor.shape, tensor.external) == ("t", name, (2, 3), False)
    assert tensor.nbytes == expected.nbytes
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("name", ["BOOL", "COMPLEX64", "COMPLEX128"])
@pytest.mark.parametrize("as_raw", [True, False])
def test_flags_and_complex_numbers_come_back(name: str, as_raw: bool, model: Make, write: Write) -> None:
    values = [True, False, True] if name == "BOOL" else [1 + 2j, -3j, 0.5]
    proto = helper.make_tensor("t", getattr(TensorProto, name), (3,), values)
    found = open_onnx(write(model(None, [raw(proto) if as_raw else proto]))).graph.initializers["t"].numpy()
    np.testing.assert_array_equal(found, np.array(values, found.dtype))
    assert found.dtype == helper.tensor_dtype_to_np_dtype(getattr(TensorProto, name))


@pytest.mark.parametrize("as_raw", [True, False])
@pytest.mark.parametrize("name", ["BFLOAT16", "FLOAT8E4M3FN", "FLOAT8E5M2", "FLOAT4E2M1", "FLOAT6E3M2"])
def test_small_floats_become_float32(name: str, as_raw: bool, model: Make, write: Write) -> None:
    dtype = getattr(TensorProto, name)
    values = np.array([0, 0.5, 1, -1.5, 2], np.float32)
    proto = numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(dtype)), "t")
    if not as_raw:
        codes = values.astype(helper.tensor_dtype_to_np_dtype(dtype)).view(
            np.uint16 if name == "BFLOAT16" else np.uint8
        )
        if name == "FLOAT4E2M1":
            codes = np.append(codes, 0).astype(np.uint8).reshape(-1, 2) @ np.array([1, 16], np.uint8)
        proto.ClearField("raw_data")
        proto.int32_data.extend(codes.tolist())
    found = open_onnx(write(model(None, [proto]))).graph.initializers["t"].numpy()
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("as_raw", [True, False])
@pytest.mark.parametrize(("name", "kind"), [("INT4", "i1"), ("UINT4", "u1"), ("INT2", "i1"), ("UINT2", "u1")])
def test_packed_integers_become_bytes(name: str, kind: str, as_raw: bool, model: Make, write: Write) -> None:
    values = [1, 0, 1, 1, -2 if name.startswith("INT") else 3]
    proto = helper.make_tensor("t", getattr(TensorProto, name), (5,), values)
    proto = raw(proto) if as_raw else proto
    found = open_onnx(write(model(None, [proto]))).graph.initializers["t"].numpy()
    assert found.dtype == np.dtype(kind)
    assert found.tolist() == values


def test_strings_become_objects(model: Make, write: Write) -> None:
    proto = helper.make_tensor("t", TensorProto.STRING, (2, 1), [b"gr\xc3\xbc\xc3\x9f", b""])
    tensor = open_onnx(write(model(None, [proto]))).graph.initializers["t"]
    assert tensor.numpy().tolist() == [["grüß"], [""]]
    assert (tensor.dtype.numpy, tensor.nbytes) == (np.dtype(object), 6)


def test_numbers_written_one_by_one_are_read_like_packed_ones(model: Make, write: Write) -> None:
    proto = model(None, [helper.make_tensor("f", TensorProto.FLOAT, (2,), [1.5, -2])])
    one_by_one = b"".join(encode_number(7, value) for value in (3, -4, 5))
    message = encode_number(1, 3) + encode_number(2, 7) + encode_bytes(8, b"i") + one_by_one
    floats = encode_bytes(1, b"\x02") + encode_number(2, 1) + encode_bytes(8, b"g")
    floats += b"\x25\0\0\x80\x3f" + encode_bytes(4, np.float32(2).tobytes())
    graph = encode_bytes(7, encode_bytes(5, message) + encode_bytes(5, floats))
    tensors = open_onnx(write(proto.SerializeToString() + graph)).graph.initializers
    assert {name: tensor.numpy().tolist() for name, tensor in tensors.items()} == {
        "f": [1.5, -2],
        "i": [3, -4, 5],
        "g": [1, 2],
    }


def test_many_packed_varints_are_decoded_in_pieces(
    model: Make, write: Write, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inspector.onnxfile.typed._CHUNK", 64)
    expected = rng.integers(-(2**62), 2**62, 500) >> rng.integers(0, 62, 500)
    proto = helper.make_tensor("t", TensorProto.INT64, (500,), expected)
    found = open_onnx(write(model(None, [proto]))).graph.initializers["t"].numpy()
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2)])
@pytest.mark.parametrize("as_raw", [True, False])
def test_scalars_and_empty_tensors_keep_their_shape(
    shape: tuple[int, ...], as_raw: bool, model: Make, write: Write
) -> None:
    expected = np.full(shape, 2.5, np.float32)
    proto = helper.make_tensor("t", TensorProto.FLOAT, shape, expected.reshape(-1))
    found = open_onnx(write(model(None, [raw(proto) if as_raw else proto]))).graph.initializers["t"].numpy()
    assert found.shape == shape
    np.testing.assert_array_equal(found, expected)


def test_raw_values_are_a_read_only_view_of_the_mapped_file(model: Make, write: Write) -> None:
    proto = numpy_helper.from_array(np.arange(6, dtype=np.float32), "t")
    file = open_onnx(write(model(None, [proto])))
    found = file.graph.initializers["t"].numpy()
    base = found
    while isinstance(base, np.ndarray) and base.base is not None:
        base = base.base
    holder = base.obj if isinstance(base, memoryview) else base
    assert isinstance(holder, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
    with pytest.raises(ValueError, match="read-only"):
        file.graph.initializers["t"].numpy().reshape(2, 3)[0] = 1


def test_sparse_constants_are_filled_with_zeros(model: Make, write: Write) -> None:
    proto = model()
    for name, indices in (("flat", [1, 5]), ("axes", [[0, 1], [1, 2]])):
        array = np.array(indices, np.int64)
        values = numpy_helper.from_array(np.array([7, -8], np.float32), name)
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(array), [2, 3])
        proto.graph.sparse_initializer.append(sparse)
    found = open_onnx(write(proto)).graph.sparse_initializers
    for tensor in found.values():
        assert (tensor.dtype, tensor.shape, tensor.nbytes, tensor.external) == (
            DataType.FLOAT,
            (2, 3),
            8,
            False,
        )
        assert tensor.numpy().tolist() == [[0, 7, 0], [0, 0, -8]]
    assert list(found) == ["flat", "axes"]


@pytest.mark.parametrize(
    ("indices", "shape", "message"),
    [
        ([1, 6], [2, 3], "m.onnx: sparse tensor 's' has indices that do not fit its shape [2, 3]"),
        ([[0, 0], [0, 3]], [2, 3], "m.onnx: sparse tensor 's' has indices that do not fit its shape [2, 3]"),
        ([-1, 0], [2, 3], "m.onnx: sparse tensor 's' has indices that do not fit its shape [2, 3]"),
        ([1], [2, 3], "m.onnx: sparse tensor 's' has indices that do not fit its shape [2, 3]"),
        (
            [0, 1],
            [2**40, 2**10],
            f"m.onnx: sparse tensor 's' of shape [{2**40}, 1024] is too large to be filled with its zeros",
        ),
    ],
)
def test_sparse_constants_that_cannot_be_filled_are_refused(
    indices: list[int], shape: list[int], message: str, model: Make, write: Write, refusal: Refusal
) -> None:
    proto = model()
    values = numpy_helper.from_array(np.array([7, -8], np.float32), "s")
    proto.graph.sparse_initializer.append(
        helper.make_sparse_tensor(values, numpy_helper.from_array(np.array(indices, np.int64)), shape)
    )
    tensor = open_onnx(write(proto)).graph.sparse_initializers["s"]
    assert refusal(tensor.numpy) == message


def test_the_size_is_the_product_of_the_dimensions(
    opened: Callable[[ModelProto], OnnxFile], model: Make
) -> None:
    proto = numpy_helper.from_array(np.zeros((3, 5), np.float16), "t")
    tensor = opened(model(None, [proto])).graph.initializers["t"]
    assert isinstance(tensor, Tensor)
    assert not isinstance(tensor, SparseTensor)
    assert (tensor.size, tensor.nbytes) == (15, 30)
