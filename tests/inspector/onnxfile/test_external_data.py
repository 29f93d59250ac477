from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from inspector.errors import TensorError
from inspector.onnxfile import OnnxFile, Tensor, open_onnx
from inspector.onnxfile.runnable import all_tensors, check_external

Make = Callable[..., ModelProto]
Open = Callable[[ModelProto], OnnxFile]
Refusal = Callable[[Callable[[], object]], str]

VALUES = np.arange(8, dtype=np.float32)
BELOW = "is not a path below the model's folder"


def outside(name: str = "t", size: int = 8, **entries: str) -> TensorProto:
    """A float tensor whose data is in another file."""
    proto = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[size])
    proto.data_location = TensorProto.EXTERNAL
    for key, value in {"location": "w.bin", **entries}.items():
        proto.external_data.add(key=key, value=value)
    return proto


@pytest.fixture
def tensor(model: Make, opened: Open) -> Callable[..., Tensor]:
    return lambda **entries: opened(model(None, [outside(**entries)])).graph.initializers["t"]


@pytest.fixture
def data(folder: Path) -> Path:
    path = folder / "w.bin"
    path.write_bytes(VALUES.tobytes())
    return path


def link(make: Callable[[], None]) -> None:
    try:
        make()
    except OSError:
        pytest.skip("links cannot be made here")


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    "entries",
    [
        {},
        {"offset": "0", "length": "32", "checksum": "anything"},
        {"location": "./w.bin"},
    ],
)
def test_external_data_is_read_from_its_file(entries: dict[str, str], tensor: Callable[..., Tensor]) -> None:
    found = tensor(**entries)
    assert (found.external, found.nbytes) == (True, 32)
    np.testing.assert_array_equal(found.numpy(), VALUES)
    assert not found.numpy().flags.writeable


@pytest.mark.parametrize("offset", [4, 4096, 65536 + 4])
def test_external_data_may_start_anywhere_and_lie_in_a_folder_below(
    offset: int, folder: Path, tensor: Callable[..., Tensor]
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "w.bin").write_bytes(bytes(offset) + VALUES.tobytes() + b"rest")
    found = tensor(location="sub/w.bin", offset=str(offset), length="32")
    np.testing.assert_array_equal(found.numpy(), VALUES)


def test_external_data_is_found_from_another_working_folder(
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tensor: Callable[..., Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = tensor()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    np.testing.assert_array_equal(found.numpy(), VALUES)


def test_an_empty_external_tensor_needs_no_bytes(data: Path, tensor: Callable[..., Tensor]) -> None:
    assert tensor(size=0, offset="32").numpy().shape == (0,)


def test_external_data_that_cannot_be_mapped_is_read(
    data: Path, tensor: Callable[..., Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tensor(size=2, offset="8")

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no mapping here")

    monkeypatch.setattr("mmap.mmap", refuse)
    assert found.numpy().tolist() == [2, 3]


@pytest.mark.usefixtures("data")
@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"location": ""}, "has external data, but no location for it"),
        ({"location": "../w.bin"}, f"has its data in '../w.bin', which {BELOW}"),
        ({"location": "sub/../../w.bin"}, f"has its data in 'sub/../../w.bin', which {BELOW}"),
        ({"location": "/etc/passwd"}, f"has its data in '/etc/passwd', which {BELOW}"),
        ({"location": "/proc/self/mem"}, f"has its data in '/proc/self/mem', which {BELOW}"),
        ({"location": "/dev/zero"}, f"has its data in '/dev/zero', which {BELOW}"),
        ({"location": r"C:\w.bin"}, f"has its data in 'C:\\\\w.bin', which {BELOW}"),
        ({"location": "C:w.bin"}, f"has its data in 'C:w.bin', which {BELOW}"),
        ({"location": r"\\host\share\w.bin"}, rf"has its data in '\\\\host\\share\\w.bin', which {BELOW}"),
        ({"location": r"..\w.bin"}, f"has its data in '..\\\\w.bin', which {BELOW}"),
        ({"location": "w.bin\0.txt"}, f"has its data in 'w.bin\\x00.txt', which {BELOW}"),
        ({"location": "*/_ORT_MEM_ADDR_/*"}, f"has its data in '*/_ORT_MEM_ADDR_/*', which {BELOW}"),
        ({"location": "."}, f"has its data in '.', which {BELOW}"),
        ({"location": "absent.bin"}, "has its data in 'absent.bin', which does not exist in HERE"),
        ({"location": "w.bin/x"}, "has its data in 'w.bin/x', which does not exist in HERE"),
        ({"location": "n" * 5000}, f"has its data in '{'n' * 79}…', which does not exist in HERE"),
        ({"offset": "-4"}, "has '-4' as the offset of its external data; expected a number of bytes"),
        ({"length": "x"}, "has 'x' as the length of its external data; expected a number of bytes"),
        ({"length": ""}, "has '' as the length of its external data; expected a number of bytes"),
        ({"offset": "1e3"}, "has '1e3' as the offset of its external data; expected a number of bytes"),
        ({"offset": "٣"}, "has '٣' as the offset of its external data; expected a number of bytes"),
        (
            {"offset": "9" * 19},
            f"has '{'9' * 19}' as the offset of its external data; expected a number of bytes",
        ),
        (
            {"offset": "9" * 30},
            f"has '{'9' * 30}' as the offset of its external data; expected a number of bytes",
        ),
        ({"length": "31"}, "needs 32 bytes of external data, but its length says 31"),
        ({"offset": "4"}, "has its data in bytes 4 to 36 of 'w.bin', which has 32"),
        (
            {"offset": str(2**62)},
            f"has its data in bytes {2**62:,} to {2**62 + 32:,} of 'w.bin', which has 32",
        ),
    ],
)
def test_external_data_that_may_not_or_cannot_be_read_is_refused(
    entries: dict[str, str], message: str, folder: Path, tensor: Callable[..., Tensor], refusal: Refusal
) -> None:
    expected = f"m.onnx: tensor 't' {message}".replace("HERE", str(folder))
    assert refusal(lambda: tensor(**entries).numpy()) == expected
    assert refusal(lambda: tensor(**entries).check_external()) == expected


