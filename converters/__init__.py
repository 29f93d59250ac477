"""From a trained network's own file to ONNX, with proof."""
