"""Which of several equal ways of writing a gradient onnxruntime runs fastest on a CPU.

Chosen by measurement (onnxruntime 1.32, two cores with AVX-512). What decides:

- Conv runs in onnxruntime's blocked layout, eight or sixteen channels at a time, and needs no room to spread
  its input out. ConvTranspose is one matrix product for each sample and group, and a scattered sum.
- So with stride 1 the gradient of a convolution is a Conv with the flipped kernel: it took 0.4 to 0.9 of the
  time for 64 channels and more, and a quarter for depthwise kernels. Towards few channels (the 1 or 3 of a
  picture) blocks stay empty: there ConvTranspose took a tenth.
- With other strides ConvTranspose took a half to a third of the time of a Conv for each phase. One Conv for
  all phases, which DepthToSpace then puts in their places, took 0.97 to 1.21 of its time towards 3
  channels with stride 2 and 0.75 to 0.94 with stride 4 (one thread): too little for a second way.
- The places of the maxima are asked of the forward MaxPool, though it is slower with them: it took less than
  to find them again by comparing, in any way that ONNX can write. Where windows do not overlap, MaxUnpool
  took 0.7 to 0.8 of the time of ScatterElements; where they do, ScatterElements 0.7 of that of a MaxUnpool
  for each set of windows without overlap. To compare tap by tap, first along rows and then along columns,
  with the channels last so that all is moved in rows, and without any scatter, took 0.96 (batch 1) and 1.09
  (batch 8) of the time for the whole of SqueezeNet on one thread; on two busy ones 0.99 and 1.19.
- Of SqueezeNet's 230 ms on one thread at batch 8, the convolutions of both passes took 75: the rest are
  pooling, masks and changes of layout.
- The mask of a Relu as a Conv of one tap for each channel, in the blocked layout, with the HardSigmoid fused
  into it, took 0.96 to 1.07 of the time of all of a network: the plain HardSigmoid stays.
- The transposed factor of a Gemm is an attribute, so that no weight is stored twice.
"""

from __future__ import annotations

import numpy as np

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
    mirrored = windows.mirrored()
    count = (kernels.known_shape[1] or 0) * group
    if mirrored is None or count < _FEWEST_CHANNELS or not kernels.is_constant:
        return grad.op("ConvTranspose", kernels, group=group, **windows.transposed())
    return grad.op("Conv", flipped(kernels, group), group=group, **mirrored)


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
    x = node.input
    if node.attr("storage_order", 0):
        raise node.refuse("has no gradient with storage_order=1; expected 0")
    places = node.forward_output(1)
    if all(stride >= extent for stride, extent in zip(windows.strides, windows.extent, strict=True)):
        pads = (*windows.begins, *(max(end, 0) for end in windows.ends))
        spread = grad.op(
            "MaxUnpool",
            places,
            x.op("Shape"),
            kernel_shape=windows.kernel,
            strides=windows.strides,
            pads=pads,
        )
        return spread.declared_like(x)
    # A number may be the maximum of several windows: what they hand it is added up.
    zeros = x.op("Size").op("Reshape", (-1,)).op("ConstantOfShape", value=np.zeros(1, grad.dtype))
    flat = zeros.op(
        "ScatterElements", places.op("Reshape", (-1,)), grad.op("Reshape", (-1,)), axis=0, reduction="add"
    )
    return flat.reshape_like(x)
