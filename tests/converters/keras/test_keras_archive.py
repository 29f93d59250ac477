"""Keras's files as files: told apart by content, and looked through before anything in them is used."""

import io
import json
import zipfile

import h5py
import numpy as np
import pytest

from converters.errors import FileError, InspectorError, MissingExtraError, SourceError, UnsupportedError
from converters.formats import Request, all_formats, recognise
from converters.keras import KERAS, archive
from converters.keras.archive import KerasFile

CONFIG = json.dumps({"module": "keras", "class_name": "Sequential", "config": {"name": "net", "layers": []}})


def hdf5(fill=lambda file: None) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        file.create_group("vars")
        fill(file)
    return held.getvalue()


def zipped(path, *, config=CONFIG, weights=None, extra=()):
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("metadata.json", '{"keras_version": "3.9.0"}')
        file.writestr("config.json", config)
        file.writestr("model.weights.h5", hdf5() if weights is None else weights)
        for name, content in extra:
            file.writestr(name, content)
    return path


def refusal(path) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        archive.read(path)
    return caught.value


def test_both_kinds_of_file_are_recognised_by_content(tmp_path):
    keras = zipped(tmp_path / "net.bin")
    (tmp_path / "net.txt").write_bytes(hdf5())
    for path in (keras, tmp_path / "net.txt"):
        assert recognise(path) is KERAS
        assert [known.name for known in all_formats() if known.recognise(path)] == ["Keras model or weights"]


def test_other_files_are_not_recognised(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.keras", "w") as file:
        file.writestr("data.pkl", b"")
    (tmp_path / "broken.keras").write_bytes(b"PK\x03\x04 and no more")
    (tmp_path / "text.h5").write_text("hello")
    for name in ("other.keras", "broken.keras", "text.h5", "absent.h5"):
        assert not KERAS.recognise(tmp_path / name)
    assert not KERAS.recognise(tmp_path)


def test_the_generation_is_told_by_the_version_or_else_by_the_configuration(tmp_path):
    file = archive.read(zipped(tmp_path / "net.keras"))
    assert (file.kind, file.version, file.generation) == ("Keras 3 archive", "3.9.0", 3)
    assert KerasFile(tmp_path, "HDF5 file", "2.0.5", {}).kind == "Keras 2 HDF5 file"
    assert KerasFile(tmp_path, "HDF5 file", "", {"class_name": "Model"}).generation == 2
    assert KerasFile(tmp_path, "HDF5 file", "", {"module": "keras"}).generation == 3


def test_a_member_outside_the_archive_is_refused(tmp_path):
    for name in ("../evil.txt", "/etc/evil", "a/../../evil", "..\\evil"):
        path = zipped(tmp_path / "net.keras", extra=[(name, b"x")])
        assert refusal(path).message == (
            f"{path}: its member {name!r} would be unpacked outside of the archive's folder"
        )


def test_a_link_in_the_archive_is_refused(tmp_path):
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = 0o120777 << 16
    path = zipped(tmp_path / "net.keras", extra=[(link, b"/etc/passwd")])
    assert refusal(path).message == (
        f"{path}: its member 'assets/link' would be unpacked outside of the archive's folder"
    )


def test_a_bomb_in_the_archive_is_refused(tmp_path):
    path = tmp_path / "net.keras"
    zipped(path)
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr("assets/zeros", bytes(1 << 27))
        packed = file.getinfo("assets/zeros").compress_size
    assert refusal(path).message == (
        f"{path}: its member 'assets/zeros' unpacks from {packed:,} bytes to 134,217,728; expected weights"
    )


def test_a_cut_archive_and_a_cut_member_are_damaged(tmp_path):
    path = zipped(tmp_path / "net.keras", weights=hdf5()[:100])
    error = refusal(path)
    assert error.message.startswith(f"{path}, model.weights.h5: is a damaged HDF5 file: ")
    path.write_bytes(path.read_bytes()[:300])
    assert refusal(path).message == f"{path}: is a damaged zip archive: File is not a zip file"


def test_an_encrypted_member_is_refused(tmp_path):
    path = zipped(tmp_path / "net.keras")
    data = bytearray(path.read_bytes())
    # The flags of the first entry of the directory.
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    assert refusal(path).message == f"{path}: its member 'metadata.json' is encrypted"


def test_too_long_a_configuration_and_too_long_an_attribute_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "_MOST_JSON", 10)
    path = zipped(tmp_path / "net.keras")
    assert refusal(path).message == (f"{path}: its config.json has {len(CONFIG)} bytes; expected at most 10")
    monkeypatch.setattr("converters.keras.hdf5._MOST_TEXT", 10)

    def long(file):
        file.attrs["notes"] = np.zeros(4)

    (tmp_path / "net.h5").write_bytes(hdf5(long))
    assert (
        refusal(tmp_path / "net.h5").message == f"{tmp_path / 'net.h5'}: its attribute 'notes' has 32 bytes"
    )


def test_a_file_of_very_many_objects_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("converters.keras.hdf5._MOST_OBJECTS", 1)
    (tmp_path / "net.h5").write_bytes(hdf5())
    assert refusal(tmp_path / "net.h5").message == f"{tmp_path / 'net.h5'}: holds more than 1 objects"


def test_a_missing_member_and_a_configuration_that_is_none_are_named(tmp_path):
    path = tmp_path / "net.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "{}")
    assert refusal(path).message == f"{path}: lacks model.weights.h5, which a Keras archive has"
    assert (
        refusal(zipped(path, config="[1]")).message == f"{path}, config.json: is not a JSON object, but list"
    )
    assert refusal(zipped(path, config="{")).message.startswith(
        f"{path}, config.json: is not readable JSON: "
    )
    assert refusal(zipped(path, config="[" * 100_000)).message.startswith(
        f"{path}, config.json: is not readable JSON: "
    )


