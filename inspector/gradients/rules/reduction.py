"""Reductions over axes, and cumulative sums."""

from __future__ import annotations

from inspector.gradients.along_axis import widened
from inspector.gradients.expressions import expand_like, integers_at, where_equal
from inspector.gradients.infinite import let_through, steep
from inspector.gradients.node import Node
from inspector.gradients.registry import vjp
from inspector.gradients.value import Value

# Of a single element they all are the element.
_SAME_FOR_ONE = frozenset(
    ("ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceLogSumExp")
)


def _axes(node: Node) -> tuple[int, ...]:
    """The axes that a reduction sums up, counted from the front; all where none is named."""
    rank = node.input.rank
    axes = integers_at(node, 1, "axes") if node.has_input(1) else node.attr("axes", ())
    if not axes and node.attr("noop_with_empty_axes", 0):
        if node.op_type not in _SAME_FOR_ONE:
            raise node.refuse("has no gradient with noop_with_empty_axes and no axes")
        return ()
    return tuple(sorted(axis % rank for axis in axes)) or tuple(range(rank))


def _kept(node: Node, value: Value) -> Value:
    """An output of the reduction, or its gradient, with the axes that were summed up as axes of size 1."""
    axes = _axes(node)
    return value if node.attr("keepdims", 1) or not axes else value.op("Unsqueeze", axes=axes)


def _repeated(node: Node, grad: Value) -> Value:
    """The gradient at every element that was summed up."""
    return expand_like(_kept(node, grad), node.input)


@vjp("ReduceSum")
def reduce_sum(node: Node, grad: Value) -> Value:
    """1."""
    return _repeated(node, grad)


@vjp("ReduceMean")
def reduce_mean(node: Node, grad: Value) -> Value:
    """1/n."""
    # float16 holds no count above 65504, and few shares of one as large exactly.
    shape, wide = node.input.known_shape, widened(grad)
    count = 1
    for axis in _axes(node):
        size = shape[axis]
        if size is None:
            many = node.input.op("Size").cast(wide.dtype) / node.output.op("Size").cast(wide.dtype)
            return _repeated(node, (wide / many).cast(grad.dtype))
        count *= size
    return _repeated(node, (wide * (1 / count)).cast(grad.dtype))


@vjp("ReduceMax")
def reduce_max(node: Node, grad: Value) -> Value:
    """1 for the largest; equal ones share it."""
    return _shared(node, grad)


@vjp("ReduceMin")
def reduce_min(node: Node, grad: Value) -> Value:
    """1 for the smallest; equal ones share it."""
    return _shared(node, grad)


def _shared(node: Node, grad: Value) -> Value:
    mask = where_equal(node.input, _kept(node, node.output))
    return let_through(_kept(node, grad) / mask.sum(_axes(node)), mask)


@vjp("ReduceProd")
def reduce_prod(node: Node, grad: Value) -> Value:
    """The product of the others, also where one of them is zero."""
    x, axes = node.input, _axes(node)
    zero = where_equal(x, 0)
    without = x + zero
    product = without.op("ReduceProd", axes=axes, keepdims=1) if axes else without
    alone = where_equal(zero, zero.sum(axes))
    return _kept(node, grad) * product / without * alone


@vjp("ReduceL1")
def reduce_l1(node: Node, grad: Value) -> Value:
    """The sign."""
    return _kept(node, grad) * node.input.op("Sign")


@vjp("ReduceL2")
def reduce_l2(node: Node, grad: Value) -> Value:
    """x/y; 0 where all are zero."""
    y = _kept(node, node.output)
    return node.input * (_kept(node, grad) / (y + where_equal(y, 0)))


@vjp("ReduceSumSquare")
def reduce_sum_square(node: Node, grad: Value) -> Value:
    """2x."""
    return node.input * (_kept(node, grad) * 2)


@vjp("ReduceLogSum")
def reduce_log_sum(node: Node, grad: Value) -> Value:
    """1/Σx, which is e^(−y)."""
    return _repeated(node, steep(grad * (-node.output).op("Exp")))


@vjp("ReduceLogSumExp")
def reduce_log_sum_exp(node: Node, grad: Value) -> Value:
    """e^(x − y)."""
    return _kept(node, grad) * (node.input - _kept(node, node.output)).op("Exp")


@vjp("CumSum", since=11)
def cumsum(node: Node, grad: Value) -> Value:
    """The cumulative sum from the other end."""
    reverse, exclusive = node.attr("reverse", 0), node.attr("exclusive", 0)
    return grad.op("CumSum", node.given(1), reverse=1 - reverse, exclusive=exclusive)
