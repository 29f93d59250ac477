"""Portraits that never were: grey, 91x91, drawn by chance, with the truth about each known.

The pictures carry a planted shortcut. "Lars" nearly always has long dark hair on both sides of a light face,
and other people seldom have; his own features are there too, but are much harder to see. A network trained
on these pictures learns the hair, and because the drawing says which pixel is hair, an explanation of the
network can be checked against the truth.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from models.portraits.backgrounds import paint_background
from models.portraits.canvas import (
    SIZE,
    Canvas,
    Part,
    Plane,
    blank,
    inside,
    noise,
    part_masks,
    pixel_grid,
    shrink,
)
from models.portraits.hair import hair_tone, paint_back_hair, paint_front_hair, paint_glasses, paint_hat
from models.portraits.head import (
    Scene,
    paint_beard,
    paint_body,
    paint_ears,
    paint_eyes,
    paint_mouth,
    paint_skin,
    skin_tone,
)
from models.portraits.person import Hair, Pose, draw_face, draw_hair, draw_pose

LABELS = ("someone else", "Lars")


@dataclass(frozen=True)
class Portrait:
    """One picture and the truth about it.

    Attributes:
        picture: uint8 (91, 91), grey; 0 is black.
        label: 1 for Lars, 0 for somebody else: an index into `LABELS`.
        masks: For each part ("background", "clothes", "hair", "face", "eyes", "mouth") a bool (91, 91). Every
            pixel is in exactly one. The face has the ears, the neck, the eyebrows, a beard and glasses; a hat
            counts as clothes.
        hair: The hair, which is the shortcut when it is `long_dark`.
        attributes: What else was drawn: numbers and words by name.
    """

    picture: NDArray[np.uint8]
    label: int
    masks: Mapping[Part, NDArray[np.bool_]]
    hair: Hair
    attributes: Mapping[str, float | str]


def draw(
    rng: np.random.Generator, *, lars: bool, hair: Hair | None = None, likeness: float = 1.0
) -> Portrait:
    """Draw a portrait.

    Args:
        rng: Where chance comes from; the same state gives the same picture.
        lars: Whether it is Lars.
        hair: The hair; by default drawn by chance, as Lars or the others have it.
        likeness: How far Lars's face is from the average one; 1 is hard to tell, 3 a caricature.

    Example:
        >>> portrait = draw(np.random.default_rng(3), lars=True, hair=Hair("short", 0.9))
        >>> portrait.picture.shape, portrait.label, portrait.hair.long_dark
        ((91, 91), 1, False)
    """
    hair = hair or draw_hair(rng, lars=lars)
    face, pose = draw_face(rng, lars=lars, hair=hair, likeness=likeness), draw_pose(rng)
    canvas = blank()
    x, y = pixel_grid()
    background = paint_background(rng, canvas, x, y)
    canvas.gray[...] = _blurred(canvas.gray, rng.uniform(0, 3))
    u, v = _head_coordinates(rng, pose, x, y)
    scene = Scene(
        canvas=canvas,
        rng=rng,
        face=face,
        pose=pose,
        hair=hair,
        u=u,
        v=v,
        fu=(u - np.float32(0.26 * pose.yaw)) / np.float32(1 - 0.1 * abs(pose.yaw)),
        soft=0.9 / pose.scale,
        light=_light(rng),
    )
    drawn = _paint_head(scene)
    masks = part_masks(canvas)
    return Portrait(
        picture=_photograph(rng, canvas, x, y),
        label=int(lars),
        masks=masks,
        hair=hair,
        attributes={**drawn, "background": background, **asdict(face), **asdict(pose)},
    )


def _paint_head(scene: Scene) -> dict[str, str]:
    """Paint from the back to the front, and return the words for what was chosen on the way."""
    skin, tone = skin_tone(scene), hair_tone(scene)
    brow = float(np.clip(0.75 - 0.7 * scene.hair.darkness, 0.05, 0.8 * scene.face.skin))
    paint_back_hair(scene, tone)
    paint_body(scene, skin)
    paint_ears(scene, skin)
    paint_skin(scene, skin)
    beard = paint_beard(scene, brow)
    paint_mouth(scene)
    paint_eyes(scene, brow)
    paint_front_hair(scene, tone)
    glasses = paint_glasses(scene)
    hat = paint_hat(scene)
    return {"beard": beard, "glasses": glasses, "hat": hat}


def _head_coordinates(rng: np.random.Generator, pose: Pose, x: Plane, y: Plane) -> tuple[Plane, Plane]:
    """Return u and v of the head, bent a little so that no two heads have the same symmetric form."""
    dx, dy = x - np.float32(pose.x), y - np.float32(pose.y)
    c, s = np.float32(np.cos(pose.roll) / pose.scale), np.float32(np.sin(pose.roll) / pose.scale)
    u, v = dx * c + dy * s, dy * c - dx * s
    amount = np.float32(0.035)
    return u + amount * noise(rng, u, v, (0.8, 0.8)), v + amount * noise(rng, u, v, (0.8, 0.8))


def _light(rng: np.random.Generator) -> tuple[float, float, float]:
    across, down = float(rng.normal(0, 0.5)), float(rng.normal(-0.35, 0.3))
    length = float(np.sqrt(across**2 + down**2 + 1))
    return across / length, down / length, 1 / length


def _photograph(rng: np.random.Generator, canvas: Canvas, x: Plane, y: Plane) -> NDArray[np.uint8]:
    """Return the picture as a camera would: uneven light, exposure, blur, grain, at times JPEG's blocks."""
    angle, fall = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.3)
    along = (x * np.float32(np.cos(angle)) + y * np.float32(np.sin(angle))) / np.float32(SIZE / 2)
    gray = canvas.gray * (1 + np.float32(fall) * along)
    if rng.random() < 0.2:
        # A shadow across everything, as of a branch or a window's edge.
        edge = along * np.float32(SIZE / 2) - np.float32(rng.uniform(-35, 35))
        gray = gray * (1 - np.float32(rng.uniform(0.1, 0.4)) * inside(edge, rng.uniform(4, 20)))
    gray = shrink(_blurred(gray, min(float(rng.gamma(1.2, 0.5)), 2.0)))
    gray = np.clip((gray - 0.5) * rng.uniform(0.75, 1.15) + 0.5 + rng.normal(0, 0.06), 0, 1)
    gray = gray ** rng.uniform(0.8, 1.25)
    grain = rng.standard_normal(gray.shape) * rng.uniform(0.004, 0.04)
    pixels: NDArray[np.uint8] = np.clip((gray + grain) * 255 + 0.5, 0, 255).astype(np.uint8)
    return _through_jpeg(pixels, int(rng.integers(35, 95))) if rng.random() < 0.4 else pixels


def _blurred(plane: Plane, radius: float) -> Plane:
    """Return a Gaussian blur of `radius` canvas pixels, computed on 8 bits per pixel."""
    from PIL import Image, ImageFilter

    image = Image.fromarray(np.clip(plane * 255, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def _through_jpeg(pixels: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
    from PIL import Image

    with io.BytesIO() as file:
        Image.fromarray(pixels).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file), np.uint8).copy()
