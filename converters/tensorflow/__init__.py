"""From TensorFlow 1 and tflearn files to ONNX."""

from converters.tensorflow.format import TENSORFLOW

__all__ = ["TENSORFLOW"]
