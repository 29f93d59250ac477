"""Painting a head without its hair: neck, ears, skin, eyes, nose, mouth, beard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.portraits.canvas import Canvas, Plane, bump, ellipse, inside, noise, rise
from models.portraits.person import Face, Hair, Pose


@dataclass(frozen=True)
class Scene:
    """What every painter of a head needs.

    Attributes:
        canvas: What is painted.
        rng: Where chance comes from.
        face: Whose face it is.
        pose: How the head is held.
        hair: Its hair.
        u: float32 (S, S), across the head, in units of half the face's height; the middle of the head is 0.
        v: As `u`, down along the head; the chin is near 1.
        fu: As `u`, for what lies on the front of the face: it moves when the head turns.
        soft: How wide a sharp edge is, in the units of `u`.
        light: Where light comes from: right, down, and towards the viewer.
    """

    canvas: Canvas
    rng: np.random.Generator
    face: Face
    pose: Pose
    hair: Hair
    u: Plane
    v: Plane
    fu: Plane
    soft: float
    light: tuple[float, float, float]


def face_outline(scene: Scene, grow: float = 0.0) -> Plane:
    """Return roughly the distance to the edge of the face, negative inside; `grow` widens it."""
    face = scene.face
    down = np.clip(scene.v, 0, 1.3)
    half = np.float32(face.width + grow) * (1 - np.float32(face.jaw) * down * down * np.sqrt(down))
    a, b = np.abs(scene.u) / np.maximum(half, 0.05), np.abs(scene.v) / np.float32(1 + grow)
    return ((a**2.4 + b**2.4) ** np.float32(1 / 2.4) - 1) * np.float32(face.width)


def skin_tone(scene: Scene) -> Plane:
    """Return the grey of lit skin over the whole canvas, as if the head were an ellipsoid."""
    lx, ly, lz = scene.light
    nx, ny = scene.u / np.float32(scene.face.width * 1.08), scene.v / np.float32(1.15)
    nz = np.sqrt(np.clip(1 - nx * nx - ny * ny, 0.0, 1))
    lit = np.clip(nx * np.float32(lx) + ny * np.float32(ly) + nz * np.float32(lz), 0, 1)
    freckles = noise(scene.rng, scene.u, scene.v, (0.12, 0.12)) * np.float32(scene.rng.uniform(0.005, 0.03))
    return np.float32(scene.face.skin) * (np.float32(0.6) + np.float32(0.5) * lit) + freckles


def paint_body(scene: Scene, skin: Plane) -> None:
    """Paint neck and clothes."""
    canvas, rng, u, v = scene.canvas, scene.rng, scene.u, scene.v
    neck_width = np.float32(scene.face.width * rng.uniform(0.52, 0.68))
    neck = inside(np.abs(u) - neck_width - np.float32(0.25) * rise(v, 1.0, 1.7), scene.soft * 2) * (v > 0.3)
    canvas.paint(neck, skin * np.float32(0.78), "face")
    shoulder = rng.uniform(1.32, 1.55)
    width = rng.uniform(1.35, 1.9)
    slope = np.abs(u / np.float32(width)) ** 2.6 * np.float32(0.6)
    torso = np.maximum(np.float32(shoulder) + slope - v, np.abs(u) - np.float32(width))
    neckline = rng.uniform(0.1, 0.6)
    # A round neck, a V, or a high collar: how far the skin shows below the shoulders.
    opening = rng.choice([0, 1, 2])
    if opening == 0:
        cut = ellipse(u, v, (0, shoulder - 0.05), (float(neck_width) * 1.15, 0.1 + neckline * 0.5))
    elif opening == 1:
        cut = np.abs(u) * np.float32(1.6) + v - np.float32(shoulder + 0.25 + neckline)
    else:
        cut = np.ones_like(u)
        torso = np.minimum(torso, np.maximum(np.abs(u) - neck_width * 1.1, np.float32(shoulder - 0.22) - v))
    alpha = inside(torso, scene.soft * 2) * (1 - inside(cut, scene.soft * 2))
    canvas.paint(alpha, _cloth(scene), "clothes")


def _cloth(scene: Scene) -> Plane:
    """Return the grey of a garment: plain, striped, knitted or checked, with folds."""
    rng, u, v = scene.rng, scene.u, scene.v
    gray = np.float32(rng.uniform(0.08, 0.92)) + np.float32(0.1) * noise(rng, u, v, (0.25, 0.6))
    kind = rng.integers(4)
    step = np.float32(2 * np.pi / rng.uniform(0.14, 0.4))
    depth = np.float32(rng.uniform(0.05, 0.2))
    if kind == 1:
        gray = gray + depth * np.sin(v * step)
    elif kind == 2:
        gray = gray + np.float32(0.4) * depth * np.sin(u * step * 2) * np.sin(v * step * 2)
    elif kind == 3:
        gray = gray + depth * np.sign(np.sin(u * step)) + depth * np.sign(np.sin(v * step))
    return np.clip(gray, 0.03, 0.97)


def paint_ears(scene: Scene, skin: Plane) -> None:
    """Paint both ears; long hair is painted over them later."""
    size = scene.rng.uniform(0.13, 0.2)
    for side in (-1, 1):
        at = (side * (scene.face.width + 0.03) - 0.12 * scene.pose.yaw, 0.02)
        outer = ellipse(scene.u, scene.v, at, (size * 0.62, size * 1.45))
        scene.canvas.paint(inside(outer, scene.soft * 2), skin * np.float32(0.88), "face")
        scene.canvas.shade(bump(scene.u, scene.v, at, (size * 0.3, size * 0.75)), 0.72)


def paint_skin(scene: Scene, skin: Plane) -> None:
    """Paint the face and the relief that light makes on it: sockets, cheeks, nose, chin."""
    canvas, face, u, v = scene.canvas, scene.face, scene.fu, scene.v
    edge = face_outline(scene)
    canvas.shade(inside(edge - np.float32(0.12), 0.35) * rise(v, 0.5, 1.0), 0.8)
    canvas.paint(inside(edge, scene.soft * 2), skin, "face")
    on_face = inside(edge, scene.soft * 2)
    for side in (-1, 1):
        x = side * face.eye_gap
        canvas.shade(bump(u, v, (x, -face.eye_height - 0.02), (0.22, 0.14)) * on_face, 0.78)
        canvas.shade(bump(u, v, (x * 1.25, 0.3), (0.2, 0.16)) * on_face, 1.08)
        canvas.shade(bump(u, v, (x * 0.95, face.mouth_height - 0.08), (0.06, 0.16)) * on_face, 0.94)
    canvas.shade(bump(u, v, (0, face.mouth_height + 0.19), (0.22, 0.06)) * on_face, 0.86)
    canvas.shade(bump(u, v, (0, 0.84), (0.16, 0.1)) * on_face, 1.07)
    canvas.shade(rise(edge, -0.16, 0.02) * on_face, 0.8)
    _paint_nose(scene, on_face)
    if scene.rng.random() < 0.35:
        _wrinkles(scene, on_face)


def _paint_nose(scene: Scene, on_face: Plane) -> None:
    canvas, face, u, v = scene.canvas, scene.face, scene.fu, scene.v
    top, tip = -face.eye_height, -face.eye_height + face.nose_length
    lean = 0.10 * scene.pose.yaw
    along = np.clip((v - np.float32(top)) / np.float32(face.nose_length), 0, 1)
    ridge_at = u - np.float32(lean) * along
    spread = np.float32(face.nose_width) * (np.float32(0.42) + np.float32(0.5) * along)
    length = rise(v, top - 0.1, top + 0.12) * (1 - rise(v, tip - 0.03, tip + 0.08)) * on_face
    lit = 1 if scene.light[0] > 0 else -1
    shadow = np.exp(-(((ridge_at + lit * spread) / (spread * np.float32(0.7))) ** 2))
    canvas.shade(shadow * length, 0.8)
    canvas.shade(np.exp(-((ridge_at / (spread * np.float32(0.55))) ** 2)) * length, 1.1)
    canvas.shade(bump(u, v, (lean, tip + 0.06), (face.nose_width * 1.25, 0.045)) * on_face, 0.7)
    for side in (-1, 1):
        nostril = (lean + side * face.nose_width * 0.55, tip + 0.03)
        canvas.shade(bump(u, v, nostril, (0.042, 0.028)) * on_face, 0.42)
        wing = (lean + side * face.nose_width * 1.12, tip - 0.02)
        canvas.shade(bump(u, v, wing, (0.025, 0.06)) * on_face, 0.78)


def _wrinkles(scene: Scene, on_face: Plane) -> None:
    """Lines on the forehead and from the nose to the mouth, as an older face has."""
    wave = np.sin((scene.v + np.float32(0.06) * np.cos(scene.fu * 4)) * 46) * np.float32(0.5)
    forehead = bump(scene.fu, scene.v, (0, -0.5), (0.38, 0.14))
    scene.canvas.gray += np.float32(0.05) * wave * forehead * on_face
    for side in (-1, 1):
        x = np.abs(scene.fu * side - np.float32(scene.face.mouth_width * 0.85) - (scene.v - 0.4) * 0.35)
        line = inside(x - np.float32(0.012), 0.04) * bump(scene.fu, scene.v, (side * 0.25, 0.42), (0.3, 0.14))
        scene.canvas.shade(line * on_face, 0.82)


def paint_eyes(scene: Scene, brow_gray: float) -> None:
    """Paint eyes and eyebrows."""
    canvas, face, pose, v = scene.canvas, scene.face, scene.pose, scene.v
    iris_gray = np.float32(scene.rng.uniform(0.08, 0.4))
    arch, slant = scene.rng.uniform(0.1, 0.5), scene.rng.normal(0, 0.12)
    gap = face.eye_height + scene.rng.uniform(0.17, 0.24)
    tall = face.eye_size * (0.08 + 0.42 * pose.eyes_open)
    for side in (-1, 1):
        # The far eye narrows when the head turns.
        narrow = 1 - 0.28 * max(0.0, side * pose.yaw)
        x = (scene.fu * side - np.float32(face.eye_gap)) / np.float32(narrow)
        y = v + np.float32(face.eye_height) + np.float32(slant * 0.5) * x
        lid = np.float32(tall) * np.clip(1 - (x / np.float32(face.eye_size)) ** 2, 0, 1)
        white = inside(np.maximum(np.abs(y) - lid, np.abs(x) - np.float32(face.eye_size)), scene.soft)
        canvas.paint(white, np.float32(0.55 + 0.35 * face.skin) * np.float32(0.95), "eyes")
        look = np.float32(0.35 * face.eye_size * pose.gaze * side)
        radius = np.sqrt((x - look) ** 2 + y * y)
        canvas.paint(white * inside(radius - np.float32(face.eye_size * 0.46), scene.soft), iris_gray)
        canvas.paint(white * inside(radius - np.float32(face.eye_size * 0.2), scene.soft), 0.03)
        glint = np.sqrt((x - look + np.float32(0.03 * side)) ** 2 + (y + np.float32(0.025)) ** 2)
        canvas.paint(white * inside(glint - np.float32(0.014), 0.03), 0.92)
        line = np.abs(y + lid) - np.float32(0.018)
        in_eye = np.abs(x) < face.eye_size * 1.08
        canvas.paint(inside(line, scene.soft) * in_eye * np.float32(0.85), 0.1)
        canvas.shade(inside(np.abs(y - lid) - np.float32(0.008), scene.soft) * in_eye, 0.75)
        reach = x / np.float32(face.eye_size * 1.35)
        centre = y + np.float32(gap - face.eye_height) - np.float32(0.07 * arch) * (1 - reach * reach)
        thick = np.float32(face.brow) * np.clip(1 - 0.6 * np.clip(reach, -0.4, 1), 0.25, 1)
        brow = inside(np.abs(centre) - thick, scene.soft * 1.5) * inside(np.abs(reach) - 1, 0.15)
        hairs = np.float32(0.75) + np.float32(0.35) * noise(scene.rng, x, y, (0.05, 0.08))
        canvas.paint(brow * np.clip(hairs, 0.2, 1), brow_gray)


def paint_mouth(scene: Scene) -> None:
    """Paint the lips, and teeth or the dark of an open mouth between them."""
    canvas, face, pose = scene.canvas, scene.face, scene.pose
    x = (scene.fu - np.float32(0.04 * pose.yaw)) / np.float32(
        face.mouth_width * (1 + 0.15 * max(pose.smile, 0))
    )
    across = np.clip(1 - x * x, 0, 1)
    y = scene.v - np.float32(face.mouth_height) - np.float32(0.07 * pose.smile) * (1 - x * x)
    y = y + np.float32(0.05 * pose.smile)
    gape = np.float32(0.1 * pose.mouth_open) * across
    bow = across * (1 - np.float32(0.3) * np.exp(-((x / np.float32(0.16)) ** 2)))
    upper, lower = np.float32(face.lips) * bow, np.float32(face.lips * 1.3) * np.sqrt(across)
    lips = inside(np.maximum(-y - upper, y - gape - lower), scene.soft) * (np.abs(x) < 1)
    tone = np.float32(face.skin * scene.rng.uniform(0.52, 0.75))
    canvas.paint(lips, tone + np.float32(0.1) * rise(y, 0, 0.08) * np.float32(face.skin), "mouth")
    between = inside(np.maximum(-y - np.float32(0.008), y - gape - np.float32(0.008)), scene.soft)
    teeth = pose.mouth_open > 0 and scene.rng.random() < 0.7
    canvas.paint(between * (np.abs(x) < 1), 0.85 if teeth else 0.1)
    if teeth:
        canvas.paint(inside(np.abs(y - gape) - np.float32(0.008), scene.soft) * (np.abs(x) < 0.9), 0.15)


def paint_beard(scene: Scene, gray: float) -> str:
    """Paint stubble, a moustache or a beard on some, and return which."""
    face, u, v = scene.face, scene.fu, scene.v
    kind = str(scene.rng.choice(["none", "stubble", "moustache", "beard"], p=[0.7, 0.12, 0.06, 0.12]))
    if kind == "none":
        return kind
    on_face = inside(face_outline(scene), scene.soft * 2)
    strands = np.clip(np.float32(0.7) + np.float32(0.5) * noise(scene.rng, u, v, (0.05, 0.1)), 0, 1)
    lip = face.mouth_height - face.lips - 0.045
    moustache = inside(ellipse(u, v, (0, lip), (face.mouth_width * 0.95, 0.055)), 0.06)
    cheeks = rise(v + np.float32(0.5) * np.abs(u), face.mouth_height - 0.02, face.mouth_height + 0.2)
    around = ellipse(u, v, (0, face.mouth_height), (face.mouth_width * 0.95, face.lips * 2.2))
    jaw = cheeks * (1 - inside(around, 0.08))
    area = moustache if kind == "moustache" else np.maximum(moustache, jaw)
    weight = {"stubble": 0.28, "moustache": 0.8, "beard": 0.85}[kind]
    scene.canvas.paint(area * on_face * strands * np.float32(weight), gray)
    return kind