def link(file):
    file["layer"] = h5py.ExternalLink("/etc/passwd", "/")


def soft(file):
    file["layer"] = h5py.SoftLink("/nowhere")


def virtual(file):
    layout = h5py.VirtualLayout((4,), "f4")
    layout[:] = h5py.VirtualSource("/etc/passwd", "x", (4,))
    file.create_virtual_dataset("layer", layout)


def external(file):
    file.create_dataset("layer", (4,), "f4", external=[("/etc/passwd", 0, 16)])


def bomb(file):
    file.create_dataset("layer", (1 << 20, 1 << 12), "f4", chunks=(1024, 1024))


@pytest.mark.parametrize(
    ("fill", "told"),
    [
        (link, "'/layer' is an external link to '/etc/passwd'; expected the weights themselves"),
        (soft, "'/layer' is a soft link; expected the weights themselves"),
        (virtual, "'/layer' is a virtual data set; expected the weights themselves"),
        (external, "'/layer' is a data set in another file; expected the weights themselves"),
        (bomb, "'/layer' declares 17,179,869,184 bytes and stores 0; expected weights"),
    ],
)
def test_hdf5_that_reaches_beyond_itself_is_refused(tmp_path, fill, told):
    path = tmp_path / "net.h5"
    path.write_bytes(hdf5(fill))
    assert refusal(path).message == f"{path}: {told}"
    zipped(tmp_path / "net.keras", weights=hdf5(fill))
    assert refusal(tmp_path / "net.keras").message == f"{tmp_path / 'net.keras'}, model.weights.h5: {told}"


def test_a_group_that_holds_itself_is_refused(tmp_path):
    def circle(file):
        inner = file.create_group("a/b")
        inner["again"] = file["a"]

    path = tmp_path / "net.h5"
    path.write_bytes(hdf5(circle))
    assert refusal(path).message == f"{path}: the group '/a/b/again' is there under another name too"


def test_a_data_set_under_two_names_is_fine(tmp_path):
    def twice(file):
        file["a"] = np.zeros(3)
        file["b"] = file["a"]

    (tmp_path / "net.h5").write_bytes(hdf5(twice))
    assert archive.read(tmp_path / "net.h5").config is None


def test_hdf5_of_somebody_else_is_told(tmp_path):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["table"] = np.zeros(3)
    assert refusal(path).message == (
        f"{path}: is an HDF5 file, but not one of Keras: it has no model_config and no layers"
    )


def test_a_cut_hdf5_file_and_an_empty_one_are_refused(tmp_path):
    path = tmp_path / "net.h5"
    path.write_bytes(hdf5()[:500])
    error = refusal(path)
    assert isinstance(error, SourceError)
    assert error.message.startswith(f"{path}: is a damaged HDF5 file: ")
    path.write_bytes(b"")
    assert isinstance(refusal(path), FileError)


def test_h5py_is_asked_for_where_it_is_missing(tmp_path, monkeypatch):
    (tmp_path / "net.h5").write_bytes(hdf5())
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    error = refusal(tmp_path / "net.h5")
    assert isinstance(error, MissingExtraError)
    assert error.message == f"{tmp_path / 'net.h5'}: reading an HDF5 file needs h5py, not installed here"
    assert error.hint == "pip install 'onnx-inspector[keras]', or for its kernels alone: pip install h5py"


def opening(path, **choices) -> InspectorError:
    with pytest.raises(InspectorError) as caught, KERAS.open(path, Request(**choices)):
        pass
    return caught.value


def test_weights_alone_cannot_be_converted(tmp_path):
    (tmp_path / "net.weights.h5").write_bytes(hdf5())
    error = opening(tmp_path / "net.weights.h5")
    assert isinstance(error, UnsupportedError)
    assert error.message == (
        f"{tmp_path / 'net.weights.h5'}: holds weights only, and not the network that they belong to; "
        "expected a whole model"
    )
    assert error.hint == (
        "Build the network in Python, load_weights() into it and save it with model.save('model.keras'), "
        "or inspector convert package.module:build with a function that returns it.\n"
        f"Its kernels can be seen as it is: inspector filters {tmp_path / 'net.weights.h5'}"
    )


def test_a_missing_framework_is_named_with_what_was_found(tmp_path, monkeypatch):
    path = zipped(tmp_path / "net.keras")
    found = {"keras": "3.15.1", "tensorflow": "", "tf_keras": ""}
    monkeypatch.setattr("converters.keras.format._version", found.__getitem__)
    error = opening(path)
    assert isinstance(error, MissingExtraError)
    assert error.message == (
        f"{path}: converting a Keras 3 archive (written by Keras 3.9.0) needs tensorflow, not installed "
        "here; found keras 3.15.1"
    )
    assert error.hint == "pip install 'onnx-inspector[keras]'"


def test_keras_2_does_not_read_files_of_keras_3(tmp_path, monkeypatch):
    path = zipped(tmp_path / "net.keras")
    found = {"keras": "2.15.0", "tensorflow": "2.15.0", "tf_keras": ""}
    monkeypatch.setattr("converters.keras.format._version", found.__getitem__)
    assert opening(path).message == (
        f"{path}: converting a Keras 3 archive (written by Keras 3.9.0) needs keras 3; found "
        "tensorflow 2.15.0, keras 2.15.0"
    )
