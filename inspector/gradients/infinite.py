"""Gradients that may be infinite, and masks that stop them all the same.

A mask is a product with 0 and 1, which is many times faster in onnxruntime than a Where; but 0 · ∞ is not 0.
So rules that divide by what may be 0 say so, and a mask behind one of them is a Where.
"""

from __future__ import annotations

from dataclasses import dataclass

from inspector.gradients.value import Value

# Sums of many products, which no mask saves; most networks have their masks behind one.
_PRODUCTS = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul", "Einsum"))


@dataclass(frozen=True)
class Steep:
    """What a gradient that may be infinite is remembered with."""


@dataclass(frozen=True)
class Replaced:
    """What the gradient of a value is remembered with in whose place a Where may have taken another.

    It is 0 there, whatever the value is: softmax uses that, which is NaN where all scores are minus infinity.
    """


def steep(grad: Value) -> Value:
    """Say of a gradient that it may be infinite where numbers of the network are finite.

    Args:
        grad: What was divided by a number that may be 0.
    """
    grad.tape.remember(grad, Steep())
    return grad


def let_through(grad: Value, mask: Value) -> Value:
    """A gradient times a mask; 0 where the mask is 0, also of a gradient that is infinite there.

    Args:
        grad: The gradient.
        mask: Of the same dtype, and of a shape that is broadcast with it.
    """
    product = grad * mask
    return mask.equal(0).where(0.0, product) if may_be_infinite(grad) else product


def may_be_infinite(grad: Value) -> bool:
    """Whether a gradient was made, element by element, of one that may be infinite."""
    waiting, seen = [grad], {grad.name}
    while waiting:
        value = waiting.pop()
        if value.tape.recall(value, Steep):
            return True
        made = value.tape.maker(value)
        if made is None or made.op_type in _PRODUCTS:
            continue
        fresh = [name for name in made.input if name and name not in seen]
        seen.update(fresh)
        waiting += map(value.tape.value, fresh)
    return False
