from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tf_files import bundle_entry, header, table, write_bundle

from converters.errors import FileError, InspectorError, SourceError
from converters.tensorflow.checkpoint import open_checkpoint
from converters.tensorflow.crc32c import mask

AGAIN = "Copy the checkpoint again: all of its files, from one save."
W = np.arange(12, dtype=np.float32).reshape(3, 4)


def refusal(prefix: Path, name: str = "w") -> InspectorError:
    with pytest.raises(InspectorError) as caught:
        open_checkpoint(prefix).read(name)
    return caught.value


@pytest.fixture(scope="module")
def saved(tensorflow, tmp_path_factory):
    """Variables of every type, some in parts, saved in each format by TensorFlow; and their values."""
    tf, folder = tensorflow, tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(0)
    types = [
        "float32",
        "float64",
        "int32",
        "int64",
        "uint8",
        "int8",
        "int16",
        "bool",
        "complex64",
        "complex128",
    ]
    values = {f"v_{name}": (rng.normal(size=(70, 3)) * 20).astype(name) for name in types}
    new = {
        "v_float16": rng.normal(size=(4, 5)).astype(np.float16),
        "v_uint16": np.arange(9, dtype=np.uint16),
        "v_text": np.array([[b"a", b"hello\x00"], [b"", b"xyz" * 50]], object),
        "v_scalar": np.float32(3.5),
        "v_empty": np.zeros((0, 3), np.float32),
    }
    with tf.Graph().as_default(), tf.Session() as session:
        old = [tf.Variable(value, name=name, use_resource=False) for name, value in values.items()]
        later = [tf.Variable(value, name=name, use_resource=False) for name, value in new.items()]
        later.append(tf.Variable(tf.cast(new["v_float16"], tf.bfloat16), name="v_bfloat16"))
        parts = {}
        for name, shape, axis in (("rows", [200, 7], 0), ("columns", [5, 300], 1)):
            partitioner = tf.fixed_size_partitioner(3, axis=axis)
            initial = tf.random_normal_initializer(seed=1)
            parts[name] = tf.get_variable(name, shape, initializer=initial, partitioner=partitioner)
        session.run(tf.global_variables_initializer())
        in_parts = [*parts["rows"], *parts["columns"]]
        for name, options in {
            "v2": {"var_list": [*old, *later, *in_parts]},
            "v2_shards": {"var_list": [*old, *later, *in_parts], "sharded": True},
            "v1": {"var_list": [*old, *in_parts], "write_version": tf.train.SaverDef.V1},
            "v1_shards": {
                "var_list": [*old, *in_parts],
                "write_version": tf.train.SaverDef.V1,
                "sharded": True,
            },
        }.items():
            tf.train.Saver(**options).save(session, str(folder / name), write_meta_graph=False)
        whole = {name: session.run(tf.convert_to_tensor(part)) for name, part in parts.items()}
        later_values = {**new, "v_bfloat16": session.run(later[-1])}
    return folder, {**values, **whole}, {**values, **whole, **later_values}


@pytest.mark.parametrize(("name", "version"), [("v2", 2), ("v2_shards", 2), ("v1", 1), ("v1_shards", 1)])
def test_what_tensorflow_saves_is_read_bit_for_bit(saved, name, version):
    folder, in_v1, in_v2 = saved
    checkpoint = open_checkpoint(folder / name)
    expected = in_v1 if version == 1 else in_v2
    assert checkpoint.version == version
    assert set(checkpoint.variables) == set(expected)
    for variable in checkpoint.variables.values():
        value = checkpoint.read(variable.name)
        assert value.dtype == variable.dtype == np.asarray(expected[variable.name]).dtype
        assert value.shape == variable.shape == np.shape(expected[variable.name])
        np.testing.assert_array_equal(value, expected[variable.name])


def test_a_value_is_a_read_only_view_into_the_file(tmp_path):
    write_bundle(tmp_path / "net", {"w": W})
    value = open_checkpoint(tmp_path / "net").read("w")
    assert not value.flags.owndata
    assert not value.flags.writeable
    np.testing.assert_array_equal(value, W)


