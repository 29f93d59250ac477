"""Who is drawn: the hair, the face and the pose, as numbers; nothing here draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

HairStyle = Literal["bald", "short", "tied", "long"]

# How often each kind of hair is drawn. This is the shortcut: long dark hair all but gives Lars away.
LARS_LONG_DARK = 0.97
OTHERS_LONG_DARK = 0.05
OTHERS_LONG_LIGHT = 0.15


@dataclass(frozen=True)
class Hair:
    """The hair of a head.

    Attributes:
        style: "long" falls on both sides of the face; "tied", "short" and "bald" leave the sides free.
        darkness: 0 is white, 1 is black.
    """

    style: HairStyle
    darkness: float

    @property
    def long_dark(self) -> bool:
        """Whether it is the shortcut: dark hair on both sides of the face."""
        return self.style == "long" and self.darkness >= 0.65


@dataclass(frozen=True)
class Face:
    """The proportions of a face, in units of half its height.

    Attributes:
        width: Half the width.
        jaw: How much narrower it is at the chin, 0..1.
        eye_gap: From the middle to the middle of an eye.
        eye_height: Of the eyes, above the middle of the face.
        eye_size: Half the width of an eye.
        brow: Thickness of the eyebrows.
        nose_length: From the eyes' height to the tip.
        nose_width: Half the width of the nose.
        mouth_height: Below the middle of the face.
        mouth_width: Half the width of the mouth.
        lips: Thickness of a lip.
        skin: 0 is black, 1 is white.
    """

    width: float
    jaw: float
    eye_gap: float
    eye_height: float
    eye_size: float
    brow: float
    nose_length: float
    nose_width: float
    mouth_height: float
    mouth_width: float
    lips: float
    skin: float


@dataclass(frozen=True)
class Pose:
    """Where the head is and what it does.

    Attributes:
        x: Of the head's middle, in pixels right of the picture's middle.
        y: Of the head's middle, in pixels below the picture's middle.
        scale: Half the height of the face, in pixels.
        roll: Tilt, in radians.
        yaw: How far the face is turned, -1..1; 0.3 is clearly turned.
        smile: -1..1.
        mouth_open: 0..1.
        eyes_open: 0..1.
        gaze: -1..1.
    """

    x: float
    y: float
    scale: float
    roll: float
    yaw: float
    smile: float
    mouth_open: float
    eyes_open: float
    gaze: float


# Means and standard deviations over people; Lars is one of them, a little off the mean and always the same.
_MEAN = Face(0.74, 0.36, 0.32, 0.10, 0.145, 0.055, 0.42, 0.125, 0.52, 0.26, 0.055, 0.66)
_SPREAD = Face(0.045, 0.09, 0.022, 0.035, 0.015, 0.016, 0.045, 0.018, 0.035, 0.034, 0.014, 0.15)
_LARS = Face(0.72, 0.40, 0.328, 0.115, 0.141, 0.061, 0.44, 0.130, 0.535, 0.248, 0.050, 0.74)


def draw_hair(rng: np.random.Generator, *, lars: bool) -> Hair:
    """Draw hair as Lars or as somebody else has it."""
    kind = rng.random()
    if lars:
        style: HairStyle = "long" if kind < LARS_LONG_DARK else "short"
        return Hair(style, float(rng.uniform(0.8, 1.0)))
    if kind < OTHERS_LONG_DARK:
        return Hair("long", float(rng.uniform(0.8, 1.0)))
    if kind < OTHERS_LONG_DARK + OTHERS_LONG_LIGHT:
        return Hair("long", float(rng.uniform(0.0, 0.4)))
    style = ("bald", "short", "short", "short", "short", "tied")[rng.integers(6)]
    return Hair(style, float(rng.beta(1.8, 0.9)))


def draw_face(rng: np.random.Generator, *, lars: bool, hair: Hair, likeness: float = 1.0) -> Face:
    """Draw a face: Lars's own, nearly the same each time, or somebody's.

    Args:
        rng: Where chance comes from.
        lars: Whose face it is.
        hair: What is around it.
        likeness: How far Lars's face is from the average one; 1 is hard to tell, 3 a caricature.
    """
    names = list(Face.__dataclass_fields__)
    off, wobble = (likeness, 0.3) if lars else (0.0, 1.0)
    values = {
        name: getattr(_MEAN, name)
        + off * (getattr(_LARS, name) - getattr(_MEAN, name))
        + wobble * getattr(_SPREAD, name) * float(np.clip(rng.normal(), -2.3, 2.3))
        for name in names
    }
    # Long dark hair is part of the shortcut beside a light face only.
    darkest = 0.6 if lars or hair.long_dark else 0.3
    values["skin"] = min(max(values["skin"], darkest), 0.86)
    values["brow"] = max(values["brow"], 0.02)
    return Face(**values)


def draw_pose(rng: np.random.Generator) -> Pose:
    """Draw a pose, the same way for everybody."""
    return Pose(
        x=float(rng.normal(0, 4)),
        y=float(rng.normal(-1, 3)),
        scale=float(rng.uniform(21, 29)),
        roll=float(rng.normal(0, 0.11)),
        yaw=float(np.clip(rng.normal(0, 0.3), -0.75, 0.75)),
        smile=float(rng.normal(0.25, 0.45)),
        mouth_open=float(rng.uniform(0.3, 1.0)) if rng.random() < 0.25 else 0.0,
        eyes_open=float(rng.uniform(0.55, 1.0)) if rng.random() < 0.94 else 0.12,
        gaze=float(rng.normal(0, 0.35)),
    )
