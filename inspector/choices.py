"""The closed sets of words that options take.

They stand here, free of any import, so that the command line can list them without loading numpy.
"""

from typing import Literal

Scale = Literal["shared", "each", "robust"]
Sort = Literal["none", "norm", "similarity"]
Reduce = Literal["none", "mean", "pca"]
Style = Literal["default", "notebook"]
Channels = Literal["rgb", "bgr", "gray"]
Range = Literal["0..1", "0..255", "-1..1"]
Resize = Literal["stretch", "crop", "pad"]
