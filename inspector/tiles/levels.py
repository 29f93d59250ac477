"""From weights to what is drawn: one scale, symmetric about zero, with zero exactly in the middle."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspector.choices import Scale

# A grey or colour-mapped picture is a palette picture. Its first two entries are not weights.
BACKGROUND = 0
NOT_A_NUMBER = 1
ZERO = 128
_REACH = 126  # ZERO ± _REACH are the two ends of the scale

BACKGROUND_COLOUR = (30, 41, 59)  # a dark slate: no grey, and no end of any map
NOT_A_NUMBER_COLOUR = (255, 0, 255)

_ROBUST_PERCENTILE = 99.0

Weights = NDArray[np.floating]


def limits(tiles: Weights, scale: Scale) -> NDArray[np.float64]:
    """Return the magnitude that gets the strongest colour; NaN and infinity are left out.

    Args:
        tiles: float (N, …), one tile per row.
        scale: "shared": the largest magnitude of all; "robust": the 99th percentile of all magnitudes;
            "each": the largest magnitude of each tile.

    Returns:
        float64 (1,), or (N,) for "each". 0 where there is nothing but zeros.
    """
    count = len(tiles)
    magnitudes = np.abs(tiles.reshape(count, -1) if tiles.size else np.zeros((count, 1), tiles.dtype))
    finite = np.isfinite(magnitudes)
    if scale == "each":
        per_tile: NDArray[np.float64] = magnitudes.max(axis=1, initial=0, where=finite).astype(np.float64)
        return per_tile
    largest = float(magnitudes.max(initial=0, where=finite))
    if scale == "robust":
        usual = magnitudes[finite]
        # Where nearly all weights are zero so is the percentile, and the few that matter set the scale.
        largest = float(np.percentile(usual, _ROBUST_PERCENTILE) if usual.size else 0) or largest
    return np.array([largest])


def to_palette(tiles: Weights, limit: NDArray[np.float64], *, signed: bool = True) -> NDArray[np.uint8]:
    """Return the palette index of every weight.

    Args:
        tiles: float (N, H, W).
        limit: float64 (1,) or (N,), from `limits`.
        signed: Whether zero is in the middle; otherwise it is at the low end.

    Returns:
        uint8 (N, H, W): 2 to 254, `ZERO` for zero (2 when unsigned), `NOT_A_NUMBER` for NaN and infinity.
    """
    share = _unit(tiles, limit)
    drawn = np.rint(share * _REACH if signed else (2 * np.maximum(share, 0) - 1) * _REACH) + ZERO
    drawn = drawn.astype(np.uint8)
    drawn[~np.isfinite(tiles)] = NOT_A_NUMBER
    return drawn


def to_rgb(tiles: Weights, limit: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the colour of every pixel of kernels with red, green and blue slices.

    Args:
        tiles: float (N, H, W, 3).
        limit: float64 (1,) or (N,), from `limits`.

    Returns:
        uint8 (N, H, W, 3): each channel 128 for zero, 1 and 255 for the two ends of the scale; magenta where
        one of the three is NaN or infinite.
    """
    drawn = (np.rint(_unit(tiles, limit) * 127) + ZERO).astype(np.uint8)
    drawn[~np.isfinite(tiles).all(axis=-1)] = NOT_A_NUMBER_COLOUR
    return drawn


def palette(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the palette, uint8 (256, 3), for `to_palette` with these 253 colours, uint8 (253, 3)."""
    table = np.zeros((256, 3), dtype=np.uint8)
    table[BACKGROUND] = BACKGROUND_COLOUR
    table[NOT_A_NUMBER] = NOT_A_NUMBER_COLOUR
    table[ZERO - _REACH : ZERO + _REACH + 1] = colours
    return table


STEPS = 2 * _REACH + 1
"""How many colours `palette` takes."""


def _unit(tiles: Weights, limit: NDArray[np.float64]) -> Weights:
    """Return tiles / limit within -1..1, zero where the limit is zero or the weight is no number."""
    divisor = np.where(limit > 0, limit, 1).reshape(-1, *[1] * (tiles.ndim - 1))
    # A quotient of two denormal numbers needs more range than float32 has.
    wide = np.float64 if divisor.min() < 1e-30 else tiles.dtype
    with np.errstate(over="ignore", invalid="ignore"):
        share: Weights = np.clip(tiles.astype(wide) / divisor.astype(wide), -1, 1)
    return np.nan_to_num(share, copy=False, nan=0.0)
