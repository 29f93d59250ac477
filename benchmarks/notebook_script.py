"""What the notebook's author ran: tflearn, the checkpoint, plain loops over every weight, matplotlib.

python benchmarks/notebook_script.py CHECKPOINT LAYER OUT.png
"""

from __future__ import annotations

import math
import sys

import matplotlib
import notebook_network
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

PADDING = 4


def tile(weights: np.ndarray) -> np.ndarray:
    """Kernels (height, width, in, out) side by side in a square, element by element."""
    size, _, inputs, filters = weights.shape
    columns = math.ceil(math.sqrt(inputs * filters))
    picture = np.zeros([columns * (size + PADDING) - PADDING] * 2)
    for tile_index in range(inputs * filters):
        top, left = (place * (size + PADDING) for place in divmod(tile_index, columns))
        filter_index, channel = divmod(tile_index, inputs)
        for row in range(size):
            for column in range(size):
                picture[top + row, left + column] = weights[row, column, channel, filter_index]
    return (picture - picture.min()) / (picture.max() - picture.min())


def main(checkpoint: str, layer: str, out: str) -> None:
    """Load the network as its author did, and save the picture."""
    model = notebook_network.load(checkpoint)
    picture = tile(notebook_network.kernels(model, layer))
    pyplot.figure(figsize=(10, 10))
    pyplot.axis("off")
    pyplot.imshow(picture, cmap="gray", interpolation="nearest")
    pyplot.savefig(out, bbox_inches="tight", pad_inches=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
