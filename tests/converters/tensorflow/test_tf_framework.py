"""TensorFlow's process, as far as it answers."""

import pytest

from converters.errors import SourceError
from converters.tensorflow.framework import Framework


def test_a_framework_that_cannot_start_says_so_however_often_it_is_asked(monkeypatch):
    """The child sends one reply; a second wait for it would never end."""

    class Broken:
        def __init__(self, name, path):
            self.replies = 1

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def send(self, function, **arguments):
            assert function == "converters.tensorflow.through_tf2onnx:versions"

        def receive(self):
            assert self.replies, "nobody answers a second time"
            self.replies -= 1
            raise SourceError("net.pb: TensorFlow failed on it: ImportError: no such library", "")

    monkeypatch.setattr("converters.tensorflow.framework.Child", Broken)
    with Framework("net.pb") as framework:
        for _ in range(2):
            with pytest.raises(SourceError) as caught:
                framework.call("os:getpid")
            assert caught.value.message == "net.pb: TensorFlow failed on it: ImportError: no such library"
