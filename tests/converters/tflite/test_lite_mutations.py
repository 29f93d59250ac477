"""A conversion of a TensorFlow Lite model that went wrong in a kernel is caught, and its layer named."""

import pytest
from mutations import a_mirrored_kernel_is_caught


@pytest.mark.parametrize("name", ["float-cnn.tflite", "quantised.tflite"])
def test_kernels_turned_around_are_caught_by_convert_and_by_verify(name, lite_zoo, tmp_path, monkeypatch):
    a_mirrored_kernel_is_caught(lite_zoo / name, tmp_path, monkeypatch)
