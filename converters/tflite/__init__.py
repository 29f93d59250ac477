"""TensorFlow Lite models: read without a framework, written as ONNX, and compared with LiteRT."""

from converters.tflite.format import TFLITE

__all__ = ["TFLITE"]
