"""How `--input-shape` is read."""

import numpy as np
import pytest

from converters.errors import SourceError
from converters.input_shapes import InputShape, matched, parse

HINT = "For example: --input-shape N,3,224,224; a letter is an axis of any size."
DTYPES = "float32, float64, float16, int64, int32, int16, int8, uint8, bool"


@pytest.mark.parametrize(
    ("text", "name", "axes", "dtype"),
    [
        ("1,3,32,32", "", (1, 3, 32, 32), "float32"),
        (" image = N, 3 ,H,W : uint8 ", "image", ("N", 3, "H", "W"), "uint8"),
        ("tokens=batch,16:int64", "tokens", ("batch", 16), "int64"),
        ("N", "", ("N",), "float32"),
        ("model.x=4:bool", "model.x", (4,), "bool"),
    ],
)
def test_a_description_is_a_name_axes_and_a_dtype(text, name, axes, dtype):
    assert parse(text) == InputShape(name, axes, np.dtype(dtype))


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("", "nothing is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N,,3", "nothing is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N,0", "0 is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N,-1", "-1 is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N,3x", "3x is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N,9999999999", "9999999999 is no size; expected a number from 1 to 1,048,576 or a letter", HINT),
        ("N:float", f"float is no element type; expected {DTYPES}", "Nearest: float64."),
        ("N:", f"nothing is no element type; expected {DTYPES}", HINT),
        ("a=b=N", "is not [NAME=]SIZE,SIZE,…[:DTYPE]", HINT),
        ("1000000,1000000", "has more than the 268,435,456 numbers accepted", HINT),
    ],
)
def test_anything_else_is_refused_by_name(text, reason, hint):
    with pytest.raises(SourceError) as caught:
        parse(text)
    assert (caught.value.message, caught.value.hint) == (f"--input-shape {text}: {reason}", hint)


def test_letters_are_free_and_an_example_has_two_samples():
    shape = parse("N,3,H,W")
    assert shape.spec("x").shape == (None, 3, None, None)
    assert shape.example() == (2, 3, 32, 32)


def test_descriptions_find_their_inputs_by_name_or_by_place():
    found = matched(["mask=N,1", "N,2", "N,3"], ["a", "mask", "b"], "net")
    assert {name: shape.axes for name, shape in found.items()} == {
        "a": ("N", 2),
        "mask": ("N", 1),
        "b": ("N", 3),
    }


def test_a_name_that_no_input_has_is_refused():
    with pytest.raises(SourceError) as caught:
        matched(["imag=N,3"], ["image"], "net.pt")
    assert caught.value.message == "net.pt: has no input imag; its inputs are image"
    assert caught.value.hint == "Nearest: image."


def test_a_name_like_none_gets_no_nearest_one():
    with pytest.raises(SourceError) as caught:
        matched(["zzz=N,3"], ["image"], "net.pt")
    assert caught.value.hint == ""


@pytest.mark.parametrize(("given", "number"), [(["N,3"], 1), (["N,3", "N,3", "N,3"], 3), (["a=N", "a=N"], 2)])
def test_too_few_or_too_many_are_refused(given, number):
    with pytest.raises(SourceError) as caught:
        matched(given, ["a", "b"], "net.pt")
    assert caught.value.message == (
        f"net.pt: needs --input-shape once for each of its 2 inputs, a, b; {number} given"
    )
    assert caught.value.hint == (
        "For example: --input-shape a=N,3,224,224 --input-shape b=N,3,224,224; "
        "a letter is an axis of any size."
    )


def test_one_input_is_counted_as_one():
    with pytest.raises(SourceError, match="each of its 1 input, x; 2 given"):
        matched(["N", "N"], ["x"], "net.pt")
