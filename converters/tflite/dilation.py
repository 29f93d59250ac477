"""A dilated convolution that is written as a plain one between SPACE_TO_BATCH_ND and BATCH_TO_SPACE_ND."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from converters.tflite import schema
from converters.tflite.model import Operation, Tensor

_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


@dataclass(frozen=True)
class Dilated:
    """What the three operators are together.

    Attributes:
        convolution: The one in the middle.
        spread: The first one, which reads the data.
        steps: The dilations of rows and columns.
        pads: Zeros before rows and columns, then behind.
    """

    convolution: Operation
    spread: Operation
    steps: tuple[int, int]
    pads: tuple[int, ...]


def dilated(
    last: Operation, convolution: object, spread: object, tensors: Mapping[str, Tensor]
) -> Dilated | None:
    """See three operators as one.

    Args:
        last: BATCH_TO_SPACE_ND.
        convolution: What makes its input.
        spread: What makes the convolution's input.
        tensors: Those of the graph.

    Returns:
        What they are; None where they are something else, or are quantised.
    """
    if not isinstance(convolution, Operation) or not isinstance(spread, Operation):
        return None
    if convolution.op not in _CONVOLUTIONS or spread.op != "SPACE_TO_BATCH_ND":
        return None
    options = convolution.options
    plain = [options[name] for name in ("stride_h", "stride_w", "dilation_h", "dilation_w")] == [1] * 4
    if not plain or options["padding"] != schema.PADDINGS.index("VALID"):
        return None
    if any(tensors[name].quantization is not None for name in (*spread.outputs, *last.outputs)):
        return None
    stored = [tensors[name].data for name in (*spread.inputs[1:3], *last.inputs[1:3]) if name]
    held = [array for array in stored if array is not None]
    if [array.shape for array in held] != [(2,), (2, 2), (2,), (2, 2)]:
        return None
    block, added, again, crops = held
    # What is cut off behind was added there only to fill the last block.
    pads = np.asarray(added, np.int64) - np.asarray(crops, np.int64)
    if not np.array_equal(block, again) or np.min(block) < 1 or np.min(pads) < 0:
        return None
    return Dilated(convolution, spread, (int(block[0]), int(block[1])), tuple(int(n) for n in pads.T.ravel()))
