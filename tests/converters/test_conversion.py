"""From a source to a file with its certificate."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest

from converters.assemble import Assembled
from converters.certificate import METADATA_KEY, FileRecord
from converters.conversion import convert
from converters.errors import NotEqualError, OutputExistsError, SourceError
from converters.formats import Reference, Request, all_formats, recognise


def stored(path):
    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


def test_the_file_runs_and_carries_the_certificate_and_the_given_metadata(dense, as_format, tmp_path):
    as_format(dense.source())
    stages = []
    done = convert(
        "net", tmp_path / "m.onnx", metadata=lambda opened: {"inspector.labels": "[]"}, progress=stages.append
    )
    assert done.certificate.verdict == "equal"
    assert done.certificate.reference == "numpy"
    kept = stored(done.path)
    assert json.loads(kept[METADATA_KEY]) == json.loads(done.certificate.to_json())
    assert kept["inspector.labels"] == "[]"
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    x = np.random.default_rng(5).normal(size=(7, 4)).astype(np.float32)
    assert np.allclose(session.run(None, {"x": x})[0], dense.reference({"x": x}, ["y"])["y"], atol=1e-6)
    assert stages == ["reading the source", "writing the model", "comparing with the source"]


def test_the_certificate_says_what_was_read_and_by_which_versions(dense, as_format, tmp_path):
    (tmp_path / "weights").write_bytes(b"abc")
    as_format(dense.source(files=(FileRecord.of(tmp_path / "weights"),)))
    certificate = convert("net", tmp_path / "m.onnx").certificate
    assert certificate.source == "net"
    assert certificate.format == "two dense layers"
    assert certificate.files[0].name == "weights"
    assert certificate.versions["onnx"] == onnx.__version__
    assert certificate.versions["numpy"] == np.__version__
    assert certificate.model == {
        "opset": 17, "nodes": 4, "parameters": 30, "inputs": ["x"], "outputs": ["y"]
    }  # fmt: skip
    assert certificate.decisions == ("the output is y",)
    assert certificate.warnings == ("saved in training mode",)
    assert "the same answer twice" in certificate.gate


def test_without_verification_the_certificate_says_that_nothing_was_compared(dense, as_format, tmp_path):
    def never(feeds, names):
        raise AssertionError("the reference was asked")

    as_format(dense.source(reference=Reference(never, lambda: "numpy")))
    done = convert("net", tmp_path / "m.onnx", request=Request(verify=False))
    assert done.certificate.verdict == "not compared"
    assert json.loads(stored(done.path)[METADATA_KEY])["verdict"] == "not compared"


def test_a_different_model_is_not_written_and_the_error_names_the_first_layer(dense, as_format, tmp_path):
    made = dense.written()
    wrong = {**made.model.weights, "second": made.model.weights["second"][:, ::-1]}
    as_format(dense.source(replace(made, model=Assembled(made.model.nodes, wrong))))
    with pytest.raises(NotEqualError) as caught:
        convert("folder/net", tmp_path / "m.onnx")
    assert caught.value.message.startswith(
        "net: the converted model differs from the source, first at fc_2: by "
    )
    assert caught.value.hint == "Nothing was written. --certificate FILE keeps all figures."
    assert caught.value.certificate.verdict == "not equal"
    assert list(tmp_path.iterdir()) == []


def test_an_existing_output_is_refused_before_the_source_is_read(tmp_path):
    (tmp_path / "m.onnx").write_text("mine")
    with pytest.raises(OutputExistsError):
        convert(tmp_path / "no such source", tmp_path / "m.onnx")
    assert (tmp_path / "m.onnx").read_text() == "mine"


def test_a_source_of_no_known_format_is_told_what_it_looks_like(tmp_path):
    (tmp_path / "net.png").write_bytes(b"\x89PNG\r\n\x1a\n rest")
    with pytest.raises(SourceError) as caught:
        recognise(tmp_path / "net.png")
    names = ", ".join(known.name for known in all_formats())
    assert caught.value.message == (f"{tmp_path / 'net.png'}: is a PNG picture; convert reads: {names}")


def test_formats_are_found_by_the_package_itself():
    names = [known.name for known in all_formats()]
    assert "tflearn or TensorFlow 1 checkpoint, frozen TensorFlow graph" in names
