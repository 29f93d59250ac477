from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from inspector.errors import OptionError
from inspector.filters import Filters, Kernels, build, filters
from inspector.model import Model

WEIGHTS = np.random.default_rng(0).normal(0, 1, (12, 6, 3, 3)).astype(np.float32)


def made(array: np.ndarray, **options: object) -> Filters:
    groups = options.pop("groups", 1)
    return build(Kernels("m.onnx", "conv", "Conv", "conv.weight", array, groups), **options)


def test_without_options_all_filters_are_as_stored(conv_model: Callable[..., Model]) -> None:
    found = filters(conv_model(WEIGHTS, shape=("N", 6, 8, 8)), "conv")
    assert (found.kernels == WEIGHTS).all()
    assert (found.indices, found.channels, found.total) == (tuple(range(12)), tuple(range(6)), (12, 6))
    assert (found.layer, found.kind, found.weight) == ("conv", "Conv", "conv.weight")
    assert (found.dead, found.duplicates, found.notes, found.warnings) == ((), (), (), ())
    assert repr(found) == "Filters(conv · 12 filters of 3x3, 6 channels each)"


def test_the_model_and_the_function_agree(conv_model: Callable[..., Model]) -> None:
    model = conv_model(WEIGHTS, shape=("N", 6, 8, 8))
    found = model.filters("conv", select="3,1", sort="norm")
    assert found.to_dict() == filters(model, "conv", select="3,1", sort="norm").to_dict()


@pytest.mark.parametrize("wanted", ["0-2,7, 7 ,1", [0, 1, 2, 7], (0, 1, 2, 7, 0), range(3)])
def test_selected_filters_keep_their_true_numbers(wanted: object) -> None:
    found = made(WEIGHTS, select=wanted)
    expected = [0, 1, 2, 7][: len(found.indices)]
    assert found.indices == tuple(expected)
    assert (found.kernels == WEIGHTS[expected]).all()
    assert found.title.startswith(f"conv · {len(expected)} of 12 filters")


def test_filters_are_shown_in_the_order_asked_for() -> None:
    found = made(WEIGHTS, select="7,2-3", channels=[5, 0])
    assert found.indices == (7, 2, 3)
    assert found.channels == (5, 0)
    assert (found.kernels == WEIGHTS[[7, 2, 3]][:, [5, 0]]).all()


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"select": "12"}, "filter 12 does not exist; there are filters 0 to 11", "--filters 0-11"),
        (
            {"select": "0-999999999"},
            "filter 999999999 does not exist; there are filters 0 to 11",
            "--filters 0-11",
        ),
        ({"select": [-1]}, "filter -1 does not exist; there are filters 0 to 11", "--filters 0-11"),
        ({"channels": "6"}, "channel 6 does not exist; there are channels 0 to 5", "--channels 0-5"),
        ({"select": []}, "no filter is selected", "--filters 0-11"),
        ({"select": ""}, "'' is no filter and no range of them; expected 0-15,40", "--filters 0-15,40"),
        ({"select": "5-3"}, "'5-3' is no filter and no range of them; expected 0-15,40", "--filters 0-15,40"),
        ({"select": "1,x"}, "'x' is no filter and no range of them; expected 0-15,40", "--filters 0-15,40"),
        ({"channels": "٣"}, "'٣' is no channel and no range of them; expected 0-15,40", "--channels 0-15,40"),
    ],
)
def test_a_selection_of_what_is_not_there_is_refused(
    options: dict[str, object], message: str, hint: str
) -> None:
    with pytest.raises(OptionError) as caught:
        made(WEIGHTS, **options)
    assert (caught.value.message, caught.value.hint) == (f"m.onnx: layer 'conv': {message}", hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"reduce": "sum"}, "there is no reduction 'sum'; expected none, mean or pca"),
        ({"sort": "size"}, "there is no order 'size'; expected none, norm or similarity"),
    ],
)
def test_an_unknown_reduction_or_order_is_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(OptionError) as caught:
        made(WEIGHTS, **options)
    assert caught.value.message == message


