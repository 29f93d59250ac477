"""Which of several equal ways of writing a gradient onnxruntime runs fastest on a CPU.

Chosen by measurement (onnxruntime 1.32, two cores with AVX-512, each way in a process of its own). Figures
are parts of the time of what was chosen: above 1 is slower. What decides:

- Conv runs in onnxruntime's blocked layout, eight or sixteen channels at a time, and needs no room to spread
  its input out. ConvTranspose is one matrix product for each sample and group, and a scattered sum.
- So with stride 1 the gradient of a convolution is a Conv with the flipped kernel: ConvTranspose took 1.1 to
  2.5 for 64 channels and more, and 4 for depthwise kernels.
- Towards few channels (the 1 or 3 of a picture) blocks stay empty, and ConvTranspose is best. One Conv that
  makes a block of pixels as its channels, put in their places by DepthToSpace, took 0.7 to 0.95 for 11×11
  kernels with stride 4, 0.9 to 1.2 for 7×7 with stride 2, 1.2 to 1.9 for 3×3 and 10×10: too little for a
  second way.
- With other strides a Conv for each phase took 2 to 3. For 1×1 kernels with stride 2, a Conv whose output is
  enlarged and every second number of which is then set to zero took 1.0 to 1.5, zeros put between by Pad 1.5
  to 8.
- A factor for each channel, which batch normalization hands on, goes into the kernels: 1.02 to 1.04 without,
  for the whole of ResNet-50.
- The places of the maxima are asked of the forward MaxPool, though it is slower with them: it took less than
  to find them again by comparing, in any way that ONNX can write. Where windows do not overlap,
  ScatterElements took 1.3 of MaxUnpool; where they do, a MaxUnpool for each set of windows without overlap
  took 1.4 of ScatterElements. To compare tap by tap, first along rows and then along columns, took 1.0 to 1.2
  for the whole of SqueezeNet. ScatterND is faster and wrong: its threads lose what they add to one number at
  the same time (of four million ones added to one place, 2.6 million arrived).
- The mask of a Relu in front of a MaxPool is applied to the maxima: without, 1.08 for SqueezeNet, batch 8.
- The mask of a Relu as a Conv of one tap for each channel, in the blocked layout, with the HardSigmoid fused
  into it, took 1.0 to 1.04 for whole networks, also where a fixed batch lets its product stay in that layout:
  the plain HardSigmoid stays.
- Of SqueezeNet's 140 ms at batch 8, the convolutions of both passes took 45: the rest are pooling (56), masks
  and changes of layout.
- The transposed factor of a Gemm is an attribute, so that no weight is stored twice; a stored transposed
  weight took 0.98 to 1.03.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inspector.gradients.along_axis import added_at
from inspector.gradients.expressions import positive
from inspector.gradients.infinite import let_through
from inspector.gradients.node import Node
from inspector.gradients.value import Value
from inspector.gradients.windows import Windows

# Fewer channels than these leave most of a block empty.
_FEWEST_CHANNELS = 8


def spread(grad: Value, kernels: Value, windows: Windows, group: int) -> Value:
    """Spread a number for each window over it, weighted by the kernels: the gradient of a Conv's input.

    Args:
        grad: The gradient of the Conv's output.
        kernels: Its kernels.
        windows: Its windows.
        group: Its number of groups.
    """
    grad, kernels = _factor_into_kernels(grad, kernels)
    mirrored = windows.mirrored()
    count = (kernels.known_shape[1] or 0) * group
    if mirrored is None or count < _FEWEST_CHANNELS or not kernels.is_constant:
        return grad.op("ConvTranspose", kernels, group=group, **windows.transposed())
    return grad.op("Conv", flipped(kernels, group), group=group, **mirrored)


def _factor_into_kernels(grad: Value, kernels: Value) -> tuple[Value, Value]:
    """Let stored kernels take over a constant factor for each channel, as batch normalization hands it on."""
    made = grad.tape.maker(grad)
    if made is None or made.op_type != "Mul":
        return grad, kernels
    inner, factor = (grad.tape.value(name) for name in made.input)
    numbers = grad.tape.constants.get(factor.name)
    for_each_channel = (kernels.known_shape[0], *[1] * (kernels.rank - 2))
    if numbers is None or numbers.shape != for_each_channel or inner.sizes != grad.sizes:
        return grad, kernels
    scaled = kernels.folding(f"times_{factor.name}", lambda w: w * numbers.reshape(-1, *[1] * (w.ndim - 1)))
    return (grad, kernels) if scaled is None else (inner, scaled)


def flipped(kernels: Value, group: int) -> Value:
    """The kernels with inputs and outputs exchanged, every spatial axis reversed; stored, where they are."""
    rank = kernels.rank
    outside, inside = kernels.known_shape[0] or 0, kernels.known_shape[1] or 0
    taps = tuple(size or 0 for size in kernels.known_shape[2:])
    grouped = (group, outside // group, inside, *taps)
    perm = (0, 2, 1, *range(3, rank + 1))
    turned = (slice(None), slice(None), *(slice(None, None, -1) for _ in taps))
    stored = kernels.folding(
        f"flipped_{group}",
        lambda w: w.reshape(grouped).transpose(perm).reshape(group * inside, outside // group, *taps)[turned],
    )
    if stored is not None:
        return stored
    exchanged = (
        kernels.op("Transpose", perm=(1, 0, *range(2, rank)))
        if group == 1
        else kernels.reshape(grouped)
        .op("Transpose", perm=perm)
        .reshape((group * inside, outside // group, *taps))
    )
    if all(size == 1 for size in taps):
        return exchanged
    ends = (-(2**31),) * len(taps)
    return exchanged.op("Slice", (-1,) * len(taps), ends, tuple(range(2, rank)), (-1,) * len(taps))


def spread_maxima(node: Node, grad: Value, windows: Windows) -> Value:
    """Hand the gradient of each maximum to the place that it came from.

    Args:
        node: The MaxPool; it comes to give the places of the maxima too.
        grad: The gradient of its output.
        windows: Its windows.
    """
    if node.attr("storage_order", 0):
        raise node.refuse("has no gradient with storage_order=1; expected 0")
    x, places = node.input, node.forward_output(1)
    apart = all(stride >= extent for stride, extent in zip(windows.strides, windows.extent, strict=True))
    # onnxruntime has no MaxUnpool for float64.
    hand_out = _unpool if apart and grad.dtype != np.float64 else _scatter
    spread = hand_out(grad, places, x, windows)
    again = Maxima(x, node.output, grad, lambda other: hand_out(other, places, x, windows))
    grad.tape.remember(spread, again)
    return spread


def masked(grad: Value, output: Value) -> Value:
    """Let pass the gradient of a Relu, by its output, where that is above zero.

    Of a gradient that comes from the windows of a MaxPool, the one maximum of each is looked at in place of
    all numbers: for 3×3 windows with stride 2 that is a quarter.
    """
    maxima = grad.tape.recall(grad, Maxima)
    if maxima is None or maxima.inside != output:
        return let_through(grad, positive(output))
    return maxima.spread(let_through(maxima.grad, positive(maxima.pooled)))


@dataclass(frozen=True)
class Maxima:
    """What a gradient that is spread over the maxima of windows was made of.

    Attributes:
        inside: The value that the windows slide over.
        pooled: The maximum of each.
        grad: The gradient of each maximum.
        spread: Spreads another in the same way.
    """

    inside: Value
    pooled: Value
    grad: Value
    spread: Callable[[Value], Value]


def _unpool(grad: Value, places: Value, x: Value, windows: Windows) -> Value:
    """For windows without overlap."""
    spread = grad.op(
        "MaxUnpool",
        places,
        x.shape_vector(),
        kernel_shape=windows.kernel,
        strides=windows.strides,
        pads=(*windows.begins, *(max(end, 0) for end in windows.ends)),
    )
    return spread.declared_like(x)


def _scatter(grad: Value, places: Value, x: Value, windows: Windows) -> Value:
    """For windows that overlap: a number may be the maximum of several, and what they hand it is added up."""
    flat, at, each = (value.op("Reshape", (-1,)) for value in (x.zeros(), places, grad))
    return added_at(flat, at, each, axis=0).reshape_like(x)
