from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from inspector.errors import ModelError, OptionError, TensorError, UnknownLayerError
from inspector.filters import filters, read_kernels
from inspector.model import Model, load

RNG = np.random.default_rng(0)


def weights(*shape: int) -> np.ndarray:
    return RNG.normal(0, 1, shape).astype(np.float32)


def impulse_responses(model: Model, channels: int, space: tuple[int, ...]) -> np.ndarray:
    """What onnxruntime makes of an impulse in the middle of each input channel: (in, out, *space)."""
    session = onnxruntime.InferenceSession(model.path, providers=["CPUExecutionProvider"])
    pictures = np.zeros((channels, channels, *space), np.float32)
    for channel in range(channels):
        pictures[(channel, channel, *(size // 2 for size in space))] = 1
    return session.run(None, {"x": pictures})[0]


def test_conv_kernels_are_the_flipped_response_to_an_impulse(conv_model: Callable[..., Model]) -> None:
    model = conv_model(weights(4, 3, 3, 5), shape=("N", 3, 9, 9))
    responses = impulse_responses(model, 3, (9, 9))  # valid padding: 7 × 5, the impulse at 4, 4
    flipped = responses[:, :, 2:5, 0:5][:, :, ::-1, ::-1]
    found = filters(model, "conv").kernels
    assert found.shape == (4, 3, 3, 5)
    np.testing.assert_allclose(found, flipped.swapaxes(0, 1), rtol=1e-6)


def test_transposed_kernels_are_the_response_to_an_impulse(conv_model: Callable[..., Model]) -> None:
    model = conv_model(weights(3, 4, 3, 3), op="ConvTranspose", shape=("N", 3, 1, 1))
    found = filters(model, "conv").kernels
    assert found.shape == (4, 3, 3, 3)
    np.testing.assert_allclose(found, impulse_responses(model, 3, (1, 1)).swapaxes(0, 1), rtol=1e-6)


def test_grouped_transposed_kernels_belong_to_the_right_output_channel(
    conv_model: Callable[..., Model],
) -> None:
    model = conv_model(weights(6, 2, 3, 3), op="ConvTranspose", group=3, shape=("N", 6, 1, 1))
    found = filters(model, "conv")
    assert found.kernels.shape == (6, 2, 3, 3)
    assert found.groups == 3
    responses = impulse_responses(model, 6, (1, 1))
    for out in range(6):
        for channel in range(2):
            seen = responses[out // 2 * 2 + channel, out]
            np.testing.assert_allclose(found.kernels[out, channel], seen, rtol=1e-6)


def test_grouped_and_depthwise_kernels_keep_the_channels_of_their_group(
    conv_model: Callable[..., Model],
) -> None:
    values = weights(6, 2, 3, 3)
    assert (filters(conv_model(values, group=3, shape=("N", 6, 8, 8)), "conv").kernels == values).all()
    values = weights(6, 1, 3, 3)
    found = filters(conv_model(values, group=6, shape=("N", 6, 8, 8)), "conv")
    assert (found.kernels == values).all()
    assert found.kind == "DepthwiseConv"


def test_one_dimensional_kernels_have_height_one(conv_model: Callable[..., Model]) -> None:
    values = weights(4, 2, 7)
    found = filters(conv_model(values, shape=("N", 2, 20)), "conv")
    assert found.kernels.shape == (4, 2, 1, 7)
    assert (found.kernels[:, :, 0] == values).all()


def test_three_dimensional_kernels_keep_their_depth(conv_model: Callable[..., Model]) -> None:
    values = weights(4, 2, 3, 5, 6)
    found = filters(conv_model(values, shape=("N", 2, 8, 8, 8)), "conv")
    assert (found.kernels == values).all()


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (TensorProto.FLOAT16, np.float32),
        (TensorProto.BFLOAT16, np.float32),
        (TensorProto.FLOAT8E4M3FN, np.float32),
        (TensorProto.DOUBLE, np.float64),
    ],
)
def test_other_float_types_are_shown_with_their_values(
    conv_model: Callable[..., Model], kind: int, dtype: type
) -> None:
    values = [0.5, -1.5, 2.0, 0.25]
    found = filters(conv_model(helper.make_tensor("conv.weight", kind, [1, 1, 2, 2], values)), "conv").kernels
    assert found.dtype == dtype
    assert found.reshape(-1).tolist() == values


def test_kernels_in_external_data_are_read(tmp_path: Path, conv_model: Callable[..., Model]) -> None:
    values = weights(8, 4, 5, 5)
    model = onnx.load(conv_model(values).path)
    onnx.save(model, tmp_path / "ext.onnx", save_as_external_data=True, location="w.bin", size_threshold=0)
    assert (filters(load(tmp_path / "ext.onnx"), "conv").kernels == values).all()


def test_kernels_behind_a_chain_of_operators_are_read(save_model: Callable[..., Model]) -> None:
    stored = RNG.integers(-127, 127, (3, 3, 2, 4)).astype(np.int8)  # height, width, in, out
    scale = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "scale"], ["a"], axis=3),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[3, 2, 0, 1]),
        helper.make_node("Conv", ["x", "c"], ["y"], name="first"),
    ]
    model = save_model(nodes, {"w": stored, "scale": scale}, shape=("N", 2, 8, 8))
    (layer,) = model.layers.conv
    expected = (stored.astype(np.float32) * scale).transpose(3, 2, 0, 1)
    np.testing.assert_allclose(filters(model, layer).kernels, expected, rtol=1e-6)


