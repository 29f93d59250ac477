"""Networks of attention, as one operator and as exporters write it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper

NAMES = ("q", "k", "v")


def softmax(scores: Array) -> Array:
    """Along the last axis; a row of minus infinities becomes zeros."""
    powers = np.exp(scores - np.maximum(scores.max(-1, keepdims=True), -1e30))
    return powers / np.maximum(powers.sum(-1, keepdims=True), 1e-300)


def attended(q: Array, k: Array, v: Array, bias: Array | float, scale: float, softcap: float) -> Array:
    """Attention of (batch, heads, length, size), head by head."""
    shared = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, shared, 1), np.repeat(v, shared, 1)
    scores = scale * np.einsum("bhqd,bhkd->bhqk", q, k)
    scores = softcap * np.tanh(scores / softcap) if softcap else scores
    return np.einsum("bhqk,bhkd->bhqd", softmax(scores + bias), v)


def biases(mask: Array | None, causal: int, queries: int, keys: int) -> Array:
    """What is added to the scores."""
    bias = np.zeros((queries, keys)) if not causal else np.triu(np.full((queries, keys), -np.inf), 1)
    if mask is None:
        return bias
    return bias + (np.where(mask, 0.0, -np.inf) if mask.dtype == bool else mask)


def drawn_mask(draw: Draw, heads: int, queries: int, keys: int) -> Array | None:
    shapes = [(queries, keys), (1, heads, queries, keys), (2, 1, queries, keys)]
    shape = draw(st.sampled_from(shapes))
    kind = draw(st.sampled_from(["none", "float", "bool"]))
    numbers = normal(draw, *shape)
    return {"none": None, "float": numbers, "bool": numbers > -0.5}[kind]


@case("Attention")
def by_heads(draw: Draw) -> Case:
    """Four axes; several queries may share a key."""
    groups, shared = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    queries, keys, size = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    heads = groups * shared
    inputs: dict[str, Array] = {
        "q": normal(draw, 2, heads, queries, size),
        "k": normal(draw, 2, groups, keys, size),
        "v": normal(draw, 2, groups, keys, 2),
    }
    options: dict[str, Any] = {"is_causal": draw(st.integers(0, 1))}
    options |= draw(st.sampled_from([{}, {"scale": 0.7}, {"softcap": 2.0}, {"scale": 0.5, "softcap": 1.5}]))
    mask = drawn_mask(draw, heads, queries, keys)
    if mask is not None:
        inputs["mask"] = mask
    scale = options.get("scale", size**-0.5)

    def truth(feeds: Mapping[str, Array]) -> Array:
        bias = biases(feeds.get("mask"), options["is_causal"], queries, keys)
        return attended(*(feeds[name] for name in NAMES), bias, scale, options.get("softcap", 0.0))

    node = helper.make_node("Attention", list(inputs), ["y"], **options)
    return network([node], inputs, opset=draw(st.integers(23, 24)), truth=truth)


@case("Attention")
def by_sequence(draw: Draw) -> Case:
    """Three axes: the heads lie side by side."""
    groups, shared = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    queries, keys, size = draw(st.integers(1, 3)), draw(st.integers(1, 4)), draw(st.integers(1, 3))
    heads = groups * shared
    inputs = {
        "q": normal(draw, 2, queries, heads * size),
        "k": normal(draw, 2, keys, groups * size),
        "v": normal(draw, 2, keys, groups * 2),
    }

    def truth(feeds: Mapping[str, Array]) -> Array:
        q, k, v = (
            feeds[name].reshape(2, -1, count, width).transpose(0, 2, 1, 3)
            for name, count, width in (("q", heads, size), ("k", groups, size), ("v", groups, 2))
        )
        return attended(q, k, v, 0.0, size**-0.5, 0.0).transpose(0, 2, 1, 3).reshape(2, queries, -1)

    node = helper.make_node("Attention", list(inputs), ["y"], q_num_heads=heads, kv_num_heads=groups)
    opset = draw(st.integers(23, 24))
    return network([node], inputs, opset=opset, truth=truth, free=draw(st.booleans()))


@case("Softmax")
def attention_as_exporters_write_it(draw: Draw) -> Case:
    """One projection for all three, heads by Reshape and Transpose, a causal mask by Where."""
    heads, size, length = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(2, 4))
    width = heads * size
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["qkv"]),
        helper.make_node("Reshape", ["qkv", "by_head"], ["apart"]),
        helper.make_node("Transpose", ["apart"], ["ordered"], perm=[2, 0, 3, 1, 4]),
        *(
            helper.make_node("Gather", ["ordered", f"at_{at}"], [name], axis=0)
            for at, name in enumerate(NAMES)
        ),
        helper.make_node("Transpose", ["k"], ["kt"], perm=[0, 1, 3, 2]),
        helper.make_node("MatMul", ["q", "kt"], ["raw"]),
        helper.make_node("Div", ["raw", "root"], ["scaled"]),
        helper.make_node("Where", ["seen", "scaled", "never"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["weights"], axis=-1),
        helper.make_node("MatMul", ["weights", "v"], ["mixed"]),
        helper.make_node("Transpose", ["mixed"], ["together"], perm=[0, 2, 1, 3]),
        helper.make_node("Reshape", ["together", "flat"], ["y"]),
    ]
    constants = {
        "w": normal(draw, width, 3 * width),
        "by_head": np.array([0, length, 3, heads, size], np.int64),
        "flat": np.array([0, length, width], np.int64),
        **{f"at_{at}": np.array(at, np.int64) for at in range(3)},
        "root": np.float32(np.sqrt(size)),
        "seen": np.tril(np.ones((length, length), bool)),
        "never": np.float32(-1e9),
    }
    return network(nodes, {"x": normal(draw, 2, length, width)}, constants=constants, opset=17, free=True)
