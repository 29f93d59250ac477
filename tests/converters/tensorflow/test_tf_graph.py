from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from tf_files import GraphBuilder, write_bundle

from converters.errors import FileError, InspectorError, SourceError
from converters.tensorflow.graph import read_source, recognise
from converters.tensorflow.schema import new


def chain() -> GraphBuilder:
    graph = GraphBuilder()
    graph.placeholder("x", None, 3)
    graph.add("w", "VariableV2", dtype="float32", shape=(3, 2))
    graph.add("w/read", "Identity", "w", T="float32")
    graph.add("y", "MatMul", "x", "w/read", T="float32")
    return graph


W = np.arange(6, dtype=np.float32).reshape(3, 2)


def refusal(path: Path) -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        read_source(path)
    return caught.value


@pytest.mark.parametrize("name", ["", "net", "net.meta", "net.index", "net.data-00000-of-00001"])
def test_a_checkpoint_is_found_by_its_prefix_any_of_its_files_and_its_folder(tmp_path, name):
    chain().write_checkpoint(tmp_path / "net", {"w": W})
    path = tmp_path / name if name else tmp_path
    assert recognise(path)
    source = read_source(path)
    assert source.kind == "TensorFlow 1 checkpoint"
    assert source.path == path
    assert [file.name for file in source.files] == ["net.meta", "net.index", "net.data-00000-of-00001"]
    np.testing.assert_array_equal(source.checkpoint.read("w"), W)


def test_a_prefix_with_dots_and_numbers_is_a_prefix(tmp_path):
    chain().write_checkpoint(tmp_path / "lars_0.03.tflearn-1000", {"w": W})
    assert recognise(tmp_path / "lars_0.03.tflearn-1000")
    assert read_source(tmp_path / "lars_0.03.tflearn-1000").checkpoint is not None


@pytest.mark.parametrize("where", ["net-2", "/home/somebody/models/net-2", "C:\\\\models\\\\net-2"])
def test_the_newest_checkpoint_of_a_folder_is_the_one_that_it_names(tmp_path, where):
    for name in ("net-1", "net-2", "net-3"):
        chain().write_checkpoint(tmp_path / name, {"w": W})
    (tmp_path / "checkpoint").write_text(
        f'model_checkpoint_path: "{where}"\nall_model_checkpoint_paths: "net-1"\n'
    )
    assert read_source(tmp_path).files[0].name == "net-2.meta"


@pytest.mark.parametrize("state", [None, 'model_checkpoint_path: "gone"', "nothing of the kind"])
def test_a_folder_with_several_checkpoints_lists_them(tmp_path, state):
    for time, name in enumerate(("net-9", "net-10", "other")):
        chain().write_checkpoint(tmp_path / name, {"w": W})
        for path in tmp_path.glob(f"{name}.*"):
            os.utime(path, (1000 + time, 1000 + time))
    if state is not None:
        (tmp_path / "checkpoint").write_text(state)
    assert recognise(tmp_path)
    error = refusal(tmp_path)
    assert isinstance(error, SourceError)
    assert error.message == (
        f"{tmp_path}: holds 3 checkpoints: net-9, net-10, other; expected one, or a file named checkpoint "
        "that says which is the newest"
    )
    assert error.hint == f"Name one: {tmp_path / 'other'}"


def test_a_folder_with_nothing_of_the_kind_says_what_is_missing(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    assert not recognise(tmp_path)
    assert refusal(tmp_path).message == (
        f"{tmp_path}: holds no TensorFlow checkpoint: no NAME.meta, NAME.index and NAME.data-00000-of-00001"
    )


def test_a_checkpoint_without_its_graph_says_what_to_do(tmp_path):
    write_bundle(tmp_path / "net", {"w": W})
    for path in (tmp_path, tmp_path / "net", tmp_path / "net.index"):
        error = refusal(path)
        assert error.message == (
            f"{tmp_path / 'net.meta'}: no such file; it holds the graph, and the files beside it only the "
            "variables"
        )
        assert error.hint == "Save with the graph (tflearn's DNN.save does), or copy net.meta beside them."


def test_a_graph_without_its_checkpoint_says_what_is_missing(tmp_path):
    chain().write_checkpoint(tmp_path / "net", {"w": W})
    (tmp_path / "net.index").unlink()
    assert refusal(tmp_path / "net.meta").message == (
        f"{tmp_path / 'net'}: is no checkpoint: there is neither net.index nor a V1 checkpoint of that name"
    )


@pytest.mark.parametrize("content", [b"\x00", b"hello, world", bytes(range(256)) * 8])
def test_a_meta_of_other_bytes_is_refused(tmp_path, content):
    chain().write_checkpoint(tmp_path / "net", {"w": W})
    (tmp_path / "net.meta").write_bytes(content)
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net.meta'}: is damaged: not a readable MetaGraphDef message"
    )


def test_a_meta_without_nodes_is_refused(tmp_path):
    GraphBuilder().write_checkpoint(tmp_path / "net", {"w": W})
    (tmp_path / "net.meta").write_bytes(b"\x12\x00")
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net.meta'}: holds no graph: no nodes; expected a MetaGraphDef"
    )


def test_a_frozen_graph_is_recognised_by_its_content(tmp_path):
    path = chain().write(tmp_path / "model.bin")
    assert recognise(path)
    source = read_source(path)
    assert (source.kind, source.files, source.checkpoint) == ("frozen graph", (path,), None)
    assert recognise(tmp_path) is False
    path.rename(tmp_path / "model.pb")
    assert read_source(tmp_path).files == (tmp_path / "model.pb",)