def test_a_reduction_makes_one_tile_per_filter_of_the_selected_channels() -> None:
    found = made(WEIGHTS, channels="1-2", reduce="mean")
    np.testing.assert_allclose(found.kernels[:, 0], (WEIGHTS[:, 1] + WEIGHTS[:, 2]) / 2, rtol=1e-5, atol=1e-7)
    assert found.channels == (1, 2)
    assert found.title == "conv · 12 filters of 3x3, mean over 2 channels"
    assert made(WEIGHTS, reduce="pca").title == (
        "conv · 12 filters of 3x3, first principal component over 6 channels"
    )
    assert made(WEIGHTS, reduce="pca").picture().grid.count == 12


def test_figures_are_of_the_selected_channels_before_a_reduction() -> None:
    found = made(WEIGHTS, select="4,9", channels="1-2", reduce="mean")
    expected = np.linalg.norm(WEIGHTS[[4, 9]][:, 1:3].reshape(2, -1), axis=1)
    np.testing.assert_allclose(found.statistics.norm, expected, rtol=1e-6)


def test_sorting_by_norm_puts_the_strongest_first_and_broken_ones_last() -> None:
    array = WEIGHTS * np.array([1, 9, 3, 3, 7, 2, 8, 4, 6, 5, 0, 1], np.float32)[:, None, None, None]
    array[6, 0, 0, 0] = np.nan
    found = made(array, sort="norm")
    norms = np.linalg.norm(array.reshape(12, -1), axis=1)
    expected = sorted((n for n in range(12) if n != 6), key=lambda n: -norms[n])
    assert found.indices == (*expected, 6)
    assert (found.kernels[:-1] == array[expected]).all()
    assert found.statistics.norm[:-1].tolist() == sorted(found.statistics.norm[:-1].tolist(), reverse=True)


def test_sorting_by_similarity_reorders_numbers_kernels_and_figures_alike() -> None:
    found = made(WEIGHTS, sort="similarity")
    assert sorted(found.indices) == list(range(12))
    assert found.indices != tuple(range(12))
    assert (found.kernels == WEIGHTS[list(found.indices)]).all()
    np.testing.assert_allclose(
        found.statistics.norm, np.linalg.norm(found.kernels.reshape(12, -1), axis=1), rtol=1e-6
    )


def test_sorting_too_many_by_similarity_is_refused() -> None:
    with pytest.raises(OptionError) as caught:
        made(np.ones((8193, 1, 1, 1), np.float32), sort="similarity")
    assert caught.value.message == (
        "m.onnx: layer 'conv': sorting by similarity compares every pair of its 8,193 filters; "
        "expected at most 8,192"
    )
    assert caught.value.hint == "--sort norm, or fewer with --filters 0-1023"


def test_dead_and_duplicate_filters_are_named_by_their_true_numbers() -> None:
    array = WEIGHTS.copy()
    array[3] = 1e-5
    array[7] = 2 * array[5]
    array[11] = -array[5]
    found = made(array, select="2-11", sort="norm")
    assert found.dead == (3,)
    assert found.duplicates == ((5, 7, 11),)
    assert found.notes == (
        "1 filter is dead (norm at most 0.001 of the layer's largest): 3",
        "2 filters nearly repeat another (|cosine| at least 0.99): 5 ~ 7 ~ 11",
    )


def test_a_filter_is_dead_by_the_largest_norm_of_its_layer_not_of_the_selection() -> None:
    array = np.ones((3, 1, 2, 2), np.float32)
    array[1:] = 1e-4
    assert made(array, select="1-2").dead == (1, 2)


def test_long_lists_of_dead_filters_are_cut() -> None:
    array = np.zeros((40, 1, 2, 2), np.float32)
    assert made(array).notes == (
        "40 filters are dead (norm at most 0.001 of the layer's largest): "
        "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 28 more",
    )


def test_filters_of_different_groups_are_no_duplicates() -> None:
    array = np.ones((4, 1, 3, 3), np.float32)
    assert made(array, groups=4).duplicates == ()
    assert made(array, groups=2).duplicates == ((0, 1), (2, 3))


