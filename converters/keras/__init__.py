"""Keras models of both generations as sources of `convert`."""

from __future__ import annotations

from converters.keras.format import KERAS

__all__ = ["KERAS"]