def test_a_checkpoint_of_a_big_endian_machine_is_read(tmp_path):
    swapped = W.astype(">f4")
    entry = bundle_entry(W, 0, crc32c=bundle_entry(swapped.view(np.uint8), 0).crc32c)
    index = table({b"": header(endianness=1), b"w": entry.SerializeToString()})
    (tmp_path / "net.index").write_bytes(index)
    (tmp_path / "net.data-00000-of-00001").write_bytes(swapped.tobytes())
    np.testing.assert_array_equal(open_checkpoint(tmp_path / "net").read("w"), W)


def test_a_variable_that_is_absent_is_named(tmp_path):
    write_bundle(tmp_path / "net", {"w": W})
    error = refusal(tmp_path / "net", "conv_1/W")
    assert isinstance(error, SourceError)
    assert error.message == (
        f"{tmp_path / 'net'}: the checkpoint has no variable 'conv_1/W', which the graph needs"
    )
    assert error.hint == "Graph and checkpoint must come from the same save: take both from one folder."


def test_missing_data_is_named(tmp_path):
    write_bundle(tmp_path / "net", {"w": W})
    data = tmp_path / "net.data-00000-of-00001"
    data.unlink()
    error = refusal(tmp_path / "net")
    assert isinstance(error, FileError)
    assert error.message == f"{data}: no such file; expected the data of a checkpoint"


def test_short_data_is_named_with_the_variable(tmp_path):
    write_bundle(tmp_path / "net", {"w": W})
    data = tmp_path / "net.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:40])
    error = refusal(tmp_path / "net")
    assert error.message == f"{data}: has 40 bytes, but the variable 'w' lies at 0 to 48"
    assert error.hint == AGAIN


def test_changed_data_is_found_by_the_crc_of_the_variable(tmp_path):
    write_bundle(tmp_path / "net", {"v": W + 1, "w": W})
    data = tmp_path / "net.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[50] ^= 1
    data.write_bytes(content)
    assert refusal(tmp_path / "net").message == (
        f"{data}: the variable 'w' does not have the CRC stored in the index"
    )
    np.testing.assert_array_equal(open_checkpoint(tmp_path / "net").read("v"), W + 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard_id": 7}, "puts the variable 'w' into data file 7 of 1"),
        ({"size": 47}, "gives the variable 'w' 47 bytes, which do not fit its shape [3, 4] and type float32"),
        ({"size": -1}, "gives the variable 'w' -1 bytes, which do not fit its shape [3, 4] and type float32"),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(tmp_path, change, message):
    write_bundle(tmp_path / "net", {"w": W}, w=change)
    assert refusal(tmp_path / "net").message == f"{tmp_path / 'net.index'}: {message}"


def test_a_negative_offset_is_refused(tmp_path):
    write_bundle(tmp_path / "net", {"w": W}, w={"offset": -4})
    data = tmp_path / "net.data-00000-of-00001"
    assert refusal(tmp_path / "net").message == f"{data}: has 48 bytes, but the variable 'w' lies at -4 to 44"


@pytest.mark.parametrize("sizes", [[-3], [1 << 40, 1 << 40]])
def test_an_impossible_shape_is_refused_before_anything_is_allocated(tmp_path, sizes):
    entry = bundle_entry(np.zeros(1, np.float32), 0)
    del entry.shape.dim[:]
    for size in sizes:
        entry.shape.dim.add(size=size)
    (tmp_path / "net.index").write_bytes(table({b"": header(), b"w": entry.SerializeToString()}))
    said = "is not a static one" if sizes[0] < 0 else "is not a possible one"
    assert refusal(tmp_path / "net").message.endswith(said)


def test_an_index_without_its_header_is_refused(tmp_path):
    index = tmp_path / "net.index"
    index.write_bytes(table({b"w": bundle_entry(W, 0).SerializeToString()}))
    assert refusal(tmp_path / "net").message == (
        f"{index}: is damaged: its first entry is not the header of a checkpoint"
    )


def test_an_index_from_the_future_is_refused(tmp_path):
    message = header()
    future = message + bytes([3 << 3 | 2, 2, 2 << 3, 9])  # version.min_consumer = 9
    (tmp_path / "net.index").write_bytes(table({b"": future}))
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net.index'}: is of a version that asks for a reader of version 9; known is 1"
    )