def test_a_meta_graph_by_another_name_is_read_as_a_graph(tmp_path):
    chain().write_checkpoint(tmp_path / "net", {"w": W})
    path = (tmp_path / "net.meta").rename(tmp_path / "model.pb")
    assert read_source(path).kind == "frozen graph"
    meta = new("MetaGraphDef")
    meta.meta_info_def.tags.append("serve")
    meta.graph_def.CopyFrom(chain().graph)
    path.write_bytes(meta.SerializeToString())
    assert recognise(path)
    assert read_source(path).kind == "frozen graph"


def test_a_saved_model_is_left_to_its_own_format(tmp_path):
    saved = new("SavedModel")
    saved.saved_model_schema_version = 1
    saved.meta_graphs.add().graph_def.CopyFrom(chain().graph)
    path = tmp_path / "saved_model.pb"
    path.write_bytes(saved.SerializeToString())
    # A checkpoint beside it changes nothing.
    chain().write_checkpoint(tmp_path / "net", {"w": W})
    for source in (path, tmp_path):
        assert not recognise(source)
        assert refusal(source).message == (
            f"{path}: is no TensorFlow graph: not a GraphDef, and not a checkpoint either"
        )


def test_a_graph_in_text_form_is_named_as_such(tmp_path):
    path = tmp_path / "graph.pbtxt"
    path.write_text('# a comment\nnode {\n  name: "x"\n  op: "Placeholder"\n}\n')
    assert recognise(path)
    assert refusal(path).message == (
        f"{path}: is a graph in protobuf's text form, which is not read; expected the binary form"
    )


@pytest.mark.parametrize(
    "content",
    [b"\x08\x07\x12\x07pytorch", b"\x89PNG\r\n\x1a\n" + bytes(50), b"\x0a\x05hello", b"\x0a", b"PK\x03\x04"],
)
def test_a_file_of_another_format_is_not_taken_for_a_graph(tmp_path, content):
    path = tmp_path / "model.pb"
    path.write_bytes(content)
    assert not recognise(path)
    error = refusal(path)
    assert error.message == f"{path}: is no TensorFlow graph: not a GraphDef, and not a checkpoint either"
    assert error.hint == "Name a frozen .pb, or a checkpoint by its prefix, its .meta, or its folder."


def test_a_frozen_graph_with_something_behind_it_is_damaged(tmp_path):
    path = chain().write(tmp_path / "model.pb")
    path.write_bytes(path.read_bytes() + b"\xff\xff")
    assert refusal(path).message == f"{path}: is damaged: not a readable GraphDef message"


def test_a_missing_file_is_missing(tmp_path):
    assert not recognise(tmp_path / "none")
    error = refusal(tmp_path / "none")
    assert isinstance(error, FileError)
    assert error.message == f"{tmp_path / 'none'}: no such file; expected a TensorFlow checkpoint or graph"


def test_an_empty_file_is_empty(tmp_path):
    path = tmp_path / "model.pb"
    path.touch()
    assert not recognise(path)
    assert refusal(path).message == f"{path}: is empty; expected a TensorFlow checkpoint or graph"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_is_never_opened(tmp_path):
    path = tmp_path / "model.pb"
    os.mkfifo(path)
    assert not recognise(path)
    assert refusal(path).message == (
        f"{path}: is a pipe, socket or device, not a regular file; expected a TensorFlow checkpoint or graph"
    )


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="the superuser may read everything")
def test_a_folder_that_may_not_be_read_says_so(tmp_path):
    folder = tmp_path / "closed"
    folder.mkdir(mode=0)
    try:
        assert not recognise(folder)
        assert refusal(folder).message == f"{folder}: cannot be read: Permission denied"
    finally:
        folder.chmod(0o700)


def test_a_folder_that_fails_to_be_listed_says_so(tmp_path, monkeypatch):
    def fails(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", fails)
    assert not recognise(tmp_path)
    assert refusal(tmp_path).message == f"{tmp_path}: cannot be read: Permission denied"


def test_every_cut_of_a_graph_is_an_error_or_a_graph(tmp_path):
    content = chain().write(tmp_path / "model.pb").read_bytes()
    path = tmp_path / "cut.pb"
    for size in range(1, len(content)):
        path.write_bytes(content[:size])
        try:
            source = read_source(path)
        except InspectorError:
            continue
        assert 0 < len(source.graph_def.node) < 4


def test_a_version_1_checkpoint_is_found_by_its_name_its_shards_and_its_folder(zoo, tmp_path):
    v1 = zoo / "v1_checkpoint" / "v1_checkpoint"
    shards = tmp_path / "shards"
    shards.mkdir()
    (shards / "net.meta").write_bytes(v1.with_name("v1_checkpoint.meta").read_bytes())
    (shards / "net-00000-of-00001").write_bytes(v1.read_bytes())
    for path in (v1, v1.parent, shards, shards / "net", shards / "net-00000-of-00001"):
        assert recognise(path)
        source = read_source(path)
        assert source.checkpoint.version == 1
        assert source.kind == "tflearn checkpoint"


def test_tflearns_collections_are_read_and_its_python_objects_are_not(zoo):
    collections = read_source(zoo / "notebook").collections
    assert collections.inputs == ("input/X:0",)
    assert collections.targets == ("targets/Y:0",)
    assert collections.is_training == ("is_training:0",)
    assert collections.layer_tensors["conv_1"] == ("conv_1/Relu:0",)
    assert collections.layer_variables["conv_1"] == ("conv_1/W:0", "conv_1/b:0")
    assert collections.activations[0] == "conv_1/Relu:0"
