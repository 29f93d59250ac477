"""Layers out of the names of tensors."""

import pytest
from lite_files import Part, Step, lite

from converters.tflite.naming import name_layers
from converters.tflite.reader import read_model

SHAPE = (1, 4)


def layers(tmp_path, *names):
    """The layers of a chain of activations whose outputs have these names."""
    path = tmp_path / "m.tflite"
    parts = [Part(SHAPE)] * (len(names) + 1)
    steps = [Step("TANH", [place], [place + 1]) for place in range(len(names))]
    path.write_bytes(lite(parts, steps, names=["x", *names]))
    found = name_layers(read_model(path))
    return list(found.of.values()), found


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("model/conv2d/Relu;model/conv2d/BiasAdd", "model/dense/Tanh"), ["conv2d", "dense"]),
        (("functional_1/conv_1_1/Relu", "functional_1/pool_1/MaxPool2d"), ["conv_1", "pool"]),
        (("m/conv_1/Relu", "m/conv_2/Relu"), ["conv_1", "conv_2"]),
        (("StatefulPartitionedCall/m/a/Relu", "StatefulPartitionedCall:0"), ["a", "a"]),
        (("m/a/separable_conv2d/depthwise2", "m/a/Relu", "m/b/add"), ["a", "a", "b"]),
        (("A/A/Conv2d_0/Relu6", "A/Logits/AvgPool_1a/AvgPool"), ["A/Conv2d_0", "Logits/AvgPool_1a"]),
        (("tfl.tanh", "arith.constant"), ["tanh", "tanh"]),
        (("out",), ["out"]),
        (
            ("m/block/conv2d_1/Relu", "m/block/add/add", "m/head/dense/BiasAdd"),
            ["block/conv2d_1", "block/add", "head/dense"],
        ),
    ],
)
def test_a_layer_is_what_the_author_called_it(tmp_path, names, expected):
    assert layers(tmp_path, *names)[0] == expected


def test_a_layer_s_value_is_the_last_that_it_makes(tmp_path):
    _, found = layers(tmp_path, "m/a/BiasAdd", "m/a/Relu", "m/b/Relu")
    assert found.tensors == {"a": "m/a/Relu", "b": "m/b/Relu"}


def test_a_number_that_is_taken_off_every_layer_is_told(tmp_path):
    _, found = layers(tmp_path, "m_1/a_1/Relu", "m_1/b_1/Relu")
    assert found.decisions == (
        "Keras ended each layer's name in _1, for it built the model once more: taken off.",
    )
    assert layers(tmp_path, "m/a_1/Relu", "m/b/Relu")[1].decisions == ()
