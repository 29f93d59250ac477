"""Files of weights, opened as models are."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import inspector
from converters.errors import SourceError
from converters.weights import StoredLayer, Variable, Weights
from inspector.errors import (
    FileError,
    ModelError,
    OptionError,
    TensorError,
    UnknownLayerError,
    UnsupportedError,
)
from inspector.model import Model, load
from inspector.weights_only import WeightsOnly, open_weights


def network() -> nn.Sequential:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.ConvTranspose2d(8, 6, 2, groups=2),
        nn.Conv1d(6, 4, 5),
        nn.Conv3d(4, 2, 3),
        nn.Linear(4, 2),
    )


@pytest.fixture
def state_dict(tmp_path: Path) -> Path:
    torch.save(network().state_dict(), tmp_path / "net.pth")
    return tmp_path / "net.pth"


@pytest.fixture
def onnx_model(tmp_path: Path) -> Path:
    """The convolutions of two axes of the same network, as ONNX has them."""
    held = {name: each.numpy() for name, each in network().state_dict().items()}
    nodes = [
        helper.make_node("Conv", ["x", "0.weight", "0.bias"], ["a"]),
        helper.make_node("Conv", ["a", "2.weight", "2.bias"], ["b"], group=8),
        helper.make_node("ConvTranspose", ["b", "3.weight", "3.bias"], ["y"], group=2),
    ]
    names = [name for node in nodes for name in node.input[1:]]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 9, 9])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(held[name], name) for name in names],
    )
    onnx.save(helper.make_model(graph), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


def test_load_opens_weights_as_it_opens_models(state_dict: Path) -> None:
    model = inspector.load(str(state_dict))
    assert isinstance(model, Model)
    assert isinstance(model, WeightsOnly)
    assert (model.path, model.notes) == (state_dict, ())
    assert repr(model) == f"WeightsOnly({str(state_dict)!r}, 7 layers)"


def test_layers_have_the_words_and_parameters_that_models_have(state_dict: Path) -> None:
    layers = load(state_dict).layers
    assert [(each.name, each.kind, each.kernel, each.parameters) for each in layers] == [
        ("0", "Conv", (8, 3, 3, 3), 224),
        ("1", "BatchNormalization", None, 32),
        ("2", "DepthwiseConv", (8, 1, 3, 3), 80),
        ("3", "ConvTranspose", (6, 4, 2, 2), 102),
        ("4", "Conv1D", (4, 6, 5), 124),
        ("5", "Conv3D", (2, 4, 3, 3, 3), 218),
        ("6", "Dense", None, 10),
    ]
    assert (layers.parameters, layers.multiply_adds, layers[0].multiply_adds) == (790, None, None)
    assert (layers[0].shape, layers[0].shape_text, layers[0].kernel_text) == (None, "?", "8 x 3 x 3 x 3")
    assert layers[0].op_type == "Conv"
    assert [layer.name for layer in layers.conv] == ["0", "2", "3", "4", "5"]


def test_the_shapes_that_are_listed_are_those_that_are_read(state_dict: Path) -> None:
    model = load(state_dict)
    for layer in model.layers.conv:
        assert layer.kernel is not None
        height = (1,) if len(layer.kernel) == 3 else ()
        assert model.filters(layer).kernels.shape == (*layer.kernel[:2], *height, *layer.kernel[2:])


def test_layers_as_json_have_the_shape_of_their_kernels(state_dict: Path) -> None:
    record = load(state_dict).layers.to_dict()
    assert record["layers"][0] == {
        "name": "0",
        "kind": "Conv",
        "op_type": "Conv",
        "output": "",
        "shape": None,
        "parameters": 224,
        "multiply_adds": None,
        "kernel": [8, 3, 3, 3],
    }
    assert record["layers"][1]["kernel"] is None
    assert json.dumps(record)


def test_the_html_form_lists_kernels(state_dict: Path) -> None:
    html = load(state_dict)._repr_html_()
    assert "<th>layer</th><th>kind</th><th>kernels</th><th>parameters</th>" in html
    assert "<td>0</td><td>Conv</td><td>8 x 3 x 3 x 3</td><td>224</td>" in html


def test_filters_and_pictures_are_those_of_the_onnx_model(
    state_dict: Path, onnx_model: Path, tmp_path: Path
) -> None:
    stored, model = load(state_dict), load(onnx_model)
    for name in ("0", "2", "3"):
        ours, theirs = stored.filters(name, sort="norm"), model.filters(name, sort="norm")
        assert ours.kernels.tobytes() == theirs.kernels.tobytes()
        same = ("kind", "weight", "groups", "colours", "indices", "total", "dead", "duplicates")
        assert [getattr(ours, each) for each in same] == [getattr(theirs, each) for each in same]
        assert ours.encode(".png", captions=True) == theirs.encode(".png", captions=True)
    saved = stored.all_filters(tmp_path / "kernels", suffix=".npy")
    assert list(saved) == ["0", "2", "3", "4", "5"]


def test_kernels_on_a_picture_are_in_colour(tmp_path: Path) -> None:
    def colours(*modules: nn.Module) -> list[str | None]:
        torch.save(nn.Sequential(*modules).state_dict(), tmp_path / "net.pth")
        model = load(tmp_path / "net.pth")
        return [model.filters(layer).colours for layer in model.layers.conv]

    assert colours(nn.Conv2d(3, 3, 3), nn.Conv2d(3, 4, 3)) == ["rgb", None]
    assert colours(nn.Conv2d(4, 8, 3), nn.Conv2d(3, 4, 3)) == [None, "rgb"]
    assert colours(nn.Conv2d(4, 8, 3), nn.Conv2d(3, 4, 3), nn.Conv2d(3, 5, 3)) == [None, None, None]


def test_a_layer_without_kernels_is_refused_with_those_that_have_some(state_dict: Path) -> None:
    with pytest.raises(OptionError) as caught:
        load(state_dict).filters("6")
    assert caught.value.message == (
        f"{state_dict}: layer '6' is Dense and has no kernels; layers that have: '0', '2', '3', '4', '5'"
    )


def test_an_unknown_layer_is_refused_with_the_nearest(state_dict: Path) -> None:
    with pytest.raises(UnknownLayerError, match=r"has no layer '9'; nearest: 0, 1, 2"):
        load(state_dict).filters("9")


def test_what_needs_the_network_says_what_helps(state_dict: Path) -> None:
    model = load(state_dict)
    uses = (
        lambda: model.predict("x.png"),
        lambda: model.session(),
        lambda: model.graph,
        lambda: model.labels,
        lambda: model.preprocess,
        lambda: model.annotate(labels=["a"]),
        lambda: model.activations("x.png", "0"),
    )
    for use in uses:
        with pytest.raises(UnsupportedError) as caught:
            use()
        assert caught.value.message == (
            f"{state_dict}: holds weights only, and no network that could be run; expected an ONNX model"
        )
        assert caught.value.hint == (
            "Export the network to ONNX with the framework that made it. "
            f"What can be seen as it is: inspector layers {state_dict}"
        )


def test_what_can_be_converted_is_told_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from converters import formats

    def never(path: Path, request: formats.Request) -> None:
        raise AssertionError

    known = formats.Format("odd file", lambda path: path.suffix == ".odd", never, lambda path: found)
    found = Weights(tmp_path / "net.odd", "odd file", ())
    monkeypatch.setattr(formats, "all_formats", lambda: (known,))
    found.path.write_text("odd")
    with pytest.raises(UnsupportedError) as caught:
        load(found.path).predict("x.png")
    assert (caught.value.message, caught.value.hint) == (
        f"{found.path}: cannot be run as it is (odd file); expected an ONNX model",
        f"inspector convert {found.path} -o net.onnx",
    )


def test_a_damaged_file_of_weights_is_told_as_such(state_dict: Path) -> None:
    with pytest.raises(UnsupportedError, match="holds a whole network as Python objects"):
        torch.save(nn.Conv2d(1, 1, 1), state_dict)
        load(state_dict)
    state_dict.write_bytes(b"\x80\x02}q\x00(X")
    with pytest.raises(SourceError, match="is damaged: its pickle cannot be read"):
        load(state_dict)


def test_what_nobody_knows_is_told_as_before(tmp_path: Path) -> None:
    with pytest.raises(FileError) as missing:
        load(tmp_path / "absent.onnx")
    assert missing.value.message == f"{tmp_path / 'absent.onnx'}: no such file; expected an ONNX model"
    (tmp_path / "text.onnx").write_text("hello")
    with pytest.raises(ModelError, match="is not an ONNX model, nor any other format that is known here"):
        load(tmp_path / "text.onnx")
    assert open_weights(tmp_path / "text.onnx") is None


def stored(
    shape: tuple[int, ...], order: str, *, groups: int = 1, kind: str = "Conv", dtype: str = "f4"
) -> Model:
    array = np.zeros(shape, dtype)
    kernel = Variable("w", array.dtype, shape, lambda: array)
    return WeightsOnly(
        Weights(Path("net"), "test", (StoredLayer("conv", kind, (kernel,), kernel, order, groups),))
    )


@pytest.mark.parametrize(
    ("shape", "order", "groups", "kind", "word"),
    [
        ((3, 5, 4, 2), "HWIM", 4, "Conv", "DepthwiseConv"),
        ((3, 5, 4, 2), "HWIM", 1, "Conv", "DepthwiseConv"),
        ((3, 5, 1, 2), "HWIM", 1, "Conv", "Conv"),
        ((4, 2, 3, 5), "IOHW", 2, "ConvTranspose", "ConvTranspose"),
        ((4, 1, 3, 5), "IOHW", 4, "ConvTranspose", "DepthwiseConvTranspose"),
        ((3, 5, 4, 2), "HWOI", 1, "ConvTranspose", "ConvTranspose"),
        ((2, 3, 5, 4), "OHWI", 1, "DeformConv", "DeformConv"),
    ],
)
def test_shapes_and_words_of_every_layout(
    shape: tuple[int, ...], order: str, groups: int, kind: str, word: str
) -> None:
    model = stored(shape, order, groups=groups, kind=kind)
    (layer,) = model.layers
    assert (layer.kind, layer.kernel) == (word, model.filters("conv").kernels.shape)


def test_kernels_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(TensorError) as caught:
        stored((1, 1, 2, 2), "OIHW", dtype="c8").filters("conv")
    assert caught.value.message == (
        "net: layer 'conv': its weights 'w' are complex64 numbers; expected real numbers"
    )


BLOCKED = """
import importlib.abc, sys
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "tensorflow", "keras", "safetensors", "h5py", "jax"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Absent())
import inspector
model = inspector.load(sys.argv[1])
model.filters(sys.argv[2]).save(sys.argv[3])
"""


@pytest.mark.parametrize("zipped", [True, False])
def test_kernels_need_no_framework(tmp_path: Path, zipped: bool) -> None:
    held = network().state_dict()
    torch.save(held, tmp_path / "net.pth", _use_new_zipfile_serialization=zipped)
    arguments = [str(tmp_path / "net.pth"), "0", str(tmp_path / "k.npy")]
    subprocess.run([sys.executable, "-c", BLOCKED, *arguments], check=True)
    assert np.load(tmp_path / "k.npy").tobytes() == held["0.weight"].numpy().tobytes()


def test_an_onnx_model_is_opened_without_the_formats(onnx_model: Path) -> None:
    code = f"import sys, inspector; inspector.load({str(onnx_model)!r}).layers; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "inspector.layers" in loaded
    assert not {"converters.formats", "converters.pickles", "inspector.weights_only"} & set(loaded)
