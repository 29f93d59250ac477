"""safetensors files, read without the package and without a framework."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn

from converters import safetensors as reader
from converters.errors import InspectorError, SourceError, UnsupportedError
from converters.formats import Request, recognise
from converters.safetensors import SAFETENSORS, weights

FETCH = "Fetch or export the file again."


def written(path: Path, header: object, data: bytes = b"", *, length: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes((len(text) if length is None else length).to_bytes(8, "little") + text + data)
    return path


def entry(shape: list[int], start: int, end: int, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


def refusal(path: Path) -> tuple[str, str]:
    with pytest.raises(InspectorError) as caught:
        weights(path)
    return caught.value.message, caught.value.hint


def test_layers_and_kernels_are_those_that_were_saved(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.ConvTranspose2d(8, 4, 3),
        *(nn.Linear(2, 2),) * 8,
        nn.PReLU(),
    )
    # Two layers further, so that a number of two digits is there.
    held = {f"layers.{name}": each.clone() for name, each in made.state_dict().items()}
    held["layers.0.weight"] = held["layers.0.weight"].half()
    safetensors.torch.save_file(held, tmp_path / "net.safetensors", metadata={"format": "pt"})
    found = weights(tmp_path / "net.safetensors")
    assert [layer.name for layer in found.layers] == [f"layers.{number}" for number in range(12)]
    assert [layer.kind for layer in found.layers] == [
        *("Conv", "BatchNormalization", "ConvTranspose"),
        *["Gemm"] * 8,
        "PRelu",
    ]
    first, transposed = found.layers[0].kernels(), found.layers[2].kernels()
    assert first.tobytes() == held["layers.0.weight"].numpy().tobytes()
    assert np.array_equal(transposed, held["layers.2.weight"].numpy().swapaxes(0, 1))
    assert (found.kind, found.notes) == ("safetensors file", ())


def test_every_kind_of_number_is_what_the_package_reads(tmp_path: Path) -> None:
    codes = torch.arange(256).to(torch.uint8)
    held = {
        **{
            str(kind): torch.arange(-3, 5).to(kind)
            for kind in (torch.int8, torch.int16, torch.int32, torch.int64)
        },
        **{
            str(kind): torch.arange(8).to(kind)
            for kind in (torch.uint8, torch.uint16, torch.uint32, torch.uint64)
        },
        **{
            str(kind): (torch.arange(8) / 7).to(kind)
            for kind in (torch.float64, torch.float32, torch.float16)
        },
        "bfloat16": (torch.arange(8) / 7).bfloat16(),
        "bool": torch.arange(4) > 1,
        "complex": torch.tensor([1 + 2j]),
        **{str(kind): codes.clone().view(kind) for kind in (torch.float8_e4m3fn, torch.float8_e5m2)},
        "scale": codes.clone().view(torch.float8_e8m0fnu),
    }
    safetensors.torch.save_file(held, tmp_path / "net.safetensors", metadata={"format": "pt"})
    expected = safetensors.torch.load_file(tmp_path / "net.safetensors")
    found = weights(tmp_path / "net.safetensors")
    variables = {variable.name: variable for layer in found.layers for variable in layer.variables}
    assert set(variables) == set(expected)
    for name, tensor in expected.items():
        narrow = "float8" in str(tensor.dtype) or tensor.dtype is torch.bfloat16
        array = (tensor.float() if narrow else tensor).numpy()
        assert variables[name].read().dtype == variables[name].dtype == array.dtype, name
        np.testing.assert_array_equal(variables[name].read(), array, err_msg=name)


LAYOUTS = {
    "tf": ("conv/kernel:0", (3, 5, 2, 7), "HWIO"),
    "flax": ("params.conv.kernel", (3, 5, 2, 7), "HWIO"),
    "mlx": ("conv.weight", (7, 3, 5, 2), "OHWI"),
    "pt": ("conv.weight", (7, 2, 3, 5), "OIHW"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_is_that_of_the_framework_in_the_metadata(tmp_path: Path, layout: str) -> None:
    name, shape, order = LAYOUTS[layout]
    array = np.arange(210, dtype=np.float32).reshape(shape)
    safetensors.numpy.save_file({name: array}, tmp_path / "net.safetensors", metadata={"format": layout})
    (layer,) = weights(tmp_path / "net.safetensors").layers
    assert (layer.kind, layer.order) == ("Conv", order)
    axes = [order.index(letter) for letter in "OIHW"]
    assert np.array_equal(layer.kernels(), np.transpose(array, axes))


@pytest.mark.parametrize(("layout", "name"), [("tf", "TensorFlow"), ("flax", "Flax"), ("pt", "PyTorch")])
def test_without_metadata_the_names_tell_the_layout(tmp_path: Path, layout: str, name: str) -> None:
    variable, shape, order = LAYOUTS[layout]
    safetensors.numpy.save_file({variable: np.zeros(shape, np.float32)}, tmp_path / "net.safetensors")
    found = weights(tmp_path / "net.safetensors")
    assert found.layers[0].order == order
    assert found.notes == (
        f"Its metadata name no framework: by the names, its kernels are laid out as {name} does.",
    )


def test_without_kernels_nothing_is_guessed(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"dense.weight": np.zeros((2, 3), np.float32)}, tmp_path / "net.safetensors")
    assert weights(tmp_path / "net.safetensors").notes == ()


def test_layers_of_tensorflow_are_told_by_their_variables(tmp_path: Path) -> None:
    shapes = {
        "conv/kernel": (3, 3, 2, 4),
        "conv/bias": (4,),
        "up/kernel": (3, 3, 5, 4),
        "up/bias": (5,),
        "depthwise/depthwise_kernel": (3, 3, 4, 2),
        "separable/depthwise_kernel": (3, 3, 4, 1),
        "separable/pointwise_kernel": (1, 1, 4, 6),
        "separable/bias": (6,),
        "norm/gamma": (4,),
        "norm/beta": (4,),
        "norm/moving_mean": (4,),
        "norm/moving_variance": (4,),
        "layer_norm/gamma": (4,),
        "layer_norm/beta": (4,),
        "lstm/kernel": (3, 20),
        "lstm/recurrent_kernel": (5, 20),
        "lstm/bias": (20,),
        "words/embeddings": (9, 4),
        "dense/kernel": (4, 2),
    }
    held = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    safetensors.numpy.save_file(held, tmp_path / "net.safetensors", metadata={"format": "tf"})
    found = {layer.name: layer for layer in weights(tmp_path / "net.safetensors").layers}
    assert {name: (layer.kind, layer.order, layer.groups) for name, layer in found.items()} == {
        "conv": ("Conv", "HWIO", 1),
        "up": ("ConvTranspose", "HWOI", 1),
        "depthwise": ("Conv", "HWIM", 4),
        "separable/depthwise": ("Conv", "HWIM", 4),
        "separable/pointwise": ("Conv", "HWIO", 1),
        "norm": ("BatchNormalization", "", 1),
        "layer_norm": ("LayerNormalization", "", 1),
        "lstm": ("LSTM", "", 1),
        "words": ("Embedding", "", 1),
        "dense": ("Gemm", "", 1),
    }
    assert found["depthwise"].kernels().shape == (8, 1, 3, 3)


def test_a_transposed_convolution_that_only_its_name_tells_is_noted(tmp_path: Path) -> None:
    held = {"params.ConvTranspose_0.kernel": np.zeros((3, 3, 2, 4), np.float32)}
    safetensors.numpy.save_file(held, tmp_path / "net.safetensors", metadata={"format": "flax"})
    found = weights(tmp_path / "net.safetensors")
    assert (found.layers[0].kind, found.layers[0].kernels().shape) == ("ConvTranspose", (4, 2, 3, 3))
    assert found.notes == ("params.ConvTranspose_0: taken for a transposed convolution because of the name",)


def test_an_order_that_somebody_chose_is_kept(tmp_path: Path) -> None:
    header = {"b.weight": entry([1, 1], 0, 4), "a.weight": entry([1, 1], 4, 8)}
    found = weights(written(tmp_path / "net.safetensors", header, bytes(8)))
    assert [layer.name for layer in found.layers] == ["b", "a"]


DAMAGED = {
    "no JSON": (b'{"w": ', b"", "its header is no JSON"),
    "no object": (b"[]", b"", "its header is no JSON object"),
    "no text": (b'{"\xff": 1}', b"", "its header is no JSON"),
    "nested without end": (b'{"a":' + b"[" * 100_000, b"", "its header is no JSON"),
    "twice": (
        b'{"w":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"w":{"dtype":"U8","shape":[],"data_offsets":[1,2]}}',
        bytes(2),
        "its header has 'w' twice",
    ),
    "metadata": ({"__metadata__": {"format": 3}}, b"", "its __metadata__ are not texts by name"),
    "no description": ({"w": 3}, b"", "its header does not describe tensor 'w'"),
    "no shape": ({"w": {"dtype": "F32"}}, b"", "its header does not describe tensor 'w'"),
    "a negative size": ({"w": entry([-1], 0, 4)}, bytes(4), "its header does not describe tensor 'w'"),
    "a flag": ({"w": entry([True], 0, 4)}, bytes(4), "its header does not describe tensor 'w'"),
    "a fraction": ({"w": entry([1.0], 0, 4)}, bytes(4), "its header does not describe tensor 'w'"),
    "one offset": (
        {"w": {"dtype": "F32", "shape": [1], "data_offsets": [0]}},
        bytes(4),
        "its header does not describe tensor 'w'",
    ),
    "too short": ({"w": entry([2], 0, 4)}, bytes(4), "tensor 'w' of shape [2] needs 8 bytes and has 4"),
    "backwards": ({"w": entry([1], 8, 4)}, bytes(8), "tensor 'w' of shape [1] needs 4 bytes and has -4"),
    "overflow": (
        {"w": entry([2**40, 2**40], 0, 4)},
        bytes(4),
        f"tensor 'w' of shape [{2**40}, {2**40}] needs {2**82:,} bytes and has 4",
    ),
    "overlap": (
        {"v": entry([2], 0, 8), "w": entry([2], 4, 12)},
        bytes(12),
        "tensors 'v' and 'w' overlap",
    ),
    "a gap": (
        {"v": entry([1], 0, 4), "w": entry([1], 8, 12)},
        bytes(12),
        "4 bytes before tensor 'w' are of no tensor",
    ),
    "beyond the file": ({"w": entry([2], 0, 8)}, bytes(5), "3 bytes of its tensors are missing"),
    "garbage behind": ({"w": entry([1], 0, 4)}, bytes(9), "5 bytes after its last tensor are of no tensor"),
}


@pytest.mark.parametrize(("header", "data", "fault"), DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_file_is_told_with_its_fault(
    tmp_path: Path, header: object, data: bytes, fault: str
) -> None:
    path = written(tmp_path / "net.safetensors", header, data)
    assert refusal(path) == (f"{path}: is a damaged safetensors file: {fault}", FETCH)


def test_a_header_beyond_the_file_is_told_without_reading_it(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", {}, length=1 << 39)
    assert SAFETENSORS.recognise(path)
    assert refusal(path)[0] == (
        f"{path}: is a damaged safetensors file: its header has {1 << 39:,} bytes, and 2 are there"
    )


def test_a_header_larger_than_any_real_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "MAX_HEADER", 10)
    path = written(tmp_path / "net.safetensors", {"w": entry([1], 0, 4)}, bytes(4))
    assert refusal(path)[0] == (
        f"{path}: is a damaged safetensors file: its header has {path.stat().st_size - 12:,} bytes; "
        "expected at most 10"
    )


def test_an_unknown_kind_of_number_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", {"w": entry([1], 0, 4, "F33")}, bytes(4))
    with pytest.raises(UnsupportedError) as caught:
        weights(path)
    assert caught.value.message.startswith(
        f"{path}: tensor 'w' is of the unknown type 'F33'; expected one of BOOL,"
    )


def test_numbers_of_less_than_a_byte_are_listed_and_not_read(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", {"w": entry([4], 0, 2, "F4")}, bytes(2))
    (layer,) = weights(path).layers
    with pytest.raises(UnsupportedError) as caught:
        layer.variables[0].read()
    assert (layer.parameters, caught.value.message) == (
        4,
        f"{path}: tensor 'w' is of type F4, which is not read",
    )


def test_a_file_that_shrinks_is_told(tmp_path: Path) -> None:
    path = written(tmp_path / "net.safetensors", {"w": entry([2], 0, 8)}, bytes(8))
    (layer,) = weights(path).layers
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(SourceError) as caught:
        layer.variables[0].read()
    assert caught.value.message == f"{path}: is a damaged safetensors file: tensor 'w' is cut off"


def test_it_is_recognised_by_content_and_cannot_be_converted(tmp_path: Path) -> None:
    path = written(tmp_path / "weights.bin", {"w": entry([1], 0, 4)}, bytes(4))
    assert recognise(path) is SAFETENSORS
    with pytest.raises(UnsupportedError, match="holds weights by name, but not the network"):
        SAFETENSORS.open(path, Request())
    (tmp_path / "text").write_text('{"a": [[[{"b": 1}]]]}')
    assert not SAFETENSORS.recognise(tmp_path / "text")
    assert not SAFETENSORS.recognise(tmp_path)
    assert not SAFETENSORS.recognise(tmp_path / "absent")
    assert not SAFETENSORS.recognise(tmp_path / "nul\0")


def test_another_format_that_is_called_safetensors_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(50))
    assert not SAFETENSORS.recognise(path)
