"""ONNX itself as a source: brought up to date, repaired, named, and proved equal to what it was."""

from __future__ import annotations

from converters.onnx_model.format import ONNX

__all__ = ["ONNX"]
