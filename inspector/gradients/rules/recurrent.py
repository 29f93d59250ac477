"""RNN, GRU and LSTM: backpropagation through time.

What each step needs of the forward pass is computed anew for all steps at once, because every hidden state is
known; only the gradient itself is handed from step to step, in a Scan, so that the graph has one size for
sequences of any length.

Reference:
    P. Werbos, "Backpropagation through time: what it does and how to do it", 1990.
"""

from __future__ import annotations

from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.through_time import Direction, Passed, assembled, body, directions, outer
from inspector.gradients.value import Value


@vjp("RNN", since=7)
def rnn(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """H' = f(x·Wᵀ + h·Rᵀ + b)."""
    del grad
    found = directions(node, ("Tanh",))
    return assembled(found, [_rnn(each) for each in found])


def _rnn(at: Direction) -> Passed:
    step = body(
        at.x,
        ["dh"],
        ["dy", "slope"],
        ["sum = Add dh dy", "da = Mul sum slope", f"back = MatMul da {at.r.name}", "out = Identity da"],
        ["back", "out"],
    )
    by_first, by_gates = at.scanned(step, [at.by_final(1)], [at.by_h, at.slope(0, at.h)], against=True)
    before = at.previous(at.h, at.initial(5))
    return Passed(by_gates, by_gates, outer(by_gates, before), (by_first,))


@vjp("LSTM", since=7)
def lstm(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """C' = f·c + i·g and h' = o·tanh(c'), with the gates i, o, f and g in this order.

    Reference:
        S. Hochreiter and J. Schmidhuber, "Long short-term memory", 1997; F. Gers, J. Schmidhuber and
        F. Cummins, "Learning to forget", 2000.
    """
    del grad
    found = directions(node, ("Sigmoid", "Tanh", "Tanh"))
    return assembled(found, [_lstm(each) for each in found])


def _lstm(at: Direction) -> Passed:
    before = at.previous(at.h, at.initial(5))
    gates = at.gates(at.x, at.w, at.bias(0)) + at.gates(before, at.r, at.bias(1))
    i, o, f = (at.active(0, at.gate(gates, place)) for place in range(3))
    g = at.active(1, at.gate(gates, 3))
    cells, cells_before = _cells(at, f, i * g)
    held = at.active(2, cells)
    # What the gradients of the state (h) or the cell (c) are multiplied by on their way to each gate.
    factors = (g * at.slope(0, i)).op(
        "Concat", held * at.slope(0, o), cells_before * at.slope(0, f), i * at.slope(1, g), axis=2
    )
    steps = [
        "h = Add dh dy",
        "through = Mul h to_cell",
        "c = Add dc through",
        "both = Concat c h c c",
        "da = Mul both factors",
        f"back_h = MatMul da {at.r.name}",
        "back_c = Mul c forget",
        "out = Identity da",
    ]
    step = body(
        at.x, ["dh", "dc"], ["dy", "to_cell", "factors", "forget"], steps, ["back_h", "back_c", "out"]
    )
    by_h, by_c, by_gates = at.scanned(
        step,
        [at.by_final(1), at.by_final(2)],
        [at.by_h, o * at.slope(2, held), factors, f],
        against=True,
    )
    return Passed(by_gates, by_gates, outer(by_gates, before), (by_h, by_c))


def _cells(at: Direction, forget: Value, added: Value) -> tuple[Value, Value]:
    """The cell after each step, and before it."""
    initial = at.initial(6)
    step = body(
        at.x,
        ["c"],
        ["forget", "added"],
        ["kept = Mul c forget", "next = Add kept added", "out = Identity next"],
        ["next", "out"],
    )
    _, cells = at.scanned(step, [initial.op("Squeeze", axes=(0,))], [forget, added], against=False)
    return cells, at.previous(cells, initial)


@vjp("GRU", since=7)
def gru(node: Node, grad: Value) -> tuple[Value | None, ...]:
    """H' = (1 − z)·n + z·h, with the gates z, r and n in this order.

    Reference:
        K. Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014, section 2.3.
    """
    del grad
    found = directions(node, ("Sigmoid", "Tanh"))
    derivative = _gru_reset_after if node.attr("linear_before_reset", 0) else _gru_reset_before
    return assembled(found, [derivative(each) for each in found])


def _gru_reset_after(at: Direction) -> Passed:
    """The reset gate is applied to what the weights make of the state."""
    before = at.previous(at.h, at.initial(5))
    by_input, by_state = at.gates(at.x, at.w, at.bias(0)), at.gates(before, at.r, at.bias(1))
    z, r = (at.active(0, at.gate(by_input, place) + at.gate(by_state, place)) for place in range(2))
    state = at.gate(by_state, 2)
    n = at.active(1, at.gate(by_input, 2) + r * state)
    to_n = (1 - z) * at.slope(1, n)
    to_z_and_r = ((before - n) * at.slope(0, z)).op("Concat", to_n * state * at.slope(0, r), axis=2)
    steps = [
        "h = Add dh dy",
        "tripled = Concat h h h",
        "da = Mul tripled factors",
        f"through = MatMul da {at.r.name}",
        "kept = Mul h z",
        "back = Add kept through",
        "dn = Mul h to_n",
        "out = Identity da",
    ]
    step = body(at.x, ["dh"], ["dy", "z", "to_n", "factors"], steps, ["back", "out", "dn"])
    factors = to_z_and_r.op("Concat", to_n * r, axis=2)
    by_first, by_state_gates, by_n = at.scanned(
        step, [at.by_final(1)], [at.by_h, z, to_n, factors], against=True
    )
    by_gates = at.gate(by_state_gates, 0, 2).op("Concat", by_n, axis=2)
    return Passed(by_gates, by_state_gates, outer(by_state_gates, before), (by_first,))


def _gru_reset_before(at: Direction) -> Passed:
    """The reset gate is applied to the state itself."""
    before = at.previous(at.h, at.initial(5))
    gates = at.gates(at.x, at.w, at.bias(0))
    r_bias = at.bias(1)
    gates = gates if r_bias is None else gates + r_bias
    own, others = _rows(at)
    by_state = at.gates(before, others, None)
    z, r = (at.active(0, at.gate(gates, place) + at.gate(by_state, place)) for place in range(2))
    n = at.active(1, at.gate(gates, 2) + at.gates(r * before, own, None))
    steps = [
        "h = Add dh dy",
        "dn = Mul h to_n",
        f"reset = MatMul dn {own.name}",
        "dz = Mul h to_z",
        "dr = Mul reset to_r",
        "dzr = Concat dz dr",
        f"through = MatMul dzr {others.name}",
        "kept = Mul h z",
        "through_n = Mul reset r",
        "back = Sum kept through through_n",
        "out = Concat dzr dn",
    ]
    sequences = {
        "dy": at.by_h,
        "z": z,
        "r": r,
        "to_n": (1 - z) * at.slope(1, n),
        "to_z": (before - n) * at.slope(0, z),
        "to_r": before * at.slope(0, r),
    }
    step = body(at.x, ["dh"], list(sequences), steps, ["back", "out"])
    by_first, by_gates = at.scanned(step, [at.by_final(1)], list(sequences.values()), against=True)
    by_r = outer(at.gate(by_gates, 0, 2), before).op(
        "Concat", outer(at.gate(by_gates, 2), r * before), axis=0
    )
    return Passed(by_gates, by_gates, by_r, (by_first,))


def _rows(at: Direction) -> tuple[Value, Value]:
    """The state's weights of the gate n, and those of z and r."""
    weights = at.r.transpose((1, 0))
    return at.gate(weights, 2).transpose((1, 0)), at.gate(weights, 0, 2).transpose((1, 0))
