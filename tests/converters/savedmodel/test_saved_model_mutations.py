"""A conversion of a SavedModel that went wrong in a kernel is caught, and its layer named."""

import pytest
from mutations import a_mirrored_kernel_is_caught


@pytest.mark.parametrize("name", ["residual"])
def test_kernels_turned_around_are_caught_by_convert_and_by_verify(name, saved_models, tmp_path, monkeypatch):
    a_mirrored_kernel_is_caught(saved_models / "kinds" / name, tmp_path, monkeypatch)
