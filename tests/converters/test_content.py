"""What a file is, told by its first and last bytes."""

import pytest

from converters.content import describe_content


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file, as Keras writes them"),
        (b"\x1c\0\0\0TFL3", "is a TensorFlow Lite model"),
        (b"PK\x03\x04 archive/data.pkl PK\x05\x06", "is a PyTorch archive"),
        (b"PK\x03\x04 net/constants.pkl net/data.pkl PK\x05\x06", "is a TorchScript program"),
        (b"PK\x03\x04 net/archive_format PK\x05\x06", "is a PyTorch exported program"),
        (b"PK\x03\x04 metadata.json config.json", "is a Keras archive that was cut short"),
        (b"PK\x03\x04 something", "is a zip archive that was cut short"),
        (b"\x80\x02}q\x00", "is a Python pickle, as older PyTorch writes them"),
        (b'\x10\0\0\0\0\0\0\0{"', "is a safetensors file, which holds weights but no network"),
        (b"what is this", "is of no known format"),
        (b"", "is empty"),
    ],
)
def test_content_is_told_by_its_first_bytes(tmp_path, head, said):
    (tmp_path / "f").write_bytes(head)
    assert describe_content(tmp_path / "f") == said


def test_content_that_is_not_there_or_a_folder(tmp_path):
    assert describe_content(tmp_path / "no") == "does not exist"
    assert describe_content(tmp_path) == "is a folder without a known model file"


def test_a_file_that_cannot_be_opened_is_told_by_the_systems_reason(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    (tmp_path / "f").write_bytes(b"x")
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert describe_content(tmp_path / "f") == "cannot be read (Permission denied)"


def test_an_onnx_model_and_a_saved_model_are_told_by_name(tmp_path):
    import onnx

    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["x"], ["y"])], "g", [], [])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "m.onnx")
    assert describe_content(tmp_path / "m.onnx") == "is an ONNX model already"
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    assert describe_content(tmp_path) == "is a TensorFlow SavedModel"
    assert describe_content(tmp_path / "saved_model.pb") == "is a TensorFlow SavedModel"
