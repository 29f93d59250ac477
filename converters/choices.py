"""The closed sets of words that a conversion's options take; free of any import that takes time."""

from typing import Literal

Engine = Literal["auto", "native", "tf2onnx"]
