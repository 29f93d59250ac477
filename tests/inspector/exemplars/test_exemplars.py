"""The places that excite a filter most, against a plain loop over pictures, filters and positions."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inspector import Exemplars, load
from inspector.errors import ImageError, OptionError, OutputExistsError
from inspector.exemplars.gallery import Exemplar, Gallery, cut
from inspector.preprocess import Preprocess
from inspector.tiles.levels import BACKGROUND_COLOUR

RANDOM = np.random.default_rng(0)
KERNELS = RANDOM.normal(size=(3, 1, 3, 3)).astype(np.float32)


def saved(tmp_path, nodes, weights, shape=("N", 1, 10, 8), labels=()):
    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    tensors = [numpy_helper.from_array(np.asarray(array), name) for name, array in weights.items()]
    graph = helper.make_graph(nodes, "net", [value], [result], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    told = {"inspector.preprocess": Preprocess("gray").to_json()}
    helper.set_model_props(
        model, {**told, **({"inspector.labels": json.dumps(list(labels))} if labels else {})}
    )
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    return load(path)


CONV = [
    helper.make_node("Conv", ["x", "conv.weight"], ["c"], name="conv", pads=[1, 1, 1, 1]),
    helper.make_node("Relu", ["c"], ["y"], name="relu"),
]


@pytest.fixture
def net(tmp_path):
    return saved(tmp_path, CONV, {"conv.weight": KERNELS})


@pytest.fixture
def folder(tmp_path):
    """Twenty pictures, two of them alike."""
    where = tmp_path / "pictures"
    where.mkdir()
    for number in range(20):
        pixels = np.random.default_rng(number % 19).integers(0, 256, (10, 8), np.uint8)
        Image.fromarray(pixels).save(where / f"{number:02}.png")
    return where


def by_plain_loop(folder, filter_number):
    """Score, name, row and column of each picture's best place, best first."""
    found = []
    for path in sorted(folder.glob("*.png")):
        pixels = np.pad(np.asarray(Image.open(path), np.float64) / 255, 1)
        best = (-np.inf, 0, 0)
        for row in range(10):
            for column in range(8):
                score = (pixels[row : row + 3, column : column + 3] * KERNELS[filter_number, 0]).sum()
                if score > best[0]:
                    best = (score, row, column)
        found.append((best[0], str(path), best[1], best[2]))
    return sorted(found, key=lambda each: -each[0])


def test_the_best_places_are_those_of_a_plain_loop(net, folder):
    found = net.exemplars(folder, "c", count=5)
    assert (found.indices, found.total, found.pictures_read) == ((0, 1, 2), 3, 20)
    for number, best in enumerate(found.items):
        expected = by_plain_loop(folder, number)[:5]
        assert [each.source for each in best] == [source for _, source, _, _ in expected]
        np.testing.assert_allclose([each.score for each in best], [each[0] for each in expected], rtol=1e-5)
        # The box is the receptive field: one pixel to every side.
        assert [each.box for each in best] == [(r - 1, c - 1, r + 2, c + 2) for _, _, r, c in expected]
    assert found.scores.shape == (3, 5)


def test_a_crop_is_what_is_in_the_box_and_mid_grey_beyond_the_picture(net, folder):
    for best in net.exemplars(folder, "c").items:
        for each in best:
            pixels = np.asarray(Image.open(each.source))
            top, left, _, _ = each.box
            for row in range(3):
                for column in range(3):
                    y, x = top + row, left + column
                    inside = 0 <= y < 10 and 0 <= x < 8
                    expected = (pixels[y, x],) * 3 if inside else (128, 128, 128)
                    assert tuple(each.crop[row, column]) == expected


def test_there_is_one_of_each_picture_and_no_more_than_there_are(net, folder):
    found = net.exemplars([*sorted(folder.glob("*.png"))[:4]], "relu")
    assert all(len({each.source for each in best}) == len(best) == 4 for best in found.items)
    assert found.scores.shape == (3, 9)
    assert np.isnan(found.scores[:, 4:]).all() and np.isfinite(found.scores[:, :4]).all()
    assert found.title == "relu · 3 filters · what excites each most, 4 of 4 pictures"


def test_of_equals_the_earlier_picture_stands_in_front():
    gallery = Gallery(1, 2)

    def made(name):
        return lambda index, score: Exemplar(score, name, (0, 0, 1, 1), np.zeros((1, 1, 3), np.uint8))

    for name, score in (("a", 1.0), ("b", 2.0), ("c", 1.0), ("d", 2.0), ("e", float("nan"))):
        gallery.offer(np.array([score]), made(name))
    assert [each.source for each in gallery.best()[0]] == ["b", "d"]


def test_what_is_kept_is_bounded():
    gallery = Gallery(4096, 9)
    assert 4096 * 9 * 3 * gallery.side**2 <= 2**28
    assert Gallery(3, 9).side == 224
    picture = RANDOM.integers(0, 256, (100, 50, 3)).astype(np.uint8)
    assert cut(picture, (0, 0, 100, 50), 20).shape == (20, 10, 3)


