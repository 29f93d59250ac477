"""Recurrent operators, against LiteRT."""

import numpy as np
import pytest
from lite_files import Part, Step, lite, stored
from lite_judge import check, refused

RNG = np.random.default_rng(5)
STEPS, FEATURES, SIZE = 6, 3, 4
TANH = 4


def weights(*shape):
    return RNG.normal(0, 0.7, shape).astype(np.float32)


def lstm(*, peepholes=False, time_major=False, clip=0.0, steps=STEPS, batch=2, change=None, **options):
    """A file of one LSTM; `change` replaces parts of its 24 inputs."""
    shape = (steps, batch, FEATURES) if time_major else (batch, steps, FEATURES)
    held: dict[int, Part] = {0: Part(shape)}
    held |= {place: stored(weights(SIZE, FEATURES)) for place in (1, 2, 3, 4)}
    held |= {place: stored(weights(SIZE, SIZE)) for place in (5, 6, 7, 8)}
    if peepholes:
        held |= {place: stored(weights(SIZE)) for place in (9, 10, 11)}
    held |= {place: stored(weights(SIZE)) for place in (12, 13, 14, 15)}
    held |= {place: Part((batch, SIZE), is_variable=True) for place in (18, 19)}
    for place, part in (change or {}).items():
        if part is None:
            del held[place]
        else:
            held[place] = part
    order = sorted(held)
    inputs = [order.index(place) if place in held else -1 for place in range(24)]
    parts = [*(held[place] for place in order), Part((*shape[:2], SIZE))]
    given = {"fusedActivationFunction": TANH, "cellClip": clip, "timeMajor": time_major, **options}
    made = Step(
        "UNIDIRECTIONAL_SEQUENCE_LSTM", inputs, [len(order)], given, "UnidirectionalSequenceLSTMOptions"
    )
    return lite(parts, [made]), RNG.normal(0, 1, shape).astype(np.float32)


@pytest.mark.parametrize("time_major", [False, True])
@pytest.mark.parametrize("peepholes", [False, True])
def test_long_short_term_memory_gives_what_litert_gives(tmp_path, time_major, peepholes):
    content, x = lstm(time_major=time_major, peepholes=peepholes)
    check(tmp_path, content, x)


@pytest.mark.parametrize("time_major", [False, True])
def test_a_state_that_reaches_its_bound_is_held_there(tmp_path, time_major):
    content, x = lstm(clip=0.3, time_major=time_major)
    check(tmp_path, content, x)


def test_a_bounded_state_begins_at_zero_for_any_batch(tmp_path):
    free = Part((1, STEPS, FEATURES), signature=(-1, STEPS, FEATURES))
    content, x = lstm(clip=0.3, batch=1, change={0: free})
    check(tmp_path, content, x)


@pytest.mark.parametrize("time_major", [False, True])
def test_a_plain_recurrent_layer_gives_what_litert_gives(tmp_path, time_major):
    shape = (STEPS, 2, FEATURES) if time_major else (2, STEPS, FEATURES)
    parts = [
        Part(shape),
        stored(weights(SIZE, FEATURES)),
        stored(weights(SIZE, SIZE)),
        stored(weights(SIZE)),
        Part((2, SIZE), is_variable=True),
        Part((*shape[:2], SIZE)),
    ]
    for activation in (1, TANH):
        options = {"timeMajor": time_major, "fusedActivationFunction": activation}
        step = Step("UNIDIRECTIONAL_SEQUENCE_RNN", [0, 1, 2, 3, 4], [5], options, "SequenceRNNOptions")
        check(tmp_path, lite(parts, [step]), RNG.normal(0, 1, shape).astype(np.float32))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"change": {1: None}}, "its input and forget gates are one"),
        ({"change": {16: stored(weights(2, SIZE))}}, "it projects its state or normalizes its gates"),
        ({"change": {20: stored(weights(SIZE))}}, "it projects its state or normalizes its gates"),
        ({"change": {9: stored(weights(SIZE))}}, "it has some of its peepholes only"),
        ({"change": {18: stored(weights(2, SIZE))}}, "its state does not begin at zero"),
        (
            {"change": {2: stored(weights(SIZE, 2))}},
            "the weights of its gates have the shapes [[4, 3], [4, 3], [4, 2], [4, 3]]",
        ),
        ({"clip": 0.5, "peepholes": True}, "it has peepholes and a bound on its state"),
        ({"fusedActivationFunction": 3}, "its activation is RELU6"),
        (
            {"change": {place: stored(weights(SIZE, 2)) for place in (5, 6, 7, 8)}},
            "its weights [16, 3], [16, 2] and [16] do not fit each other",
        ),
        (
            {"change": {place: stored(weights(SIZE, 2)) for place in (1, 2, 3, 4)}},
            "its weights [16, 2], [16, 4] and [16] do not fit its input",
        ),
        (
            {"change": {0: Part((2, STEPS, FEATURES), "int8", scale=[0.1], zero=[0])}},
            "its state is kept in whole numbers",
        ),
    ],
)
def test_what_onnx_has_no_counterpart_for_is_refused_with_the_reason(tmp_path, options, reason):
    content, _ = lstm(**options)
    layer = f"t{content_count(content)}"
    assert refused(tmp_path, content) == f"UNIDIRECTIONAL_SEQUENCE_LSTM in {layer} ({reason})"


def content_count(content):
    """The number of the last tensor of a file: the one that the operator makes."""
    from ai_edge_litert import schema_py_generated as schema

    return schema.Model.GetRootAsModel(content, 0).Subgraphs(0).TensorsLength() - 1
