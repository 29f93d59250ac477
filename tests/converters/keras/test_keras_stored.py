"""Weights without Keras, of every kind of file that it writes."""

import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest

from converters.errors import SourceError
from converters.keras.kinds import Layer, layer_kind, names_of, snake_case
from converters.keras.stored import weights

FILES = [(package, suffix) for package in ("keras", "tf_keras") for suffix in (".keras", ".h5")]


def by_name(path):
    return {layer.name: layer for layer in weights(path).layers}


@pytest.mark.parametrize(("package", "suffix"), FILES)
def test_layers_of_a_model_have_their_names_kinds_and_order(keras_zoo, package, suffix):
    found = by_name(keras_zoo(package) / f"separable{suffix}")
    assert {name: (layer.kind, layer.order, layer.groups) for name, layer in found.items()} == {
        "separable/depthwise": ("Conv", "HWIM", 3),
        "separable/pointwise": ("Conv", "HWIO", 1),
        "depthwise": ("Conv", "HWIM", 6),
        "transposed": ("ConvTranspose", "HWOI", 1),
        "dilated": ("Conv", "HWIO", 1),
        "scores": ("Gemm", "", 1),
    }
    assert list(found)[-1] == "scores"
    shapes = {name: layer.kernels().shape for name, layer in found.items() if layer.kernel is not None}
    assert shapes == {
        "separable/depthwise": (6, 1, 3, 3),
        "separable/pointwise": (6, 6, 1, 1),
        "depthwise": (12, 1, 3, 3),
        "transposed": (5, 12, 3, 3),
        "dilated": (6, 5, 3, 3),
    }
    assert [variable.name for variable in found["separable/pointwise"].variables] == [
        "separable/pointwise_kernel",
        "separable/bias",
    ]
    assert found["dilated"].parameters == 3 * 3 * 5 * 6 + 6


@pytest.mark.parametrize(("package", "suffix"), FILES)
def test_layers_within_networks_and_wrappers_are_found(keras_zoo, package, suffix):
    assert set(by_name(keras_zoo(package) / f"residual{suffix}")) == {"block/conv", "scores"}
    recurrent = by_name(keras_zoo(package) / f"recurrent{suffix}")
    assert {name: layer.kind for name, layer in recurrent.items()} == {
        "both/forward_lstm": "LSTM",
        "both/backward_lstm": "LSTM",
        "gru": "GRU",
        "gru_before": "GRU",
        "simple": "RNN",
        "hard": "LSTM",
        "scores": "Gemm",
    }
    assert [variable.name for variable in recurrent["both/forward_lstm"].variables] == [
        f"both/forward_lstm/{name}" for name in ("kernel", "recurrent_kernel", "bias")
    ]


@pytest.mark.parametrize(("package", "suffix"), FILES)
def test_normalization_without_scale_or_centre_keeps_its_names(keras_zoo, package, suffix):
    found = by_name(keras_zoo(package) / f"batch-norm{suffix}")
    leaves = {
        name: [variable.name.rpartition("/")[2] for variable in found[name].variables]
        for name in ("bn_0", "bn_1", "bn_2")
    }
    assert leaves == {
        "bn_0": ["gamma", "beta", "moving_mean", "moving_variance"],
        "bn_1": ["beta", "moving_mean", "moving_variance"],
        "bn_2": ["gamma", "moving_mean", "moving_variance"],
    }


def test_every_file_of_one_network_holds_the_same_numbers(keras_zoo):
    folder = keras_zoo("keras")
    with h5py.File(folder / "float-cnn.h5") as file:
        group = file["model_weights"]["conv_1"]
        stored = np.asarray(group[group.attrs["weight_names"][0]])
    for name in ("float-cnn.keras", "float-cnn.h5", "float-cnn.weights.h5"):
        kernels = by_name(folder / name)["conv_1"].kernels()
        for out, given, row, column in np.ndindex(kernels.shape):
            assert kernels[out, given, row, column] == stored[row, column, given, out]


