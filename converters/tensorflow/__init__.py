"""From TensorFlow's files to ONNX: checkpoints, frozen graphs, SavedModels."""

from converters.tensorflow.format import TENSORFLOW
from converters.tensorflow.saved_model_format import SAVED_MODEL

__all__ = ["SAVED_MODEL", "TENSORFLOW"]
