from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from PIL import Image

from inspector.errors import FileError, ModelError, OptionError, OutputExistsError, TensorError
from inspector.filters import Filters, Kernels, build
from inspector.filters.folder import all_filters, save_layers
from inspector.model import Model

WEIGHTS = np.random.default_rng(0).normal(0, 1, (6, 2, 3, 3)).astype(np.float32)
HOSTILE = '</script><script>alert("1")</script>&\x1b[31m\u202e\udc80'


def made(array: np.ndarray = WEIGHTS, layer: str = "conv", **options: object) -> Filters:
    return build(Kernels("m.onnx", layer, "Conv", "w", array), **options)


class Page(HTMLParser):
    """What a browser would find in a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.loads += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.rows and self.lasttag in ("th", "td"):
            self.rows[-1].append(data.strip())


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found
    return json.loads(found[1])


def test_a_png_and_an_svg_are_the_picture(tmp_path: Path) -> None:
    found = made()
    with Image.open(found.save(tmp_path / "f.png", colormap="viridis")) as image:
        assert (np.asarray(image.convert("RGB")) == np.asarray(found.image(colormap="viridis"))).all()
    root = ET.parse(found.save(tmp_path / "f.SVG", captions=True)).getroot()
    assert "5:1" in [text.text for text in root.iter("{http://www.w3.org/2000/svg}text")]
    assert found._repr_png_() == found.encode(".png")


def test_an_npy_is_the_kernels(tmp_path: Path) -> None:
    found = made(select="4,2", reduce="mean")
    assert (np.load(found.save(tmp_path / "f.npy")) == found.kernels).all()


def test_an_existing_file_is_replaced_only_when_asked(tmp_path: Path) -> None:
    path = made().save(tmp_path / "f.npy")
    with pytest.raises(OutputExistsError):
        made().save(path)
    made(select="1").save(path, force=True)
    assert np.load(path).shape == (1, 2, 3, 3)


@pytest.mark.parametrize(
    ("name", "found"), [("f.gif", ".gif"), ("f", "a file without suffix"), (".png", "a file without suffix")]
)
def test_another_suffix_is_refused_with_the_four(tmp_path: Path, name: str, found: str) -> None:
    with pytest.raises(OptionError) as caught:
        made().save(tmp_path / name)
    assert caught.value.message == f"cannot write kernels as {found}; expected .png, .svg, .html, .npy"
    assert caught.value.hint == "-o filters.png"
    assert not list(tmp_path.iterdir())


def test_a_page_has_a_row_of_figures_per_filter() -> None:
    array = np.concatenate([WEIGHTS, np.zeros((1, 2, 3, 3), np.float32), -2 * WEIGHTS[1:2]])
    array[3, 0, 0, 0] = np.nan
    found = made(array, sort="norm")
    page = Page(found.encode(".html").decode())
    rows = [row for row in page.rows if len(row) > 5 or row[0].isdigit()]
    assert [int(row[0]) for row in rows[1:]] == list(found.indices)
    remarks = {int(row[0]): row[5] if len(row) > 5 else "" for row in rows[1:]}
    assert remarks[6] == "dead"
    assert (remarks[1], remarks[7]) == ("like 7", "like 1")
    assert remarks[3] == "1 NaN or infinite"
    assert remarks[0] == ""
    strongest = rows[1]
    assert float(strongest[1]) == pytest.approx(np.linalg.norm(array[7]), rel=1e-3)


def test_a_page_says_what_is_dead_alike_and_broken_and_names_the_scale() -> None:
    array = WEIGHTS.copy()
    array[3] = 0
    array[4, 0, 0, 0] = np.inf
    text = made(array).encode(".html").decode()
    for sentence in made(array).notes + made(array).warnings:
        assert sentence.replace("'", "&#x27;") in text
    limit = np.abs(array[np.isfinite(array)]).max()
    assert f"colours from -{limit:.3g} to +{limit:.3g}, one scale for all tiles" in text


def test_a_page_loads_nothing_and_survives_a_hostile_name() -> None:
    plain, hostile = made(), made(layer=HOSTILE)
    page = Page(hostile.encode(".html", captions=True).decode())
    assert page.tags == Page(plain.encode(".html", captions=True).decode()).tags
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    title = '</script><script>alert("1")</script>&�[31m�� · 6 filters of 3x3, 2 channels each'
    assert title in page.texts
    ET.fromstring(hostile.encode(".svg", captions=True))


@pytest.mark.parametrize(
    ("array", "options", "expected"),
    [
        (WEIGHTS, {}, {"perFilter": 2, "depth": 1, "channels": [0, 1]}),
        (WEIGHTS, {"reduce": "mean"}, {"perFilter": 1, "depth": 1, "channels": []}),
        (WEIGHTS[:, :, None].repeat(4, 2), {}, {"perFilter": 8, "depth": 4, "channels": [0, 1]}),
    ],
)
def test_a_page_knows_which_tile_is_where(
    array: np.ndarray, options: dict[str, str], expected: dict[str, object]
) -> None:
    found = made(array, select="5,0", **options)
    picture = found.picture()
    data = data_of(found.encode(".html").decode())
    assert {key: data[key] for key in expected} == expected
    assert data["filters"] == [5, 0]
    assert data["count"] == 2 * data["perFilter"]
    assert picture.grid is not None
    assert (tuple(data["origin"]), tuple(data["pitch"])) == (picture.grid.origin(0), picture.grid.pitch)
    assert float(data["figures"][0][0]) == pytest.approx(found.statistics.norm[0], rel=1e-3)


def test_a_page_of_a_picture_without_a_grid_has_no_pointer_data() -> None:
    assert data_of(made().encode(".html", style="notebook").decode()) == {}


def test_a_notebook_shows_the_picture_with_its_name_escaped() -> None:
    page = Page(made(layer=HOSTILE)._repr_html_())
    assert page.tags == ["figure", "img", "figcaption"]
    array = WEIGHTS.copy()
    array[2] = 0
    assert Page(made(array)._repr_html_()).tags == ["figure", "img", "figcaption", "ul", "li"]


@pytest.fixture
def two_layers(save_model: Callable[..., Model]) -> Callable[[str, str], Model]:
    """Write a model with two convolutions of these layer names; between them, one with computed weights."""

    def save(first: str, second: str, *, dynamic: bool = False) -> Model:
        nodes = [helper.make_node("Conv", ["x", "a.weight"], ["a"])]
        nodes[0].metadata_props.add(key="inspector.layer", value=first)
        if dynamic:
            nodes += [
                helper.make_node("Softmax", ["c.weight"], ["soft"]),
                helper.make_node("Conv", ["a", "soft"], ["b"]),
            ]
            nodes[2].metadata_props.add(key="inspector.layer", value="dynamic")
        nodes.append(helper.make_node("Conv", ["b" if dynamic else "a", "b.weight"], ["y"]))
        nodes[-1].metadata_props.add(key="inspector.layer", value=second)
        tensors = {"a.weight": WEIGHTS[:2, :1], "b.weight": WEIGHTS[:3]}
        return save_model(nodes, {**tensors, **({"c.weight": WEIGHTS[:2]} if dynamic else {})})

    return save


def test_every_layer_gets_a_file_with_its_name(tmp_path: Path, two_layers: Callable[..., Model]) -> None:
    saved = all_filters(two_layers("conv_1", "block/conv_2"), tmp_path / "out", suffix=".npy", reduce="mean")
    assert dict(saved) == {
        "conv_1": tmp_path / "out" / "conv_1.npy",
        "block/conv_2": tmp_path / "out" / "block_conv_2.npy",
    }
    assert len(saved) == 2
    assert (np.load(saved["conv_1"]) == WEIGHTS[:2, :1]).all()
    assert np.load(saved["block/conv_2"]).shape == (3, 1, 3, 3)
    assert not saved.failures


@pytest.mark.parametrize(
    ("first", "second", "files"),
    [
        ("Conv", "conv", {"Conv.svg", "conv-2.svg"}),
        ("../../evil", "CON", {"evil.svg", "CON_.svg"}),
        ("a" * 5000, "=cmd|' /C calc'!A0", {f"{'a' * 120}.svg", "cmd_C_calc_A0.svg"}),
        ("\x1b[31m\u202e", "<script>", {"31m.svg", "script.svg"}),
    ],
)
def test_hostile_layer_names_make_safe_file_names_in_the_folder(
    tmp_path: Path, two_layers: Callable[..., Model], first: str, second: str, files: set[str]
) -> None:
    model = two_layers(first, second)
    before = {path for path in tmp_path.rglob("*") if path.is_file()}
    saved = all_filters(model, tmp_path / "out", suffix=".svg", captions=True)
    assert {path.name for path in saved.values()} == files
    assert {path for path in tmp_path.rglob("*") if path.is_file()} - before == set(saved.values())
    for path in saved.values():
        ET.parse(path)


def test_a_layer_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, two_layers: Callable[..., Model]
) -> None:
    model = two_layers("conv_1", "conv_2", dynamic=True)
    saved = all_filters(model, tmp_path / "out")
    assert list(saved) == ["conv_1", "conv_2"]
    assert isinstance(saved.failures["dynamic"], TensorError)
    steps = list(save_layers(model, tmp_path / "out", force=True))
    assert [step.error is None for step in steps] == [True, False, True]


def test_warnings_and_notes_of_the_layers_are_gathered(
    tmp_path: Path, conv_model: Callable[..., Model]
) -> None:
    array = WEIGHTS[:, :1].copy()
    array[0, 0, 0, 0] = np.nan
    array[1] = 0
    saved = all_filters(conv_model(array), tmp_path / "out")
    assert saved.notes == {"conv": ("1 filter is dead (norm at most 0.001 of the layer's largest): 1",)}
    assert saved.warnings == (
        f"{tmp_path / 'net.onnx'}: layer 'conv': 1 weight in 1 filter is NaN or infinite, drawn in magenta",
    )


def test_the_error_is_raised_when_no_layer_can_be_read(
    tmp_path: Path, conv_model: Callable[..., Model]
) -> None:
    model = conv_model(np.array([b"a", b"b"], object).reshape(1, 1, 1, 2))
    with pytest.raises(TensorError) as caught:
        all_filters(model, tmp_path / "out")
    assert caught.value.message == (
        f"{model.path}: layer 'conv': its weights 'conv.weight' are strings; expected real numbers"
    )


def test_a_model_without_a_convolution_is_refused_with_the_layers_it_has(
    tmp_path: Path, save_model: Callable[..., Model]
) -> None:
    model = save_model([helper.make_node("Relu", ["x"], ["r"]), helper.make_node("Abs", ["r"], ["y"])], {})
    with pytest.raises(ModelError) as caught:
        all_filters(model, tmp_path / "out")
    assert caught.value.message == (
        f"{model.path}: has no convolution layer, so there are no kernels to show; "
        "its layers are 'r' (Relu), 'y' (Abs)"
    )
    assert caught.value.hint == f"inspector layers {model.path}"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"suffix": ".gif"}, "cannot write kernels as '.gif'; expected .png, .svg, .html, .npy"),
        ({"colormap": "virids"}, "there is no colormap 'virids'; nearest: viridis"),
        ({"sort": "size"}, "there is no order 'size'; expected none, norm or similarity"),
        ({"zoom": 0}, "zoom is 0; expected 1 or more"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_is_written(
    tmp_path: Path, conv_model: Callable[..., Model], options: dict[str, object], message: str
) -> None:
    model = conv_model(WEIGHTS[:, :1])
    with pytest.raises(OptionError) as caught:
        save_layers(model, tmp_path / "out", **options)
    assert caught.value.message == message
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_is_refused(tmp_path: Path, conv_model: Callable[..., Model]) -> None:
    model = conv_model(WEIGHTS[:, :1])
    (tmp_path / "file").write_text("x")
    with pytest.raises(FileError) as caught:
        save_layers(model, tmp_path / "file")
    assert caught.value.message == f"{tmp_path / 'file'}: is a file; expected a folder to write into"
    with pytest.raises(FileError) as caught:
        save_layers(model, tmp_path / "no" / "out")
    assert caught.value.message == (f"{tmp_path / 'no' / 'out'}: the folder {tmp_path / 'no'} does not exist")
    with pytest.raises(FileError) as caught:
        save_layers(model, tmp_path / "file" / "out")
    assert caught.value.message.startswith(f"{tmp_path / 'file' / 'out'}: ")


def test_an_existing_file_in_the_folder_stops_before_anything_is_written(
    tmp_path: Path, two_layers: Callable[..., Model]
) -> None:
    model = two_layers("conv_1", "conv_2")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "conv_2.png").write_text("mine")
    with pytest.raises(OutputExistsError):
        save_layers(model, tmp_path / "out")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["conv_2.png"]
    all_filters(model, tmp_path / "out", force=True)
    assert (tmp_path / "out" / "conv_2.png").read_bytes().startswith(b"\x89PNG")
