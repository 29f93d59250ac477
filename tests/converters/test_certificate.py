"""The record of a conversion, and when two arrays count as equal."""

import json

import numpy as np
import pytest

from converters.certificate import Certificate, Difference, FileRecord, worst
from converters.trials import Trial


def certificate(**changes):
    base = {
        "source": "lars.tflearn",
        "format": "tflearn checkpoint",
        "files": (FileRecord("lars.tflearn.meta", 3, "ab"),),
        "engine": "tf2onnx 1.17.0",
        "versions": {"python": "3.11.7"},
        "model": {"opset": 17, "nodes": 4, "parameters": 9, "inputs": ["x"], "outputs": ["y"]},
        "decisions": ("the output is y",),
        "warnings": (),
        "gate": ("onnx.checker",),
    }
    return Certificate(**(base | changes))


def test_equal_arrays_differ_by_nothing():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert Difference.between("a", "a:0", array, array.copy()) == Difference("a", "a:0", 0.0, 5.0)


def test_a_difference_is_the_largest_one_of_any_element():
    found = Difference.between("a", "a:0", np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.5, 2.75]))
    assert found.max_abs == 0.5
    assert not found.equal


def test_what_is_allowed_grows_with_the_largest_value_but_never_falls_below_that_of_one():
    assert Difference("a", "a", 0.0, 1000.0).allowed == pytest.approx(1e-2)
    assert Difference("a", "a", 0.0, 1e-6).allowed == pytest.approx(1e-5)
    assert Difference("a", "a", 1e-5, 0.5).equal
    assert not Difference("a", "a", 1.01e-5, 0.5).equal


def test_channels_first_is_compared_with_channels_last():
    last = np.random.default_rng(0).normal(size=(2, 5, 6, 3))
    assert Difference.between("a", "a", last, np.moveaxis(last, -1, 1)).max_abs == 0.0


def test_where_both_layouts_fit_the_nearer_one_counts():
    cube = np.random.default_rng(0).normal(size=(2, 4, 4, 4))
    assert Difference.between("a", "a", cube, np.moveaxis(cube, -1, 1)).max_abs == 0.0
    assert Difference.between("a", "a", cube, cube).max_abs == 0.0


def test_another_shape_differs_without_bound():
    assert Difference.between("a", "a", np.zeros((2, 3)), np.zeros((3, 2))).max_abs == np.inf


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_differs_from_one_that_is(bad):
    assert not Difference.between("a", "a", np.array([1.0]), np.array([bad])).equal
    assert not Difference.between("a", "a", np.array([bad]), np.array([1.0])).equal
    assert Difference.between("a", "a", np.array([bad, 2.0]), np.array([bad, 2.0])) == Difference(
        "a", "a", 0.0, 2.0
    )


def test_axes_of_size_one_do_not_count():
    pooled = np.arange(6.0).reshape(2, 3)
    assert Difference.between("a", "a", pooled, pooled.reshape(2, 3, 1, 1)).max_abs == 0.0
    assert Difference.between("a", "a", pooled, pooled.reshape(3, 2, 1, 1)).max_abs == np.inf


def test_where_large_terms_cancel_the_sources_own_rounding_is_allowed():
    exact, rounded, nudged = np.array([0.5]), np.array([0.5 + 3e-4]), np.array([0.5 + 1e-5])
    assert not Difference.between("a", "a", exact, rounded).equal
    assert Difference.between("a", "a", exact, rounded, nudged).equal
    assert not Difference.between("a", "a", exact, exact + 8e-4, nudged).equal


def test_the_worst_trial_of_each_name_is_kept_in_the_order_of_the_graph():
    small, large, huge_scale = (
        Difference("b", "b", 1e-6, 1.0),
        Difference("b", "b", 1e-4, 1.0),
        Difference("b", "b", 1e-3, 1e6),
    )
    first = Difference("a", "a", 0.0, 1.0)
    assert worst([small, first, large, huge_scale]) == (large, first)


def test_the_verdict_says_whether_anything_was_compared():
    assert certificate().verdict == "not compared"
    assert certificate(reference="TensorFlow 2", outputs=(Difference("y", "y", 0.0, 1.0),)).verdict == "equal"
    assert (
        certificate(reference="TensorFlow 2", outputs=(Difference("y", "y", 0.1, 1.0),)).verdict
        == "not equal"
    )


def test_the_first_difference_is_that_of_the_first_layer_not_of_the_output():
    bad = certificate(
        reference="TensorFlow 2",
        outputs=(Difference("y", "y", 0.1, 1.0),),
        layers=(Difference("conv_1", "c1", 0.0, 1.0), Difference("conv_2", "c2", 0.1, 1.0)),
    )
    assert bad.first_difference.name == "conv_2"


def test_the_json_keys_are_a_contract():
    record = json.loads(certificate(reference="R", outputs=(Difference("y", "y", np.inf, 1.0),)).to_json())
    first = ["schema", "verdict", "tolerance", "source", "format", "files", "engine", "versions", "model"]
    then = ["decisions", "warnings", "gate", "reference", "trials", "outputs", "layers", "unseen"]
    assert list(record) == first + then
    assert record["files"] == [{"name": "lars.tflearn.meta", "bytes": 3, "sha256": "ab"}]
    assert record["outputs"] == [
        {
            "name": "y",
            "value": "y",
            "max_abs": None,
            "largest": 1.0,
            "noise": 0.0,
            "allowed": 1e-5,
            "equal": False,
        }
    ]


def test_the_summary_names_what_was_decided_and_what_differs():
    text = certificate(
        reference="TensorFlow 2.21.0",
        trials=(Trial(0, 1, "uniform in 0..1"), Trial(1, 3, "uniform in 0..1")),
        layers=(Difference("conv_1", "c", 2e-7, 3.5), Difference("conv_2", "c", 0.5, 2.0)),
        unseen=("dropout_1",),
    ).summary()
    assert text.splitlines() == [
        "lars.tflearn (tflearn checkpoint) → tf2onnx 1.17.0, opset 17",
        "  decided: the output is y",
        "  NOT EQUAL, compared with TensorFlow 2.21.0: 2 seeds, batches of 1, 3; largest differences:",
        "  conv_1                       2.0e-07 of 3.5",
        "  conv_2                       5.0e-01 of 2   ← differs",
        "  without a value of their own in the model: dropout_1",
    ]


def test_a_summary_without_a_comparison_says_so_loudly():
    assert certificate().summary().splitlines()[-1] == "  NOT COMPARED with the source"


def test_a_file_record_has_the_sha256_that_anybody_can_check(tmp_path):
    (tmp_path / "f").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert FileRecord.of(tmp_path / "f") == FileRecord("f", 3, known)
