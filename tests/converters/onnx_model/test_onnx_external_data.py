"""Weights of an ONNX source that lie in other files."""

from __future__ import annotations

import os
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from onnx_sources import DENSE, RANDOM, answers, converted, network, refusal


def external(folder, location, *, data=None, **entries):
    """A model whose dense weight lies in another file."""
    model = network()
    (tensor,) = [each for each in model.graph.initializer if each.name == "fc/kernel"]
    raw = tensor.raw_data
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=str(text))
    tensor.doc_string = " " * 1024
    if data is not None:
        data.write_bytes(raw)
    (folder / "net.onnx").write_bytes(model.SerializeToString())
    return folder / "net.onnx"


def test_external_data_become_part_of_the_one_file(tmp_path):
    (tmp_path / "data").mkdir()
    path = external(tmp_path, "data/w.bin", data=tmp_path / "data" / "w.bin", offset=0, length=DENSE.nbytes)
    done = converted(path, tmp_path)
    assert done.certificate.verdict == "equal"
    assert [file.name for file in done.certificate.files] == ["net.onnx", "w.bin"]
    (tmp_path / "data" / "w.bin").unlink()
    x = RANDOM.normal(size=(1, 3, 12, 12)).astype("f4")
    onnx.save(network(), tmp_path / "whole.onnx")
    assert np.array_equal(answers(done.path, {"x": x})[0], answers(tmp_path / "whole.onnx", {"x": x})[0])


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("../w.bin", "which is not below the model's folder"),
        ("/etc/passwd", "which is not below the model's folder"),
        ("C:\\w.bin", "which is not below the model's folder"),
        ("", "which is no file name"),
        ("absent.bin", "which is not there"),
        ("folder", "which is no plain file"),
    ],
)
def test_external_data_elsewhere_are_not_read(tmp_path, location, reason):
    (tmp_path / "folder").mkdir()
    path = external(tmp_path, location)
    assert refusal(path, tmp_path) == f"{path}: the weight 'fc/kernel' lies in {location!r}, {reason}"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows lets few users make links")
def test_external_data_are_not_read_through_links(tmp_path):
    (tmp_path / "inside").mkdir()
    (tmp_path / "secret").write_bytes(DENSE.tobytes())
    (tmp_path / "inside" / "soft.bin").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", tmp_path / "inside" / "hard.bin")
    for name, reason in (("soft.bin", "which is a link"), ("hard.bin", "which has another name elsewhere")):
        path = external(tmp_path / "inside", name)
        assert refusal(path, tmp_path) == f"{path}: the weight 'fc/kernel' lies in {name!r}, {reason}"


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        (
            {"length": 4},
            f"the weight 'fc/kernel' has 4 bytes of external data; its shape takes {DENSE.nbytes:,}",
        ),
        (
            {"offset": 8},
            "the weight 'fc/kernel' ends at byte 4,616 of w.bin, which holds 4,608",
        ),
        (
            {"offset": "-8"},
            "the external data of the weight 'fc/kernel' has the offset '-8'; expected a whole number",
        ),
    ],
)
def test_external_data_that_cannot_be_are_told(tmp_path, entries, reason):
    path = external(tmp_path, "w.bin", data=tmp_path / "w.bin", **entries)
    assert refusal(path, tmp_path) == f"{path}: {reason}"


def test_external_data_hidden_in_an_attribute_are_refused(save, tmp_path):
    tensor = TensorProto(name="t", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="/etc/passwd")
    nodes = [*network().graph.node, helper.make_node("Constant", [], ["k"], value=tensor, name="hidden")]
    path = save(network(nodes=nodes))
    assert refusal(path, tmp_path) == (
        f"{path}: an attribute of the node 'hidden' keeps its numbers in another file; "
        "only plain weights of the graph may"
    )