def test_a_location_given_twice_is_refused(model: Make, opened: Open, refusal: Refusal) -> None:
    proto = outside()
    proto.external_data.add(key="location", value="other.bin")
    expected = "m.onnx: tensor 't' gives the 'location' of its external data twice"
    assert refusal(lambda: opened(model(None, [proto]))) == expected


def test_external_strings_are_refused(model: Make, opened: Open, refusal: Refusal) -> None:
    proto = outside()
    proto.data_type = TensorProto.STRING
    expected = "m.onnx: tensor 't' is of strings, which external data cannot hold"
    assert refusal(lambda: opened(model(None, [proto]))) == expected


def test_a_symbolic_link_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, tensor: Callable[..., Tensor], refusal: Refusal
) -> None:
    secret = tmp_path_factory.mktemp("secret") / "w.bin"
    secret.write_bytes(VALUES.tobytes())
    link(lambda: (folder / "w.bin").symlink_to(secret))
    expected = "m.onnx: tensor 't' has its data in 'w.bin', which is or goes through a link"
    assert refusal(tensor().numpy) == expected


def test_a_folder_that_is_a_symbolic_link_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, tensor: Callable[..., Tensor], refusal: Refusal
) -> None:
    secret = tmp_path_factory.mktemp("secret")
    (secret / "w.bin").write_bytes(VALUES.tobytes())
    link(lambda: (folder / "sub").symlink_to(secret, target_is_directory=True))
    expected = "m.onnx: tensor 't' has its data in 'sub/w.bin', which is or goes through a link"
    assert refusal(tensor(location="sub/w.bin").numpy) == expected


def test_a_model_in_a_folder_reached_through_a_link_is_read(
    data: Path, tmp_path_factory: pytest.TempPathFactory, model: Make, opened: Open
) -> None:
    opened(model(None, [outside()]))
    other = tmp_path_factory.mktemp("other") / "link"
    link(lambda: other.symlink_to(data.parent, target_is_directory=True))
    np.testing.assert_array_equal(open_onnx(other / "m.onnx").graph.initializers["t"].numpy(), VALUES)


def test_a_hard_link_is_refused(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, tensor: Callable[..., Tensor], refusal: Refusal
) -> None:
    secret = tmp_path_factory.mktemp("secret") / "w.bin"
    secret.write_bytes(VALUES.tobytes())
    link(lambda: os.link(secret, folder / "w.bin"))
    assert refusal(tensor().numpy) == (
        "m.onnx: tensor 't' has its data in 'w.bin', which is a hard link to a file that has other names too"
    )


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_named_pipe_and_a_folder_are_refused(
    folder: Path, tensor: Callable[..., Tensor], refusal: Refusal
) -> None:
    expected = "m.onnx: tensor 't' has its data in 'w.bin', which is not a regular file"
    os.mkfifo(folder / "w.bin")
    assert refusal(tensor().numpy) == expected
    (folder / "w.bin").unlink()
    (folder / "w.bin").mkdir()
    assert refusal(tensor().numpy) == expected


