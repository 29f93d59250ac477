"""The folder `models` is no part of the installed packages, so the tests say where it is."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[2]))