def test_broken_weights_are_counted_and_shown() -> None:
    array = WEIGHTS.copy()
    array[2, 0, 0, 0] = np.nan
    assert made(array).warnings == (
        "m.onnx: layer 'conv': 1 weight in 1 filter is NaN or infinite, drawn in magenta",
    )
    array[5, 1] = np.inf
    found = made(array)
    assert found.warnings == (
        "m.onnx: layer 'conv': 10 weights in 2 filters are NaN or infinite, drawn in magenta",
    )
    assert found.statistics.nonfinite.tolist() == [0, 0, 1, 0, 0, 9, 0, 0, 0, 0, 0, 0]
    assert (found.picture().pixels == [255, 0, 255]).all(axis=2).any()
    assert (made(array, reduce="pca").picture().pixels == [255, 0, 255]).all(axis=2).any()


@pytest.mark.parametrize("shape", [(0, 3, 3, 3), (4, 0, 3, 3), (4, 3, 0, 3), (4, 3, 3, 0)])
@pytest.mark.parametrize("reduce", ["none", "mean", "pca"])
@pytest.mark.parametrize("sort", ["none", "norm", "similarity"])
def test_kernels_without_a_single_weight_warn_and_go_on(
    shape: tuple[int, ...], reduce: str, sort: str
) -> None:
    found = made(np.zeros(shape, np.float32), reduce=reduce, sort=sort)
    assert found.warnings == (
        f"m.onnx: layer 'conv': its kernels have the shape {list(shape)}, so there is nothing to show",
    )
    assert found.picture(captions=True).pixels.shape == (16, 16, 3)
    for suffix in (".png", ".svg", ".html", ".npy"):
        assert found.encode(suffix)
    json.dumps(found.to_dict(), allow_nan=False)


def test_tiles_stand_filter_by_filter_channel_by_channel_slice_by_slice() -> None:
    array = np.arange(2 * 3 * 2, dtype=np.float32).reshape(2, 3, 2, 1, 1)
    picture = made(array).picture(zoom=1, padding=0, columns=12)
    level = np.rint(array.reshape(-1) / 11 * 126)
    assert (np.diff(picture.pixels[0, :, 0].astype(int)) > 0).all()
    assert picture.pixels.shape == (1, len(level), 3)
    said = [text.text for text in made(array).picture(captions=True).texts][:12]
    assert said == [f"{n}:{c}/{d}" for n in range(2) for c in range(3) for d in range(2)]


@pytest.mark.parametrize(
    ("array", "options", "captions"),
    [
        (WEIGHTS[:, :1], {"select": "3,9"}, ["3", "9"]),
        (WEIGHTS, {"select": "3", "channels": "1,4"}, ["3:1", "3:4"]),
        (WEIGHTS, {"select": "3,9", "reduce": "mean"}, ["3", "9"]),
    ],
)
def test_captions_are_true_numbers(array: np.ndarray, options: dict[str, str], captions: list[str]) -> None:
    picture = made(array, **options).picture(captions=True)
    assert [text.text for text in picture.texts][: len(captions)] == captions


def test_the_dictionary_has_these_keys_and_is_json() -> None:
    array = WEIGHTS.copy()
    array[1] = np.nan
    found = made(array, select="0-1", channels="0-2").to_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    figures = found.pop("filters")
    assert found == {
        "model": "m.onnx",
        "layer": "conv",
        "kind": "Conv",
        "weight": "conv.weight",
        "shape": [2, 3, 3, 3],
        "total_filters": 12,
        "total_channels": 6,
        "groups": 1,
        "channels": [0, 1, 2],
        "reduce": "none",
        "sort": "none",
        "colours": None,
        "dead": [],
        "duplicates": [],
        "warnings": ["m.onnx: layer 'conv': 27 weights in 1 filter are NaN or infinite, drawn in magenta"],
    }
    assert figures[0]["filter"] == 0
    assert figures[0]["min"] == WEIGHTS[0, :3].min()
    assert figures[1] == {"filter": 1, "norm": 0.0, "min": None, "max": None, "mean": None, "nonfinite": 27}


def test_kernels_without_weights_are_warned_of_and_not_dead(conv_model: Callable[..., Model]) -> None:
    model = conv_model(np.zeros((4, 1, 0, 3), np.float32))
    found = model.filters("conv")
    assert found.dead == ()
    assert found.notes == ()
    assert found.warnings == (
        f"{model.path}: layer 'conv': its kernels have the shape [4, 1, 0, 3], so there is nothing to show",
    )