def test_quantised_convolutions_are_dequantised(save_model: Callable[..., Model]) -> None:
    stored = RNG.integers(-127, 127, (4, 2, 3, 3)).astype(np.int8)
    scale, zero = np.array([0.1, 0.2, 0.3, 0.4], np.float32), np.array([1, -2, 0, 3], np.int8)
    one, none = np.float32(1), np.uint8(0)
    node = helper.make_node("QLinearConv", ["x", "one", "none", "w", "scale", "zero", "one", "none"], ["y"])
    model = save_model(
        [node],
        {"w": stored, "scale": scale, "zero": zero, "one": one, "none": none},
        shape=("N", 2, 8, 8),
        elem_type=TensorProto.UINT8,
        output_type=TensorProto.UINT8,
    )
    (layer,) = model.layers.conv
    per = (slice(None), None, None, None)
    expected = (stored.astype(np.float32) - zero[per].astype(np.float32)) * scale[per]
    np.testing.assert_allclose(filters(model, layer).kernels, expected, rtol=1e-6)


def test_integer_convolutions_show_whole_numbers_about_their_zero_point(
    save_model: Callable[..., Model],
) -> None:
    stored = RNG.integers(0, 255, (4, 2, 3, 3)).astype(np.uint8)
    node = helper.make_node("ConvInteger", ["x", "w", "", "zero"], ["y"])
    model = save_model(
        [node],
        {"w": stored, "zero": np.uint8(128)},
        shape=("N", 2, 8, 8),
        elem_type=TensorProto.UINT8,
        output_type=TensorProto.INT32,
    )
    (layer,) = model.layers.conv
    assert (filters(model, layer).kernels == stored.astype(np.float32) - 128).all()