def test_data_without_permission_is_refused(
    data: Path, tensor: Callable[..., Tensor], refusal: Refusal, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = tensor()

    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    expected = "m.onnx: tensor 't' has its data in 'w.bin', which cannot be read: Permission denied"
    assert refusal(found.numpy) == expected


def test_a_name_that_is_given_to_another_file_while_it_is_opened_is_refused(
    data: Path,
    tmp_path_factory: pytest.TempPathFactory,
    tensor: Callable[..., Tensor],
    refusal: Refusal,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = tmp_path_factory.mktemp("secret") / "w.bin"
    secret.write_bytes(VALUES.tobytes())
    genuine = os.open

    def swapped(path: str, flags: int) -> int:
        data.unlink()
        link(lambda: os.link(secret, data))
        return genuine(path, flags)

    found = tensor()
    monkeypatch.setattr("os.open", swapped)
    assert refusal(found.numpy) == (
        "m.onnx: tensor 't' has its data in 'w.bin', which is a hard link to a file that has other names too"
    )


def hidden(place: str, make: Make) -> ModelProto:
    """A model with one external tensor that leads out of its folder, in the given place."""
    bad = outside("", location="../w.bin")
    constant = helper.make_node("Constant", [], ["k"], value=bad)
    indices = numpy_helper.from_array(np.arange(8))
    sparse = helper.make_sparse_tensor(outside("s", location="../w.bin"), indices, [8])
    if place == "an initializer":
        return make(None, [outside(location="../w.bin")])
    if place == "a Constant":
        return make([helper.make_node("Relu", ["x"], ["y"]), constant])
    if place == "a list of tensors":
        node = helper.make_node("Relu", ["x"], ["y"])
        node.attribute.append(helper.make_attribute("many", [bad]))
        return make([node])
    if place == "a sparse attribute":
        node = helper.make_node("Constant", [], ["y"], sparse_value=sparse)
        return make([node])
    proto = make()
    if place == "a sparse initializer":
        proto.graph.sparse_initializer.append(sparse)
    elif place == "the indices of a sparse initializer":
        wide = outside("", location="../w.bin")
        wide.data_type = TensorProto.INT64
        values = numpy_helper.from_array(VALUES, "s")
        proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, wide, [8]))
    elif place == "an inner graph":
        inner = helper.make_graph(
            [constant], "i", [], [helper.make_tensor_value_info("k", TensorProto.FLOAT, [8])]
        )
        inner.initializer.append(numpy_helper.from_array(VALUES, "fine"))
        proto.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=inner, else_branch=inner))
    elif place == "a function":
        opset = helper.make_opsetid("", 18)
        proto.functions.append(helper.make_function("f", "F", [], ["k"], [constant], [opset]))
    elif place == "a training graph":
        proto.training_info.add().initialization.node.append(constant)
    return proto


@pytest.mark.parametrize(
    "place",
    [
        "an initializer",
        "a Constant",
        "a list of tensors",
        "a sparse attribute",
        "a sparse initializer",
        "the indices of a sparse initializer",
        "an inner graph",
        "a function",
        "a training graph",
    ],
)
def test_external_data_is_checked_wherever_it_hides(
    place: str, model: Make, opened: Open, refusal: Refusal
) -> None:
    file = opened(hidden(place, model))
    assert refusal(lambda: check_external(file)).endswith(f" has its data in '../w.bin', which {BELOW}")


def test_a_model_whose_data_is_all_there_passes(data: Path, model: Make, opened: Open) -> None:
    file = opened(model(None, [outside(), numpy_helper.from_array(VALUES, "inside")]))
    check_external(file)
    assert [tensor.name for tensor in all_tensors(file)] == ["t", "inside"]


def test_what_to_do_about_a_link_is_said(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, tensor: Callable[..., Tensor]
) -> None:
    target = tmp_path_factory.mktemp("blobs") / "w.bin"
    target.write_bytes(VALUES.tobytes())
    link(lambda: (folder / "w.bin").symlink_to(target))
    with pytest.raises(TensorError) as caught:
        tensor().numpy()
    assert caught.value.hint == (
        "External data is not read through links: copy the folder with the files that they stand for, "
        "and open the model in the copy: cp -rL FOLDER COPY"
    )
