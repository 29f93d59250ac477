"""Networks of one GridSample. The truth is a loop over places, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper


def sampled(x: Array, grid: Array, mode: str, padding: str, corners: int) -> Array:
    """What GridSample makes, one place after the other."""
    sizes = np.array(x.shape[2:])
    made = np.zeros((*x.shape[:2], *grid.shape[1:-1]))
    for sample, *rest in np.ndindex(*grid.shape[:-1]):
        place = grid[sample, *rest][::-1]
        at = (place + 1) / 2 * (sizes - 1) if corners else ((place + 1) * sizes - 1) / 2
        if padding == "border":
            at = np.clip(at, 0, sizes - 1)
        low = np.floor(at)
        steps = product((0, 1), repeat=len(sizes))
        neighbours = [np.round(at)] if mode == "nearest" else [low + step for step in steps]
        for neighbour in neighbours:
            if np.all((neighbour >= 0) & (neighbour < sizes)):
                weight = 1.0 if mode == "nearest" else np.prod(1 - np.abs(at - neighbour))
                made[sample, :, *rest] += weight * x[sample, :, *neighbour.astype(int)]
    return made


@case("GridSample")
def pictures(draw: Draw) -> Case:
    mode = draw(st.sampled_from(["bilinear", "nearest"]))
    return grid_sample(draw, draw(st.integers(16, 19)), mode, 2)


@case("GridSample")
def volumes(draw: Draw) -> Case:
    return grid_sample(draw, draw(st.integers(20, 22)), draw(st.sampled_from(["linear", "nearest"])), 3)


def grid_sample(draw: Draw, opset: int, mode: str, axes: int) -> Case:
    padding, corners = draw(st.sampled_from(["zeros", "border"])), draw(st.integers(0, 1))
    sizes = [draw(st.integers(2, 3)) for _ in range(axes)]
    seed = np.random.default_rng(draw(st.integers(0, 99)))
    # Away from whole pixels, where the weights have a kink, and from the halves between them.
    shape = (2, *[1] * (axes - 2), 2, 2, axes)
    pixels = seed.integers(-1, sizes, shape) + seed.choice([0.2, 0.3, 0.7], shape)
    whole = np.array(sizes) - 1 if corners else np.array(sizes)
    grid = ((pixels - (np.array(sizes) - 1) / 2) / whole * 2)[..., ::-1].astype(np.float32)
    attributes = {"mode": mode, "padding_mode": padding, "align_corners": corners}
    node = helper.make_node("GridSample", ["x", "g"], ["y"], **attributes)

    def truth(feeds: Mapping[str, Array]) -> Array:
        return sampled(feeds["x"], feeds["g"], mode, padding, corners)

    inputs = {"x": normal(draw, 2, 4 - axes, *sizes), "g": np.ascontiguousarray(grid)}
    return network([node], inputs, opset=opset, truth=truth, free=draw(st.booleans()))
