"""Which pictures a folder, a glob or a path stands for."""

from __future__ import annotations

from pathlib import Path

import pytest
from encoded_pictures import COLOURS, encoded
from PIL import Image

from inspector.errors import FileError, ImageError
from inspector.images import decode, find_images


def make(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(encoded(Image.new("L", (1, 1)), "PNG"))


def test_a_folder_gives_its_pictures_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "p10.png", "p2.JPG", "p1.webp", "notes.txt", ".hidden.png", "below/p3.png")
    assert [path.name for path in find_images(tmp_path)] == ["p1.webp", "p2.JPG", "p10.png"]


def test_a_glob_reaches_the_folders_below(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "below/b.png", "below/labels.csv")
    assert [path.name for path in find_images(f"{tmp_path}/**")] == ["a.png", "b.png"]
    assert [path.name for path in find_images(f"{tmp_path}/*")] == ["a.png"]


def test_a_glob_with_a_suffix_gives_all_that_it_matches(tmp_path: Path) -> None:
    make(tmp_path, "1.dat", "2.dat", "3.png")
    assert [path.name for path in find_images(f"{tmp_path}/*.dat")] == ["1.dat", "2.dat"]


def test_a_file_whose_name_looks_like_a_glob_is_a_file(tmp_path: Path) -> None:
    make(tmp_path, "a[1].png", "a1.png")
    assert find_images(tmp_path / "a[1].png") == [tmp_path / "a[1].png"]


def test_a_folder_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        find_images(tmp_path)
    assert caught.value.message == (
        f"{tmp_path}: there is no picture in this folder; "
        "expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM files"
    )


def test_a_glob_without_pictures_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError) as caught:
        find_images(f"{tmp_path}/*.png")
    assert caught.value.message == (
        f"{tmp_path}/*.png: no picture matches; expected JPEG, PNG, BMP, GIF, TIFF, WebP or PPM files"
    )


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileError) as caught:
        find_images(tmp_path / "absent.png")
    assert caught.value.message == (
        f"{tmp_path / 'absent.png'}: no such file; expected a picture, a folder or a glob"
    )


def test_a_pattern_that_can_be_no_file_name_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no picture matches"):
        find_images(tmp_path / ("*" + "x" * 5000))
    with pytest.raises(FileError, match="cannot be read"):
        find_images(tmp_path / ("x" * 5000))


def test_an_empty_path_is_not_this_folder() -> None:
    with pytest.raises(FileError) as caught:
        find_images("")
    assert caught.value.message == "'': is an empty path; expected a picture, a folder or a glob"


def test_what_cannot_be_read_in_a_folder_is_not_passed_over(tmp_path: Path) -> None:
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    (tmp_path / "folder.png").mkdir()
    try:
        (tmp_path / "b.png").symlink_to(tmp_path / "nowhere.png")
    except OSError:
        pytest.skip("links cannot be made here")
    for spec in (tmp_path, tmp_path / "*", tmp_path / "*.png"):
        assert [path.name for path in find_images(spec)] == ["a.png", "b.png"]
    with pytest.raises(FileError) as caught:
        decode(tmp_path / "b.png")
    assert caught.value.message == f"{tmp_path / 'b.png'}: no such file; expected a picture"
