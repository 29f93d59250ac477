"""PyTorch state_dicts: which layers are in them, and which kernels."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from converters.conversion import convert
from converters.errors import FileError, SourceError, UnsupportedError
from converters.formats import Request, recognise, weights_of
from converters.state_dict import STATE_DICT, weights
from converters.weights import Weights

pytestmark = pytest.mark.filterwarnings("ignore")


def saved(path: Path, value: object, **options: object) -> Weights:
    torch.save(value, path, **options)
    return weights(path)


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, (3, 5)),
        nn.BatchNorm2d(8),
        nn.ConvTranspose2d(8, 6, 4, groups=2),
        nn.Conv1d(6, 4, 3),
        nn.ConvTranspose1d(4, 10, 3),
        nn.Conv3d(10, 5, 3),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.Conv2d(8, 16, 3, groups=2),
        nn.Linear(3, 4),
        nn.LSTM(3, 5),
        nn.GRU(3, 5),
        nn.RNN(3, 5),
        nn.PReLU(),
        nn.LayerNorm(4),
        nn.Embedding(7, 3),
        nn.MultiheadAttention(4, 2),
    )


KINDS = {
    "0": "Conv",
    "1": "BatchNormalization",
    "2": "ConvTranspose",
    "3": "Conv",
    "4": "ConvTranspose",
    "5": "Conv",
    "6": "Conv",
    "7": "Conv",
    "8": "Gemm",
    "9": "LSTM",
    "10": "GRU",
    "11": "RNN",
    "12": "PRelu",
    "13": "LayerNormalization",
    "14": "Gemm",
    "15": "MultiheadAttention",
    "15.out_proj": "Gemm",
}


def first_out(module: nn.Module) -> np.ndarray:
    """The kernels with the output channel first, from plain loops over groups."""
    weight = module.weight.detach().numpy()
    if "Transpose" not in type(module).__name__:
        return weight
    taken, groups = module.in_channels, module.groups
    each = taken // groups
    parts = [weight[at * each : (at + 1) * each].swapaxes(0, 1) for at in range(groups)]
    return np.concatenate(parts)


@pytest.mark.parametrize("zipped", [True, False])
def test_every_kind_of_layer_is_told_and_every_kernel_bit_for_bit(tmp_path: Path, zipped: bool) -> None:
    made = network()
    found = saved(tmp_path / "net.pth", made.state_dict(), _use_new_zipfile_serialization=zipped)
    assert {layer.name: layer.kind for layer in found.layers} == KINDS
    kernels = {layer.name: layer.kernels() for layer in found.layers if layer.kernel is not None}
    assert set(kernels) == {"0", "2", "3", "4", "5", "6", "7"}
    for name, array in kernels.items():
        expected = first_out(made[int(name)])
        assert (array.dtype, array.shape) == (expected.dtype, expected.shape), name
        assert array.tobytes() == np.ascontiguousarray(expected).tobytes(), name
    assert found.notes == ()


def test_parameters_are_counted_without_the_counter_of_a_batch_normalization(tmp_path: Path) -> None:
    made = network()
    found = {layer.name: layer for layer in saved(tmp_path / "net.pth", made.state_dict()).layers}
    assert found["1"].parameters == 4 * 8
    assert [variable.name for variable in found["1"].variables] == [
        f"1.{role}" for role in ("weight", "bias", "running_mean", "running_var")
    ]
    for name in ("0", "2", "9"):
        assert found[name].parameters == sum(each.numel() for each in made[int(name)].parameters())


def test_groups_are_told_where_they_can_be(tmp_path: Path) -> None:
    layers = saved(tmp_path / "net.pth", network().state_dict()).layers
    assert {layer.name: layer.groups for layer in layers if layer.kernel} == {
        **dict.fromkeys("0345", 1),
        "2": 2,
        "6": 8,
        # Of (16, 4, 3, 3) nothing tells how many channels come in.
        "7": 1,
    }


def kinds(path: Path, *modules: nn.Module) -> tuple[dict[str, str], tuple[str, ...]]:
    found = saved(path, nn.Sequential(*modules).state_dict())
    return {each.name: each.kind for each in found.layers if each.kernel}, found.notes


def test_the_normalization_behind_a_convolution_tells_which_way_round_it_is(tmp_path: Path) -> None:
    found, notes = kinds(
        tmp_path / "gan.pth",
        nn.ConvTranspose2d(100, 64, 4, bias=False),
        nn.BatchNorm2d(64),
        nn.ConvTranspose2d(64, 32, 4, bias=False),
        nn.GroupNorm(4, 32),
        nn.Conv2d(32, 16, 3, bias=False),
        nn.BatchNorm2d(16),
    )
    assert found == {"0": "ConvTranspose", "2": "ConvTranspose", "4": "Conv"}
    assert notes == ()


def test_a_normalization_of_another_size_is_no_proof(tmp_path: Path) -> None:
    # As in DenseNet, where the next normalization sees the channels of all layers before.
    found, notes = kinds(
        tmp_path / "dense.pth", nn.BatchNorm2d(128), nn.Conv2d(128, 32, 3, bias=False), nn.BatchNorm2d(128)
    )
    assert (found, notes) == ({"1": "Conv"}, ())
    single = kinds(tmp_path / "slope.pth", nn.Conv2d(3, 8, 3), nn.Conv2d(1, 8, 3, bias=False), nn.PReLU())
    assert single[0] == {"0": "Conv", "1": "Conv"}


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    modules = {
        "entry": nn.Conv2d(3, 8, 3),
        "square": nn.Conv2d(8, 8, 3),
        "point": nn.Conv2d(8, 8, 1),
        "deconv": nn.ConvTranspose2d(8, 8, 2),
        "last": nn.ConvTranspose2d(8, 3, 4, bias=False),
    }
    found = saved(tmp_path / "net.pth", nn.ModuleDict(modules).state_dict())
    assert {each.name: each.kind for each in found.layers} == {
        "entry": "Conv",
        "square": "Conv",
        "point": "Conv",
        "deconv": "ConvTranspose",
        "last": "ConvTranspose",
    }
    assert found.notes == (
        "square: as many input as output channels, taken for a convolution; a transposed one has them the "
        "other way round",
        "deconv: taken for a transposed convolution because of the name",
        "last: taken for a transposed convolution because the layer before makes as many channels",
    )


def test_many_guesses_are_one_sentence(tmp_path: Path) -> None:
    _, notes = kinds(tmp_path / "net.pth", nn.Conv2d(3, 4, 3), *(nn.Conv2d(4, 4, 3) for _ in range(5)))
    assert [note.partition(":")[0] for note in notes] == ["1, 2, 3 and 2 more"]


def test_only_one_layer_reads_a_grey_picture(tmp_path: Path) -> None:
    found = saved(
        tmp_path / "net.pth", nn.Sequential(nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, groups=8)).state_dict()
    )
    assert [layer.groups for layer in found.layers] == [1, 8]


def test_lone_parameters_and_odd_layers_have_kinds(tmp_path: Path) -> None:
    names = {
        "token": (1, 1, 4),
        "block.scale": (1, 1, 4),
        "block.weight": (2, 2, 2, 2, 2, 2),
        "tok_embeddings.weight": (5, 4),
        "final_norm.weight": (4,),
        "group_norm.weight": (4,),
        "group_norm.bias": (4,),
    }
    found = saved(tmp_path / "net.pth", {name: torch.zeros(shape) for name, shape in names.items()})
    assert {layer.name: layer.kind for layer in found.layers} == {
        "token": "Parameter",
        "block": "Parameter",
        "tok_embeddings": "Embedding",
        "final_norm": "RMSNormalization",
        "group_norm": "Normalization",
    }


WRAPPINGS = {
    "under state_dict": (lambda held: {"epoch": 3, "state_dict": held}, ", under 'state_dict'"),
    "beside an optimizer": (
        lambda held: {"optimizer": {"state": {0: {"step": torch.zeros(1)}}}, "model": held},
        ", under 'model'",
    ),
    "twice under": (lambda held: {"net": {"state_dict": held}}, ", under 'net' / 'state_dict'"),
    "parallel": (lambda held: {f"module.{name}": each for name, each in held.items()}, ""),
    "compiled": (lambda held: {f"_orig_mod.{name}": each for name, each in held.items()}, ""),
    "both": (lambda held: {f"module._orig_mod.{name}": each for name, each in held.items()}, ""),
}


@pytest.mark.parametrize(("wrap", "where"), WRAPPINGS.values(), ids=list(WRAPPINGS))
def test_a_checkpoint_gives_the_names_that_the_author_knows(tmp_path: Path, wrap, where: str) -> None:
    held = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)).state_dict()
    found = saved(tmp_path / "net.pth", wrap(held))
    assert [layer.name for layer in found.layers] == ["0", "1"]
    assert found.kind == f"PyTorch state_dict{where}"
    assert np.array_equal(found.layers[0].kernels(), held["0.weight"].numpy())


def test_networks_side_by_side_keep_their_names(tmp_path: Path) -> None:
    held = nn.Conv2d(3, 8, 3).state_dict()
    found = saved(
        tmp_path / "net.pth", {"encoder": held, "decoder": held, "optimizer": {"lr": torch.ones(1)}}
    )
    assert [layer.name for layer in found.layers] == ["encoder", "decoder"]


def test_a_layer_called_module_within_others_keeps_its_name(tmp_path: Path) -> None:
    found = saved(tmp_path / "net.pth", {"module.w": torch.zeros(2), "head.w": torch.zeros(2)})
    assert [layer.name for layer in found.layers] == ["module", "head"]


@pytest.mark.parametrize("value", [3, [torch.zeros(2)], {"lr": 0.1}, {0: torch.zeros(2)}, torch.zeros(2)])
def test_a_file_without_tensors_by_name_is_refused(tmp_path: Path, value: object) -> None:
    path = tmp_path / "net.pth"
    with pytest.raises(SourceError) as caught:
        saved(path, value)
    assert caught.value.message == f"{path}: holds no tensors by name; expected a state_dict"
    assert caught.value.hint == "torch.save(model.state_dict(), PATH)"


def test_what_would_run_code_is_told_when_it_is_converted_too(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(nn.Conv2d(1, 2, 3), path)
    with pytest.raises(UnsupportedError, match="loading one runs its code"):
        convert(path, tmp_path / "net.onnx")
    torch.save(nn.Conv2d(1, 2, 3).state_dict(), path)
    with pytest.raises(UnsupportedError, match="not the network that they belong to"):
        convert(path, tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == [path]


def test_dictionaries_within_dictionaries_without_end_are_refused(tmp_path: Path) -> None:
    value: object = {"w": torch.zeros(2)}
    for _ in range(6):
        value = {"model": value, "a": {"b": torch.zeros(1)}}
    with pytest.raises(SourceError, match="holds no tensors by name"):
        saved(tmp_path / "net.pth", value)


def test_a_pickled_network_is_refused_because_it_needs_its_code(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save(nn.Conv2d(1, 2, 3), path)
    with pytest.raises(UnsupportedError) as caught:
        weights_of(path)
    assert caught.value.message == (
        f"{path}: holds a whole network as Python objects (`torch.nn.modules.conv.Conv2d`), and loading one "
        "runs its code; expected a state_dict: tensors by name"
    )


def test_weights_that_are_stored_in_parts_are_put_together(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = nn.ModuleDict(
        {
            "norm": nn.utils.weight_norm(nn.Conv2d(3, 8, 3)),
            "new_norm": parametrizations.weight_norm(nn.Conv1d(8, 4, 3)),
            "spectral": nn.utils.spectral_norm(nn.Conv2d(4, 8, 3)),
            "new_spectral": parametrizations.spectral_norm(nn.Conv2d(8, 4, 3)),
            "up": nn.utils.spectral_norm(nn.ConvTranspose2d(4, 8, 3)),
            "pruned": nn.Conv2d(4, 8, 3),
        }
    )
    prune.l1_unstructured(made["pruned"], "weight", 0.5)
    made.eval()
    found = {layer.name: layer for layer in saved(tmp_path / "net.pth", made.state_dict()).layers}
    assert list(found) == list(made)
    for name, module in made.items():
        # Some compute their weight when they are called.
        module(torch.zeros(1, module.in_channels, *(9,) * (module.weight.ndim - 2)))
        np.testing.assert_allclose(found[name].kernels(), first_out(module), rtol=1e-5, atol=1e-7)


def test_a_state_dict_is_recognised_and_cannot_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "net.weights"
    torch.save(nn.Conv2d(1, 2, 3).state_dict(), path)
    assert recognise(path) is STATE_DICT
    with pytest.raises(UnsupportedError) as caught:
        STATE_DICT.open(path, Request())
    assert caught.value.message == (
        f"{path}: holds weights by name, but not the network that they belong to, so there is nothing to "
        "convert"
    )
    assert "inspector convert PACKAGE.MODULE:FUNCTION" in caught.value.hint


def test_what_is_no_file_of_weights_is_left_to_others(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("weights")
    assert weights_of(tmp_path / "notes.txt") is None
    assert weights_of(tmp_path / "absent") is None
    assert weights_of(Path("/dev/null")) is None
    with pytest.raises(FileError):
        weights(tmp_path / "absent")


def test_a_truncated_download_is_told(tmp_path: Path) -> None:
    file = io.BytesIO()
    torch.save(nn.Conv2d(1, 2, 3).state_dict(), file, _use_new_zipfile_serialization=False)
    (tmp_path / "net.pth").write_bytes(file.getvalue()[:-10])
    with pytest.raises(SourceError) as caught:
        weights_of(tmp_path / "net.pth")
    assert caught.value.message == f"{tmp_path / 'net.pth'}: is damaged: 10 bytes of its tensors are missing"


def test_an_archive_that_names_members_outside_itself_reads_nothing_there(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    torch.save({"w": torch.zeros(2)}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../../outside", b"x")
    assert [layer.name for layer in weights(path).layers] == ["w"]
    assert not (tmp_path.parent / "outside").exists()