@pytest.mark.parametrize(
    ("declared", "colours"), [({}, "rgb"), ({"channels": "bgr"}, "bgr"), ({"channels": "rgb"}, "rgb")]
)
def test_the_first_layer_on_three_channels_is_in_colour_in_the_declared_order(
    save_model: Callable[..., Model], declared: dict[str, str], colours: str
) -> None:
    values = weights(4, 3, 3, 3)
    nodes = [
        helper.make_node("Constant", [], ["half"], value_float=0.5),
        helper.make_node("Mul", ["half", "x"], ["h"]),
        helper.make_node("Sub", ["mean", "h"], ["a"]),
        helper.make_node("Transpose", ["a"], ["b"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["b", "conv.weight"], ["c"]),
        helper.make_node("Relu", ["c"], ["d"]),
        helper.make_node("Conv", ["d", "second.weight"], ["y"]),
    ]
    stored = {"range": "0..255", "mean": [0, 0, 0], "std": [1, 1, 1], "resize": "stretch", **declared}
    model = save_model(
        nodes,
        {"conv.weight": values, "second.weight": weights(5, 4, 3, 3), "mean": np.zeros(3, np.float32)},
        shape=("N", 8, 8, 3),
        metadata={"inspector.preprocess": json.dumps(stored)} if declared else {},
    )
    first = filters(model, "conv")
    assert first.colours == colours
    assert (first.kernels == values).all()
    picture = first.picture(zoom=1, padding=0)
    order = [0, 1, 2] if colours == "rgb" else [2, 1, 0]
    expected = np.rint(values[0, order] / np.abs(values).max() * 127).astype(int) + 128
    assert (picture.pixels[:3, :3] == expected.transpose(1, 2, 0)).all()
    assert filters(model, "second").colours is None


def test_three_channels_that_are_not_the_picture_are_not_in_colour(save_model: Callable[..., Model]) -> None:
    nodes = [
        helper.make_node("Conv", ["x", "a.weight"], ["a"]),
        helper.make_node("Conv", ["a", "b.weight"], ["y"]),
    ]
    model = save_model(nodes, {"a.weight": weights(3, 1, 3, 3), "b.weight": weights(2, 3, 3, 3)})
    assert filters(model, "b").colours is None


def test_a_channel_or_a_reduction_of_a_colour_layer_is_grey(conv_model: Callable[..., Model]) -> None:
    model = conv_model(weights(4, 3, 3, 3), shape=("N", 3, 8, 8))
    assert filters(model, "conv").colours == "rgb"
    assert filters(model, "conv", channels="0,1").colours is None
    assert filters(model, "conv", channels="2,1,0").colours is None
    assert filters(model, "conv", reduce="mean").colours is None
    assert filters(model, "conv").picture(colormap="magma").grid.count == 12


def test_no_other_weight_is_read(tmp_path: Path) -> None:
    """The bytes of the other weight are nowhere, so that to read them would fail."""
    values = weights(4, 1, 3, 3)
    huge = TensorProto(name="fc.weight", data_type=TensorProto.FLOAT, dims=[1 << 20, 256])
    huge.data_location = TensorProto.EXTERNAL
    huge.external_data.add(key="location", value="not-there.bin")
    nodes = [
        helper.make_node("Conv", ["x", "conv.weight"], ["a"]),
        helper.make_node("Flatten", ["a"], ["b"]),
        helper.make_node("MatMul", ["b", "fc.weight"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(values, "conv.weight"), huge],
    )
    (tmp_path / "m.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    assert (filters(load(tmp_path / "m.onnx"), "conv").kernels == values).all()


def test_the_kernels_do_not_keep_the_file_open(conv_model: Callable[..., Model]) -> None:
    values = weights(2, 1, 3, 3)
    model = conv_model(values)
    found = filters(model, "conv")
    model.file.close()
    assert (found.kernels == values).all()


def test_an_unknown_layer_is_refused_with_the_nearest(conv_model: Callable[..., Model]) -> None:
    model = conv_model(weights(1, 1, 3, 3))
    with pytest.raises(UnknownLayerError) as caught:
        filters(model, "conw")
    assert caught.value.message == f"{model.path} has no layer 'conw'; nearest: conv"


def test_a_layer_without_kernels_is_refused_with_those_that_have_some(
    save_model: Callable[..., Model],
) -> None:
    nodes = [helper.make_node("Conv", ["x", "c.weight"], ["a"]), helper.make_node("Relu", ["a"], ["y"])]
    model = save_model(nodes, {"c.weight": weights(1, 1, 3, 3)})
    with pytest.raises(OptionError) as caught:
        filters(model, "y")
    assert caught.value.message == (
        f"{model.path}: layer 'y' is Relu and has no kernels; layers that have: 'c'"
    )
    assert caught.value.hint == f"inspector layers {model.path}"
    model = save_model([helper.make_node("Relu", ["x"], ["y"])], {})
    with pytest.raises(OptionError) as caught:
        filters(model, "y")
    assert caught.value.message == f"{model.path}: layer 'y' is Relu and has no kernels; none here has"


@pytest.mark.parametrize(
    ("tensor", "rest"),
    [
        (
            helper.make_tensor("conv.weight", TensorProto.STRING, [1, 1, 1, 1], [b"a"]),
            "are strings; expected real numbers",
        ),
        (
            helper.make_tensor("conv.weight", TensorProto.COMPLEX64, [1, 1, 1, 1], [1 + 1j]),
            "are complex64 numbers; expected real numbers",
        ),
        (
            numpy_helper.from_array(np.zeros((2, 3), np.float32), "conv.weight"),
            "have the shape [2, 3]; expected kernels of one to three dimensions",
        ),
    ],
)
def test_weights_that_are_no_kernels_are_refused(
    conv_model: Callable[..., Model], tensor: TensorProto, rest: str
) -> None:
    model = conv_model(tensor)
    with pytest.raises(TensorError) as caught:
        filters(model, "conv")
    assert caught.value.message == f"{model.path}: layer 'conv': its weights 'conv.weight' {rest}"


def test_weights_that_are_computed_at_run_time_are_refused(save_model: Callable[..., Model]) -> None:
    nodes = [
        helper.make_node("Softmax", ["stored"], ["made"]),
        helper.make_node("Conv", ["x", "made"], ["y"], name="dynamic"),
    ]
    model = save_model(nodes, {"stored": weights(1, 1, 3, 3)})
    layer = next(each for each in model.layers if each.op_type == "Conv")
    with pytest.raises(TensorError) as caught:
        read_kernels(model, layer)
    assert caught.value.message == (
        f"{model.path}: layer {layer.name!r}: its weights 'made' are computed at run time by Softmax, "
        "not stored in the file; expected weights that are stored"
    )


def test_broken_weights_are_refused_by_the_reader(conv_model: Callable[..., Model]) -> None:
    short = TensorProto(name="conv.weight", data_type=TensorProto.FLOAT, dims=[1, 1, 3, 3], raw_data=b"1234")
    with pytest.raises(TensorError):
        filters(conv_model(short), "conv")


@pytest.mark.parametrize(
    ("op", "group", "found"),
    [
        ("Conv", 3, "3; expected a divisor of its 4 output channels"),
        ("ConvTranspose", 3, "3; expected a divisor of its 4 input channels"),
        ("Conv", 0, "0; expected a divisor of its 4 output channels"),
        ("Conv", -1, "-1; expected a divisor of its 4 output channels"),
    ],
)
def test_a_group_that_does_not_divide_the_channels_is_refused(
    conv_model: Callable[..., Model], op: str, group: int, found: str
) -> None:
    model = conv_model(weights(4, 2, 3, 3), op=op, group=group)
    with pytest.raises(ModelError) as caught:
        filters(model, "conv")
    assert caught.value.message == f"{model.path}: layer 'conv': its group is {found}"