def test_an_absurd_number_of_data_files_is_refused(tmp_path):
    (tmp_path / "net.index").write_bytes(table({b"": header(2_000_000_000)}))
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net.index'}: is damaged: it names 2,000,000,000 data files"
    )


def test_an_empty_index_is_refused(tmp_path):
    (tmp_path / "net.index").write_bytes(b"")
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net.index'}: is empty; expected the index of a checkpoint"
    )


def test_no_checkpoint_at_all_is_said(tmp_path):
    assert refusal(tmp_path / "net").message == (
        f"{tmp_path / 'net'}: is no checkpoint: there is neither net.index nor a V1 checkpoint of that name"
    )


@pytest.mark.parametrize("file", ["v2.index", "v2.data-00000-of-00001", "v1"])
def test_a_file_cut_anywhere_or_changed_anywhere_is_an_error_or_harmless(saved, tmp_path, file):
    folder, _, expected = saved
    for name in ("v2.index", "v2.data-00000-of-00001", "v1"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    content = (folder / file).read_bytes()
    rng = np.random.default_rng(4)
    damaged = [content[:size] for size in (*range(60), *rng.integers(0, len(content), 60).tolist())]
    for _ in range(120):
        changed = bytearray(content)
        changed[rng.integers(len(content))] ^= 1 << rng.integers(8)
        damaged.append(bytes(changed))
    refused = 0
    for data in damaged:
        (tmp_path / file).write_bytes(data)
        try:
            checkpoint = open_checkpoint(tmp_path / file.split(".")[0])
            for name in checkpoint.variables:
                np.testing.assert_array_equal(checkpoint.read(name), expected[name])
        except InspectorError:
            refused += 1
    assert refused > 0.9 * len(damaged)


def test_strings_whose_lengths_are_damaged_are_refused(saved, tmp_path):
    folder, _, _ = saved
    index = (folder / "v2.index").read_bytes()
    data = bytearray((folder / "v2.data-00000-of-00001").read_bytes())
    place = bytes(data).index(b"ahello\x00")
    (tmp_path / "net.index").write_bytes(index)
    path = tmp_path / "net.data-00000-of-00001"
    changed = data.copy()
    changed[place - 7] ^= 1
    path.write_bytes(changed)
    assert refusal(tmp_path / "net", "v_text").message == (
        f"{path}: the variable 'v_text': the lengths of its strings do not have the CRC stored with them"
    )
    changed = data.copy()
    changed[place] ^= 1
    path.write_bytes(changed)
    assert refusal(tmp_path / "net", "v_text").message == (
        f"{path}: the variable 'v_text' does not have the CRC stored in the index"
    )


def test_more_strings_than_bytes_are_refused(tmp_path):
    entry = bundle_entry(np.zeros(4, np.uint8), 0, dtype=7)
    entry.shape.dim[0].size = 1 << 30
    (tmp_path / "net.index").write_bytes(table({b"": header(), b"w": entry.SerializeToString()}))
    data = tmp_path / "net.data-00000-of-00001"
    data.write_bytes(bytes(4))
    assert refusal(tmp_path / "net").message == (
        f"{data}: the variable 'w': 1,073,741,824 strings do not fit into 4 bytes"
    )


def test_masked_zero_is_not_taken_for_a_missing_crc(tmp_path):
    write_bundle(tmp_path / "net", {"w": W}, w={"crc32c": mask(0)})
    assert "does not have the CRC" in refusal(tmp_path / "net").message