def test_weights_alone_are_called_as_the_file_numbers_them(keras_zoo):
    held = weights(keras_zoo("tf_keras") / "separable.weights.h5")
    assert held.kind == "file of Keras weights"
    assert held.notes == ("The file holds weights only: layers are called as it numbers them, by class.",)
    assert {layer.name: layer.order for layer in held.layers} == {
        "conv2d": "HWIO",
        "conv2d_transpose": "HWOI",
        "dense": "",
        "depthwise_conv2d": "HWIM",
        "separable_conv2d/depthwise": "HWIM",
        "separable_conv2d/pointwise": "HWIO",
    }


def test_weights_alone_of_keras_2_are_told_by_the_names_of_their_variables(keras_zoo, tmp_path):
    path = tmp_path / "old.h5"
    with h5py.File(keras_zoo("tf_keras") / "separable.h5") as file, h5py.File(path, "w") as made:
        for name in file["model_weights"]:
            file.copy(file["model_weights"][name], made, name)
        made.attrs["layer_names"] = file["model_weights"].attrs["layer_names"]
    held = weights(path)
    assert held.notes == (
        "The file holds weights only: of what class a layer is, its names and shapes tell.",
    )
    assert {layer.name: layer.order for layer in held.layers} == {
        "separable/depthwise": "HWIM",
        "separable/pointwise": "HWIO",
        "depthwise": "HWIM",
        "transposed": "HWOI",
        "dilated": "HWIO",
        "scores": "",
    }


def test_numbers_of_training_are_left_out(keras_zoo, tmp_path):
    path = tmp_path / "trained.weights.h5"
    shutil.copyfile(keras_zoo("keras") / "float-cnn.weights.h5", path)
    with h5py.File(path, "a") as file:
        file.create_group("optimizer/vars")["0"] = np.zeros(3)
    assert "optimizer" not in by_name(path)


def test_a_weight_that_is_listed_and_not_there_is_told(keras_zoo, tmp_path):
    path = tmp_path / "net.h5"
    shutil.copyfile(keras_zoo("tf_keras") / "float-cnn.h5", path)
    with h5py.File(path, "a") as file:
        group = file["model_weights"]["conv_1"]
        del group[group.attrs["weight_names"][0]]
    with pytest.raises(SourceError) as caught:
        weights(path)
    assert caught.value.message == f"{path}: lacks 'conv_1/kernel:0', which it lists"


def test_no_framework_is_imported(keras_zoo):
    path = keras_zoo("keras") / "separable.keras"
    code = (
        "import sys; from pathlib import Path; from converters.keras.stored import weights; "
        f"[layer.kernels() for layer in weights(Path({str(path)!r})).layers if layer.kernel]; "
        "print([name for name in ('tensorflow', 'keras', 'tf_keras', 'onnx') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_that_keras_writes_into_files():
    assert [snake_case(name) for name in ("Conv2DTranspose", "PReLU", "TimeDistributed")] == [
        "conv2d_transpose",
        "p_re_lu",
        "time_distributed",
    ]
    assert layer_kind("depthwise_conv2d_3") == "DepthwiseConv2D"
    assert names_of(Layer("bn", "BatchNormalization", {}), 3) == ("0", "1", "2")
    assert names_of(Layer("bn", "BatchNormalization", {}), 2) == ("moving_mean", "moving_variance")
    assert names_of(Layer("c", "Conv2D", {}), 1) == ("kernel",)


def test_long_lists_of_names_come_in_parts(tmp_path):
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        for place, name in enumerate(("first", "second")):
            file.attrs[f"layer_names{place}"] = [name.encode()]
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/kernel:0".encode()]
            group[f"{name}/kernel:0"] = np.full((2, 3), place, "f4")
    assert [(layer.name, layer.kind) for layer in weights(path).layers] == [
        ("first", "Gemm"),
        ("second", "Gemm"),
    ]