def test_filters_and_channels_are_selected(net, folder):
    assert net.exemplars(folder, "c", select="2,0").indices == (2, 0)
    assert net.exemplars(folder, "c:1").indices == (1,)
    one = net.exemplars(folder, "c", select="2").items[0]
    assert [each.source for each in one] == [s for _, s, _, _ in by_plain_loop(folder, 2)[:9]]


def test_a_layer_that_sees_everything_gives_whole_pictures_and_classes_their_names(tmp_path, folder):
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node("Softmax", ["l"], ["y"]),
    ]
    dense = RANDOM.normal(size=(80, 2)).astype(np.float32)
    model = saved(tmp_path, nodes, {"d": dense}, labels=("no", "yes"))
    found = model.exemplars(folder, "logits", count=2)
    assert found.labels == ("no", "yes") and found.kernels is None
    best = found.items[1][0]
    assert best.box == (0, 0, 10, 8)
    scores = [
        (np.asarray(Image.open(p), float) / 255).ravel() @ dense[:, 1] for p in sorted(folder.iterdir())
    ]
    np.testing.assert_allclose(best.score, max(scores), rtol=1e-5)
    assert found._captions() == [f"no: {found.scores[0, 0]:.3g}", f"yes: {found.scores[1, 0]:.3g}"]


def test_a_single_sigmoid_has_two_classes_of_opposite_order(tmp_path, folder):
    weights = np.random.default_rng(3).normal(size=(80, 1)).astype(np.float32)
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "d"], ["l"]),
        helper.make_node("Sigmoid", ["l"], ["y"]),
    ]
    model = saved(tmp_path, nodes, {"d": weights})
    sums = {
        path.name: float((np.asarray(Image.open(path), np.float64).ravel() / 255) @ weights[:, 0])
        for path in folder.iterdir()
    }
    found = model.exemplars(folder, "logits", count=3)
    assert (found.labels, found.total) == (("class 0", "class 1"), 2)
    for items, sign in zip(found.items, (-1, 1), strict=True):
        best = sorted((sign * value for value in sums.values()), reverse=True)[:3]
        assert np.allclose([each.score for each in items], best, rtol=1e-4)
        assert [sums[Path(each.source).name] * sign for each in items] == pytest.approx(best)


@pytest.mark.parametrize("shape", [(4, 1, 10, 8), (1, 1, 10, 8), ("N", 10, 8, 1), (10, 8)])
def test_any_batch_and_layout_gives_the_same(tmp_path, folder, shape):
    nodes = list(CONV)
    weights = {"conv.weight": KERNELS}
    if shape[1:] == (10, 8, 1):
        nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2]), *nodes]
        nodes[1] = helper.make_node("Conv", ["t", "conv.weight"], ["c"], name="conv", pads=[1, 1, 1, 1])
    if shape == (10, 8):
        shape = (1, 10, 8)
        nodes = [helper.make_node("Unsqueeze", ["x", "at"], ["t"]), *nodes]
        nodes[1] = helper.make_node("Conv", ["t", "conv.weight"], ["c"], name="conv", pads=[1, 1, 1, 1])
        weights["at"] = np.array([1])
    found = saved(tmp_path, nodes, weights, shape).exemplars(folder, "c", select=[0], count=3)
    expected = by_plain_loop(folder, 0)[:3]
    assert [each.source for each in found.items[0]] == [source for _, source, _, _ in expected]


def test_one_bad_picture_does_not_stop_the_others(net, folder):
    (folder / "05.png").write_bytes(b"no picture")
    seen = []
    from inspector.exemplars import exemplars

    found = exemplars(net, folder, "c", step=seen.append)
    assert len(seen) == 20 and found.pictures_read == 19
    assert [failure.source for failure in found.failures] == [str(folder / "05.png")]
    assert found.to_dict()["failures"][0]["source"] == str(folder / "05.png")


