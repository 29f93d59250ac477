"""Build TensorFlow Lite networks for tests: `python build_lite.py FOLDER [NAME...]`.

Each becomes FOLDER/NAME.tflite, and FOLDER/NAME.npz with its inputs x0, x1, … and with LiteRT's answers y0, …
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import zlib
from pathlib import Path

import numpy as np
from lite_registry import NETWORKS, answers

for script in sorted(Path(__file__).parent.glob("lite_*networks.py")):
    importlib.import_module(script.stem)


def main(folder: str, *names: str) -> None:
    for name in names or NETWORKS:
        # A seed from the name: adding a network changes no other.
        seed = zlib.crc32(name.encode())
        with contextlib.redirect_stdout(sys.stderr):
            made = NETWORKS[name](np.random.default_rng(seed))
        path = Path(folder) / f"{name}.tflite"
        path.write_bytes(made.content)
        given = {f"x{place}": array for place, array in enumerate(made.feeds)}
        given |= {f"y{place}": array for place, array in enumerate(answers(path, made.feeds))}
        np.savez(path.with_suffix(".npz"), **given)


if __name__ == "__main__":
    main(*sys.argv[1:])
