"""Running a converted model with onnxruntime, for the proof of its conversion."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from numpy.typing import NDArray

from converters.errors import UnsupportedError

_FATAL = 4
# In seconds.
_LONGEST_RUN = 120.0


class Runtime:
    """An onnxruntime session on the CPU, with every failure as an `UnsupportedError`."""

    def __init__(
        self,
        model: Path | bytes,
        weights: Mapping[str, NDArray[Any]] | None = None,
        *,
        what: str = "the converted model",
    ) -> None:
        """Open a model.

        Args:
            model: Its file, or its bytes.
            weights: The initializers that the bytes declare as external data.
            what: What it is, for messages.
        """
        import onnxruntime
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _FATAL
        # onnxruntime borrows these arrays: they must live as long as the session.
        self._weights = {name: np.require(array, None, ["C", "A"]) for name, array in (weights or {}).items()}
        self._what = what
        if self._weights:
            # Weights in another order for faster products are a copy of them all, and what the arena once had
            # it keeps: this session has the source's own computation beside it.
            options.enable_cpu_mem_arena = False
            options.add_session_config_entry("session.disable_prepacking", "1")
            values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in self._weights.values()]
            options.add_external_initializers(list(self._weights), values)
        # Every error of onnxruntime's derives from RuntimeError or ValueError, each class of its own.
        self._errors = tuple(
            kind for kind in vars(state).values() if isinstance(kind, type) and issubclass(kind, Exception)
        )
        try:
            self._session = onnxruntime.InferenceSession(
                model if isinstance(model, bytes) else str(model), options, providers=["CPUExecutionProvider"]
            )
        except self._errors as error:
            raise UnsupportedError(f"onnxruntime cannot open {what}: {_reason(error)}") from error

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Compute all outputs.

        Args:
            feeds: One array for each input, in the input's dtype and shape.

        Returns:
            Output name → array.
        """
        import onnxruntime

        names = [output.name for output in self._session.get_outputs()]
        options = onnxruntime.RunOptions()
        options.log_severity_level = _FATAL
        # A stranger's loop may have no end.
        clock = Timer(_LONGEST_RUN, setattr, (options, "terminate", True))
        clock.daemon = True
        clock.start()
        try:
            values = self._session.run(names, dict(feeds), options)
        except self._errors as error:
            if options.terminate:
                raise UnsupportedError(
                    f"onnxruntime ran {self._what} for {_LONGEST_RUN:g} seconds without a result"
                ) from error
            raise UnsupportedError(f"onnxruntime cannot run {self._what}: {_reason(error)}") from error
        finally:
            clock.cancel()
        return {name: np.asarray(value) for name, value in zip(names, values, strict=True)}


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
