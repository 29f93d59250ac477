"""Networks of one recurrent operator. The truth is a loop over the steps, in float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from gradient_cases import Array, Case, Draw, case, network, normal
from hypothesis import strategies as st
from onnx import helper

FUNCTIONS: dict[str, Callable[[Array], Array]] = {
    "Sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "Tanh": np.tanh,
    "Relu": lambda x: np.maximum(x, 0),
}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
DEFAULTS = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
State = tuple[Array, Array]


def rnn_step(x: Array, state: State, weights: list[Array], names: list[str], _: int) -> State:
    w, r, wb, rb = weights
    return FUNCTIONS[names[0]](x @ w.T + state[0] @ r.T + wb + rb), state[1]


def gru_step(x: Array, state: State, weights: list[Array], names: list[str], after: int) -> State:
    (wz, wr, wn), (rz, rr, rn), (bz, br, bn), (sz, sr, sn) = (np.split(each, 3) for each in weights)
    f, g = (FUNCTIONS[name] for name in names)
    h = state[0]
    z, r = f(x @ wz.T + h @ rz.T + bz + sz), f(x @ wr.T + h @ rr.T + br + sr)
    n = g(x @ wn.T + bn + (r * (h @ rn.T + sn) if after else (r * h) @ rn.T + sn))
    return (1 - z) * n + z * h, state[1]


def lstm_step(x: Array, state: State, weights: list[Array], names: list[str], _: int) -> State:
    w, r, wb, rb = weights
    f, g, last = (FUNCTIONS[name] for name in names)
    i, o, forget, c = np.split(x @ w.T + state[0] @ r.T + wb + rb, 4, axis=1)
    cell = f(forget) * state[1] + f(i) * g(c)
    return f(o) * last(cell), cell


STEPS = {"RNN": rnn_step, "GRU": gru_step, "LSTM": lstm_step}


def unrolled(
    op_type: str, feeds: Mapping[str, Array], reversals: list[bool], names: list[str], after: int
) -> tuple[Array, Array, Array]:
    """All hidden states (time, directions, batch, hidden), the last ones, and the last cells."""
    x, hidden = feeds["x"], feeds["r"].shape[2]
    every, last, cells = [], [], []
    for at, backwards in enumerate(reversals):
        zeros = np.zeros((x.shape[1], hidden))
        state = feeds["h0"][at] if "h0" in feeds else zeros, feeds["c0"][at] if "c0" in feeds else zeros
        bias = feeds["b"][at] if "b" in feeds else np.zeros(2 * feeds["w"].shape[1])
        weights = [feeds["w"][at], feeds["r"][at], *np.split(bias, 2)]
        chosen = names[at * len(names) // len(reversals) :][: len(DEFAULTS[op_type])]
        made = []
        for step in range(len(x))[:: -1 if backwards else 1]:
            state = STEPS[op_type](x[step], state, weights, chosen, after)
            made.append(state[0])
        every.append(np.stack(made[::-1] if backwards else made))
        last.append(state[0])
        cells.append(state[1])
    return np.stack(every, 1), np.stack(last), np.stack(cells)


def recurrent(draw: Draw, op_type: str, **attributes: Any) -> Case:
    """One recurrent operator, of drawn direction, sizes, inputs left out, and output looked at."""
    direction = draw(st.sampled_from(["forward", "reverse", "bidirectional"]))
    reversals = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]
    time, width, hidden = draw(st.integers(1, 4)), draw(st.integers(1, 3)), draw(st.integers(2, 3))
    batch = 2
    count, gates = len(reversals), GATES[op_type] * hidden
    inputs = {
        "x": normal(draw, time, batch, width),
        "w": normal(draw, count, gates, width, scale=0.6),
        "r": normal(draw, count, gates, hidden, scale=0.6),
        "b": normal(draw, count, 2 * gates, scale=0.5),
        "h0": normal(draw, count, batch, hidden),
        "c0": normal(draw, count, batch, hidden),
    }
    left_out = draw(st.sampled_from([(), ("b",), ("h0", "c0"), ("b", "c0"), ("b", "h0", "c0")]))
    left_out = left_out if op_type == "LSTM" else (*left_out, "c0")
    given = {name: array for name, array in inputs.items() if name not in left_out}
    slots = [name if name in given else "" for name in ("x", "w", "r", "b", "", "h0", "c0")]
    while not slots[-1]:
        slots.pop()
    names = attributes.get("activations", DEFAULTS[op_type]) * count
    if "activations" in attributes:
        attributes["activations"] = names
    outputs = ["y", "y_h", "y_c"][: 3 if op_type == "LSTM" else 2]
    of = draw(st.integers(0, len(outputs) - 1))
    node = helper.make_node(op_type, slots, outputs, hidden_size=hidden, direction=direction, **attributes)
    after = attributes.get("linear_before_reset", 0)
    return network(
        [node],
        given,
        of=outputs[of],
        opset=draw(st.sampled_from([14, 18, 22])),
        truth=lambda feeds: unrolled(op_type, feeds, reversals, names, after)[of],
    )


@case("RNN")
def rnn(draw: Draw) -> Case:
    return recurrent(draw, "RNN", activations=[draw(st.sampled_from(["Tanh", "Sigmoid"]))])


@case("GRU")
def gru(draw: Draw) -> Case:
    return recurrent(draw, "GRU", linear_before_reset=0)


@case("GRU")
def gru_that_resets_after(draw: Draw) -> Case:
    return recurrent(draw, "GRU", linear_before_reset=1)


@case("LSTM")
def lstm(draw: Draw) -> Case:
    return recurrent(draw, "LSTM")


@case("LSTM")
def lstm_with_other_activations(draw: Draw) -> Case:
    return recurrent(draw, "LSTM", activations=["Sigmoid", "Sigmoid", "Tanh"])
