"""Explanations of the notebook's network against bare forward runs, DIANNA and pytorch-grad-cam."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import notebook_network
from measure import PYTHON, Row, timed
from sides import Times, in_turn, ratio, shown, started

from converters.conversion import convert
from converters.formats import Request
from inspector.model import load

SIDES = Path(__file__).with_name("explain_sides.py")
FEW_MASKS, MASKS = 200, 1000
BATCHES = ("8", "16", "32", "64")
FILTERS, STEPS = 64, 256


def rows(workspace: Path) -> Iterator[Row]:
    """Measure RISE, Grad-CAM and activation maximisation; the model is built once and kept in `workspace`."""
    path = workspace / "notebook.onnx"
    if not path.exists():
        convert(notebook_network.build(workspace / "notebook").prefix, path, request=Request(verify=False))
    yield from _rise(path)
    yield _grad_cam(path)
    yield _visualize(path)


def _rise(path: Path) -> Iterator[Row]:
    masks = str(MASKS)
    forwards = {f"forward {batch}": ["forward", path, masks, batch] for batch in BATCHES}
    times = _times(forwards, rounds=2, runs=1)
    best = min(times, key=lambda name: min(times[name]))
    times = _times({"rise": ["rise", path, masks], best: forwards[best]}, rounds=3, runs=1)
    detail = f"{shown(times, 'rise')} against {shown(times, best)} (batch {best.split()[1]})"
    yield Row(
        f"RISE with {MASKS} masks / as many bare forwards", ratio(times, "rise", best), "x", "≤ 1.15", detail
    )
    for count in (FEW_MASKS, MASKS):
        yield _dianna(path, str(count))


def _dianna(path: Path, masks: str) -> Row:
    """How much faster RISE is for so many masks.

    DIANNA's search for the share of a picture to keep takes the same time for any number, so that the more
    masks there are, the nearer both come to the network's own time: eight times less would be less than the
    bare forward runs take.
    """
    times = _times(
        {
            "rise": ["rise", path, masks],
            "dianna": ["rise_dianna", path, masks],
            "told": ["rise_dianna", path, masks, "0.5"],
        },
        rounds=1,
        runs=1,
    )
    return Row(
        f"DIANNA's RISE / RISE, {masks} masks",
        ratio(times, "dianna", "rise"),
        "x",
        "≥ 8",
        f"{shown(times, 'dianna')} against {shown(times, 'rise')}; "
        f"{shown(times, 'told')} when told what share of the picture to keep",
    )


def _grad_cam(path: Path) -> Row:
    times = _times({"ours": ["grad_cam", path], "torch": ["grad_cam_torch", path]}, rounds=7, runs=15)
    return Row(
        "pytorch-grad-cam / Grad-CAM of one picture",
        ratio(times, "torch", "ours"),
        "x",
        "≥ 2",
        f"{shown(times, 'torch')} against {shown(times, 'ours')}",
    )


def _visualize(path: Path) -> Row:
    from inspector.visualize import visualize

    took = timed(lambda: visualize(load(path), "conv_2", steps=STEPS))
    return Row(f"visualize {FILTERS} filters of conv_2, {STEPS} steps", took, "s", "≤ 60", "one picture each")


def _times(ways: dict[str, list[str | Path]], *, rounds: int, runs: int) -> Times:
    commands: dict[str, list[str | Path]] = {name: [PYTHON, SIDES, *way] for name, way in ways.items()}
    with started(commands) as sides:
        return in_turn(sides, rounds=rounds, runs=runs)
