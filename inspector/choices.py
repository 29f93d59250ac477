"""The closed sets of words that options take, and defaults that several rooms share.

They stand here, free of any import, so that the command line can list them without loading numpy.
"""

from typing import Literal

Scale = Literal["shared", "each", "robust"]
Sort = Literal["none", "norm", "similarity"]
Order = Literal["none", "strength"]
Reduce = Literal["none", "mean", "pca"]
Style = Literal["default", "notebook"]
Channels = Literal["rgb", "bgr", "gray"]
Range = Literal["0..1", "0..255", "-1..1"]
Resize = Literal["stretch", "crop", "pad"]

# Seconds that one run of a model may take.
TIME_LIMIT = 60.0
