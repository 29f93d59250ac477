"""Sources that do more than compute: nothing in a file runs by itself."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from converters.conversion import convert
from converters.errors import FileError, SourceError, UnsupportedError
from converters.formats import Request, recognise

SCRIPT = Path(__file__).resolve().parents[1] / "zoo" / "hostile.py"


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hostile")
    subprocess.run([sys.executable, SCRIPT, folder], check=True, capture_output=True)
    return folder


@pytest.mark.parametrize(
    ("name", "node", "op", "trace"),
    [
        ("writes_a_file", "write", "WriteFile", "written"),
        ("prints_into_a_file", "print", "PrintV2", "printed"),
    ],
)
def test_a_source_that_would_touch_files_is_not_run(hostile, tmp_path, name, node, op, trace):
    with pytest.raises(UnsupportedError) as caught:
        convert(hostile / f"{name}.pb", tmp_path / "m.onnx")
    assert caught.value.message == (
        f"{hostile / name}.pb: was not run: its node {node!r} of op {op} may touch files or another process"
    )
    assert caught.value.hint == "--no-verify converts it without running it."
    assert not (hostile / trace).exists()
    assert list(tmp_path.iterdir()) == []


def test_what_does_not_lie_on_the_way_to_the_output_is_left_out_without_running_it(hostile, tmp_path):
    done = convert(hostile / "writes_a_file.pb", tmp_path / "m.onnx", request=Request(verify=False))
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    (value,) = session.run(None, {"x:0": np.ones((1, 4), np.float32)})
    assert value.tolist() == [[0.5, 0.5]]
    assert not (hostile / "written").exists()


def test_a_graph_that_calls_python_is_refused_before_anything_runs(hostile, tmp_path):
    with pytest.raises(UnsupportedError) as caught:
        convert(hostile / "calls_python.pb", tmp_path / "m.onnx")
    assert "'python'" in caught.value.message
    assert "PyFunc" in caught.value.message


def test_a_tensor_that_no_machine_holds_is_refused_before_anything_makes_it(hostile, tmp_path):
    with pytest.raises(UnsupportedError) as caught:
        convert(hostile / "fills_the_memory.pb", tmp_path / "m.onnx")
    assert caught.value.message == (
        f"{hostile / 'fills_the_memory.pb'}: the node 'huge' of op Fill makes a tensor of 10,000,000,000 "
        "elements; expected at most 268,435,456"
    )


def test_a_tensor_in_the_middle_can_be_the_input_although_the_graph_notes_no_shape(hostile, tmp_path):
    request = Request(inputs=("hidden:0",))
    done = convert(hostile / "has_a_middle.pb", tmp_path / "m.onnx", request=request)
    assert done.certificate.verdict == "equal"
    session = onnxruntime.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    assert [(entry.name, entry.shape[1]) for entry in session.get_inputs()] == [("hidden:0", 2)]


def test_an_opset_that_the_engine_does_not_know_is_told(hostile, tmp_path):
    with pytest.raises(UnsupportedError) as caught:
        convert(hostile / "has_a_middle.pb", tmp_path / "m.onnx", request=Request(opset=99))
    assert caught.value.message.startswith("opset 99 is not known")


def test_a_source_is_never_replaced_by_its_own_conversion(hostile, tmp_path):
    source = tmp_path / "net.pb"
    source.write_bytes((hostile / "has_a_middle.pb").read_bytes())
    with pytest.raises(FileError) as caught:
        convert(source, source, force=True)
    assert caught.value.message == (
        f"{source}: is the file that is read; expected another name for the output"
    )
    assert source.read_bytes() == (hostile / "has_a_middle.pb").read_bytes()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_refused_as_a_source_and_as_an_output(hostile, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileError, match="is a pipe, socket or device, not a regular file"):
        recognise(tmp_path / "pipe")
    with pytest.raises(FileError) as caught:
        convert(hostile / "has_a_middle.pb", tmp_path / "pipe", force=True)
    assert caught.value.message == (
        f"{tmp_path / 'pipe'}: is a pipe, socket or device; expected the name of a file to write"
    )


def test_a_source_that_is_not_there_is_told(tmp_path):
    with pytest.raises(SourceError) as caught:
        recognise(tmp_path / "lars.tflearn")
    assert (
        caught.value.message == f"{tmp_path / 'lars.tflearn'}: no such file, and no checkpoint of that name"
    )


def test_a_checkpoint_whose_loading_would_touch_files_is_not_loaded_by_tensorflow(zoo, tmp_path):
    from converters.tensorflow.schema import parse
    from converters.tensorflow.tensors import set_tensor

    for path in (zoo / "notebook").glob("notebook.*"):
        if path.suffix != ".npz":
            (tmp_path / path.name).write_bytes(path.read_bytes())
    meta = parse("MetaGraphDef", (tmp_path / "notebook.meta").read_bytes(), "notebook.meta")
    for name, text in (("evil_path", str(tmp_path / "written")), ("evil_text", "x")):
        node = meta.graph_def.node.add(name=name, op="Const")
        node.attr["dtype"].type = 7
        set_tensor(node.attr["value"].tensor, np.array(text.encode(), object))
    meta.graph_def.node.add(name="evil", op="WriteFile", input=["evil_path", "evil_text"])
    (restore,) = (n for n in meta.graph_def.node if n.name == meta.saver_def.restore_op_name)
    restore.input.append("^evil")
    (tmp_path / "notebook.meta").write_bytes(meta.SerializeToString())
    with pytest.raises(
        UnsupportedError, match="was not run: its node 'evil' of op WriteFile may touch files"
    ):
        convert(tmp_path / "notebook", tmp_path / "m.onnx")
    assert not (tmp_path / "written").exists()