def test_nothing_but_bad_pictures_is_an_error(net, tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no picture")
    with pytest.raises(ImageError):
        net.exemplars([tmp_path / "bad.png"], "c")


def test_a_picture_with_infinite_answers_fails_by_itself(tmp_path, folder):
    nodes = [helper.make_node("Div", ["x", "zero"], ["d"]), helper.make_node("Relu", ["d"], ["y"])]
    model = saved(tmp_path, nodes, {"zero": np.zeros((1, 1, 1, 1), np.float32)})
    name = str(sorted(folder.iterdir())[0])
    with pytest.raises(Exception) as caught:
        model.exemplars(folder, "y")
    assert caught.value.message == f"{name}: y gives NaN or infinite numbers for it; expected finite ones"


def test_kernels_and_what_it_looks_for_stand_beside(net, folder):
    found = net.exemplars(folder, "conv", select=[1, 2], visualize=True, steps=3, count=4)
    np.testing.assert_allclose(found.kernels, KERNELS[[1, 2], 0], rtol=1e-5)
    assert found.visualization.indices == (1, 2)
    bare = net.exemplars(folder, "c", select=[1, 2], count=4)
    wide, narrow = (each.picture(side=40, captions=False).pixels.shape[1] for each in (found, bare))
    assert wide > narrow
    assert found.picture().title.endswith(" · on the left kernels and what it looks for")
    assert found.to_dict()["visualization"]["steps"] == 3


def test_pictures_and_steps_of_the_ascent_are_told(net, folder):
    from inspector.exemplars import exemplars

    read, climbed = [], []
    exemplars(
        net,
        folder,
        "c",
        visualize=True,
        steps=60,
        step=lambda answer: read.append(answer.source),
        climbed=lambda: climbed.append(len(read)),
    )
    assert read == [str(path) for path in sorted(folder.iterdir())]
    assert len(climbed) >= 60 and set(climbed) == {20}


def test_a_card_shows_the_exemplars_in_rows_best_first(net, folder):
    found = net.exemplars(folder, "relu", select=[0], count=4)
    pixels = found.picture(side=33, captions=False, padding=0).pixels
    tiles = [pixels[r : r + 33, c : c + 33] for r in (0, 35) for c in (0, 35)]
    for tile, exemplar in zip(tiles, found.items[0], strict=True):
        np.testing.assert_array_equal(tile, exemplar.crop.repeat(11, axis=0).repeat(11, axis=1))


def test_a_filter_that_is_zero_everywhere_is_named_and_shows_nothing(tmp_path, folder):
    kernels = np.stack([KERNELS[0], -np.ones((1, 3, 3), np.float32)])
    found = saved(tmp_path, CONV, {"conv.weight": kernels}).exemplars(folder, "relu")
    assert found.silent == (1,)
    assert found.notes == ("1 filter is zero for every picture: 1",)
    cards = found.picture(captions=False, padding=0, columns=1).pixels
    lower = cards[cards.shape[0] // 2 :]
    assert (lower == BACKGROUND_COLOUR).all()
    captions = [text.text for text in found.picture().texts]
    assert captions[:2] == [f"0: {found.scores[0, 0]:.3g}", "1: zero for every picture"]


def test_kernels_of_one_weight_are_not_drawn(tmp_path, folder):
    nodes = [helper.make_node("Conv", ["x", "conv.weight"], ["y"], name="conv")]
    found = saved(tmp_path, nodes, {"conv.weight": KERNELS[:, :, :1, :1]}).exemplars(folder, "conv")
    assert found.kernels is None
    assert "kernels" not in found.picture().title


def test_files_by_suffix(net, folder, tmp_path):
    found = net.exemplars(folder, "c", count=2)
    assert found.save(tmp_path / "e.png").read_bytes()[:4] == b"\x89PNG" == found._repr_png_()[:4]
    assert found.save(tmp_path / "e.svg").read_text().startswith("<svg")
    record = json.loads(found.save(tmp_path / "e.json").read_text())
    top, left, bottom, right = found.items[0][0].box
    assert record["filters"][0]["exemplars"][0] == {
        "source": found.items[0][0].source,
        "activation": found.items[0][0].score,
        "box": {"top": top, "left": left, "bottom": bottom, "right": right},
    }
    assert isinstance(found, Exemplars) and found.image().mode == "RGB"
    assert repr(found) == "Exemplars(c · 3 filters · what excites each most, 2 of 20 pictures)"
    with pytest.raises(OutputExistsError):
        found.save(tmp_path / "e.png")


def message(call):
    with pytest.raises(OptionError) as caught:
        call()
    return caught.value.message


def test_options_that_make_no_sense_are_refused(net, folder, tmp_path):
    found = net.exemplars(folder, "c", count=1)
    assert message(lambda: net.exemplars(folder, "c", count=0)) == "count is 0; expected 1 to 100"
    assert message(lambda: net.exemplars(folder, "c", select="3")) == (
        f"{net.path}: 'c': filter 3 does not exist; there are filters 0 to 2"
    )
    assert message(lambda: found.picture(side=31)) == "side is 31; expected 32 or more"
    assert message(lambda: found.save(tmp_path / "e.npy")) == (
        "cannot write exemplars as .npy; expected .png, .svg, .json"
    )


def test_a_value_whose_axes_nobody_tells_is_refused(tmp_path, folder):
    model = saved(
        tmp_path, [helper.make_node("Reshape", ["x", "s"], ["y"])], {"s": np.array([-1, 2, 5, 8, 1])}
    )
    assert message(lambda: model.exemplars([sorted(folder.iterdir())[0]], "y")) == (
        f"{model.path}: 'y': its value has the shape [1, 2, 5, 8, 1], and no operator says what its axes "
        "are; expected feature maps or one number a unit"
    )


def test_pictures_too_small_for_the_network_fail_one_by_one(tmp_path, folder):
    for name in ("a.png", "b.png"):
        Image.new("L", (2, 2), 99).save(folder / name)
    nodes = [helper.make_node("Conv", ["x", "conv.weight"], ["y"])]
    model = saved(tmp_path, nodes, {"conv.weight": KERNELS}, ("N", 1, "H", "W"))
    found = model.exemplars(folder, "y")
    assert [failure.source for failure in found.failures] == [str(folder / "a.png"), str(folder / "b.png")]
    assert found.pictures_read == 20
