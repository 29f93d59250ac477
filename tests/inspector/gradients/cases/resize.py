"""Networks of one Resize."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import onnxruntime
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import ModelProto, helper

COORDINATES = ["half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"]
ROUNDED = ["round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]
SCALES = [(2.0, 2.0), (1.0, 3.0), (0.5, 0.75), (1.5, 2.3), (0.6, 1.7), (4.0, 1.0), (5.0, 6.0)]
SIZES = [(8, 10), (4, 5), (2, 3), (6, 7), (1, 12)]


def resized(
    draw: Draw,
    constants: dict[str, Array],
    opset: int,
    shape: tuple[int, ...] = (2, 2, 4, 5),
    **attributes: Any,
) -> Case:
    """A case of Resize."""
    names = [name if name in constants else "" for name in ("roi", "scales", "sizes")]
    while not names[-1]:
        names.pop()
    node = helper.make_node("Resize", ["x", *names], ["y"], **attributes)
    x = normal(draw, *shape)
    model = network([node], {"x": x}, constants=constants, opset=opset).model()
    return network([node], {"x": x}, constants=constants, opset=opset, truth=linear_map(model, shape))


def linear_map(model: ModelProto, shape: tuple[int, ...]) -> Callable[[Mapping[str, Array]], Array]:
    """What onnxruntime computes, in float64, put together from what it makes of each element alone."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    zero = session.run(None, {"x": np.zeros(shape, np.float32)})[0].astype(np.float64)
    units = np.eye(int(np.prod(shape)), dtype=np.float32).reshape(-1, *shape)
    answers = np.stack([session.run(None, {"x": unit})[0] - zero for unit in units])
    return lambda feeds: np.tensordot(feeds["x"].reshape(-1), answers, 1) + zero


def factors(*numbers: float) -> Array:
    return np.array([1, 1, *numbers], np.float32)


def sizes(*numbers: int) -> Array:
    return np.array([2, 2, *numbers], np.int64)


def scaled(draw: Draw) -> dict[str, Array]:
    """The constants of a Resize of the last two axes, by factors or by sizes."""
    if draw(st.booleans()):
        return {"scales": factors(*draw(st.sampled_from(SCALES)))}
    return {"sizes": sizes(*draw(st.sampled_from(SIZES)))}


@case("Resize")
def nearest(draw: Draw) -> Case:
    attributes = {
        "coordinate_transformation_mode": draw(st.sampled_from([*COORDINATES, "tf_half_pixel_for_nn"])),
        "nearest_mode": draw(st.sampled_from(ROUNDED)),
    }
    opset = 13 if attributes["coordinate_transformation_mode"].startswith("tf") else draw(st.integers(13, 19))
    if opset > 13 and draw(st.booleans()):
        attributes["coordinate_transformation_mode"], opset = "half_pixel_symmetric", 19
    return resized(draw, scaled(draw), opset, **attributes)


@case("Resize")
def nearest_by_whole_numbers(draw: Draw) -> Case:
    scales = {"scales": factors(*draw(st.sampled_from([(2, 2), (3, 1), (2, 4)])))}
    attributes = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return resized(draw, scales, draw(st.integers(13, 19)), **attributes)


@case("Resize")
def linear(draw: Draw) -> Case:
    how = draw(st.sampled_from(COORDINATES))
    return resized(
        draw, scaled(draw), draw(st.integers(13, 19)), mode="linear", coordinate_transformation_mode=how
    )


@case("Resize")
def cubic(draw: Draw) -> Case:
    return resized(
        draw,
        scaled(draw),
        draw(st.integers(13, 19)),
        mode="cubic",
        coordinate_transformation_mode=draw(st.sampled_from(COORDINATES)),
        cubic_coeff_a=draw(st.sampled_from([-0.75, -0.5])),
        exclude_outside=draw(st.integers(0, 1)),
    )


@case("Resize")
def antialiased(draw: Draw) -> Case:
    return resized(
        draw,
        {"scales": factors(*draw(st.sampled_from([(0.5, 0.5), (0.3, 0.7), (0.6, 1.0), (0.25, 0.5)])))},
        draw(st.integers(18, 19)),
        mode=draw(st.sampled_from(["linear", "cubic"])),
        antialias=1,
        exclude_outside=draw(st.integers(0, 1)),
    )


@case("Resize")
def cropped(draw: Draw) -> Case:
    regions = [((0.0, 0.2), (1.0, 0.9)), ((-0.3, 0.1), (0.6, 1.4)), ((0.25, 0.5), (0.75, 0.6))]
    begin, end = draw(st.sampled_from(regions))
    # onnxruntime does not crop where no size changes.
    wanted = draw(st.sampled_from([size for size in SIZES if size != (4, 5)]))
    return resized(
        draw,
        {"roi": np.float32([0, 0, *begin, 1, 1, *end]), "sizes": sizes(*wanted)},
        draw(st.integers(13, 19)),
        mode=draw(st.sampled_from(["nearest", "linear"])),
        coordinate_transformation_mode="tf_crop_and_resize",
        extrapolation_value=0.5,
    )


@case("Resize")
def some_axes_keeping_their_ratio(draw: Draw) -> Case:
    axes = draw(st.sampled_from([(2, 3), (3, 2)]))
    return resized(
        draw,
        {"sizes": np.array(draw(st.sampled_from(SIZES)), np.int64)},
        draw(st.integers(18, 19)),
        axes=axes,
        mode=draw(st.sampled_from(["nearest", "linear"])),
        keep_aspect_ratio_policy=draw(st.sampled_from(["stretch", "not_larger", "not_smaller"])),
    )


@case("Resize")
def other_ranks(draw: Draw) -> Case:
    shape, scales = draw(
        st.sampled_from(
            [((2, 2, 5), (1, 1, 2)), ((1, 2, 3, 2, 3), (1, 1, 2, 1.5, 2)), ((2, 3, 4, 2), (1, 2, 1.5, 1))]
        )
    )
    mode = draw(st.sampled_from(["nearest", "linear"]))
    return resized(draw, {"scales": np.float32(scales)}, draw(st.integers(13, 19)), shape, mode=mode)
