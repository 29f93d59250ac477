"""Painting what frames a face: hair behind and before it, glasses, hats."""

from __future__ import annotations

import numpy as np

from models.portraits.canvas import Plane, bump, ellipse, inside, noise, rise
from models.portraits.head import Scene, face_outline


def hair_tone(scene: Scene) -> Plane:
    """Return the grey of the hair over the whole canvas: strands, and the light on them."""
    rng, u, v = scene.rng, scene.u, scene.v
    base = np.float32(0.9 - 0.82 * scene.hair.darkness)
    if scene.hair.style == "long":
        across = u + np.float32(rng.uniform(0.02, 0.12)) * np.sin(v * np.float32(rng.uniform(2, 9)))
        strands = noise(rng, across, v, (0.045, 0.7)) + np.float32(0.6) * noise(rng, across, v, (0.14, 1.1))
    else:
        fine = rng.uniform(0.04, 0.09)
        # Short hair runs from the crown outwards: strands follow the angle about it.
        angle, radius = np.arctan2(u, -(v + np.float32(0.5))), np.sqrt(u * u + (v + np.float32(0.5)) ** 2)
        strands = noise(rng, angle, radius, (fine, 0.25)) + np.float32(0.5) * noise(rng, u, v, (0.2, 0.2))
    depth = np.float32(0.05 + 0.09 * (1 - scene.hair.darkness) + rng.uniform(0, 0.05))
    lx, ly, _ = scene.light
    shine = bump(u, v, (0.4 * lx, -0.9 + 0.3 * ly), (0.5, 0.22)) * np.float32(rng.uniform(0.02, 0.16))
    shadow = np.float32(1) - np.float32(0.25) * rise(u * np.float32(-lx), 0.1, 1.1)
    return np.clip((base + depth * strands + shine) * shadow, 0.02, 0.97)


def paint_back_hair(scene: Scene, tone: Plane) -> None:
    """Paint what hangs behind the head: long hair on both sides, or a bun."""
    rng, u, v = scene.rng, scene.u, scene.v
    width = scene.face.width
    if scene.hair.style == "tied":
        at = (rng.normal(0, 0.15), -1.15)
        scene.canvas.paint(inside(ellipse(u, v, at, (0.3, 0.28)), scene.soft * 3), tone, "hair")
    if scene.hair.style != "long":
        return
    length, volume = rng.uniform(0.95, 2.1), rng.uniform(0.2, 0.42)
    flare = rng.uniform(-0.12, 0.25)
    edge = np.float32(0.06) * noise(rng, v, u, (0.3, 0.8)) + np.float32(0.03) * noise(rng, u, v, (0.08, 0.08))
    half = np.float32(width + volume) + np.float32(flare) * rise(v, -0.1, 1.6) + edge
    fall = np.maximum(
        np.abs(u) - half, v - np.float32(length) - np.float32(0.12) * noise(rng, u, v, (0.09, 3))
    )
    crown = ellipse(u, v, (0, -0.18), (width + volume, 0.95 + volume * 0.55)) + edge
    shape = np.minimum(crown, np.maximum(fall, -v - np.float32(0.18)))
    scene.canvas.paint(inside(shape, scene.soft * 3), tone * np.float32(0.9), "hair")


def paint_front_hair(scene: Scene, tone: Plane) -> None:
    """Paint the hair over the forehead and, when long, the locks beside the face."""
    style = scene.hair.style
    if style == "bald":
        if scene.rng.random() < 0.6:
            _paint_wreath(scene, tone)
        return
    if style == "long":
        _paint_locks(scene, tone)
    _paint_cap(scene, tone)


def _paint_wreath(scene: Scene, tone: Plane) -> None:
    """The rim of hair that baldness leaves above the ears."""
    edge = face_outline(scene, 0.05)
    band = inside(np.abs(scene.v + np.float32(0.2)) - np.float32(0.24), 0.15)
    ring = inside(edge, scene.soft * 2) * (1 - inside(edge + np.float32(0.12), 0.1)) * band
    scene.canvas.paint(ring, tone, "hair")


def _paint_locks(scene: Scene, tone: Plane) -> None:
    rng, u, v = scene.rng, scene.u, scene.v
    length = rng.uniform(0.7, 1.5)
    crown = ellipse(u, v, (0, -0.18), (scene.face.width + 0.24, 0.98))
    for side in (-1, 1):
        inner = np.float32(scene.face.width * rng.uniform(0.72, 0.92))
        wave = np.float32(0.05) * noise(rng, v, u * 0, (0.4, 1)) + np.float32(0.02) * noise(
            rng, u, v, (0.06, 0.3)
        )
        # Locks part at the forehead and swing outwards past the chin.
        bend = inner * (1 - np.float32(0.55) * (1 - rise(v, -0.95, -0.25))) + np.float32(0.12) * rise(
            v, 0.3, 1.1
        )
        outer = np.float32(scene.face.width + 0.24) + wave
        lock = np.maximum(bend + wave - u * side, u * side - outer)
        lock = np.maximum(lock, v - np.float32(length))
        lock = np.maximum(lock, np.where(v < -0.18, crown + wave, -1).astype(np.float32))
        scene.canvas.shade(inside(lock - np.float32(0.05), 0.12), 0.9)
        scene.canvas.paint(inside(lock, scene.soft * 3), tone, "hair")


def _paint_cap(scene: Scene, tone: Plane) -> None:
    """Hair on top: inside a bulge over the skull, above a hairline that varies from person to person."""
    rng, u, v = scene.rng, scene.u, scene.v
    width = scene.face.width
    volume = {"short": rng.uniform(0.03, 0.2), "tied": 0.05, "long": 0.12}[scene.hair.style]
    ragged = np.float32(rng.uniform(0.005, 0.045)) * noise(rng, u, v, (0.07, 0.07))
    skull = ellipse(u, v, (0, -0.2), (width + 0.05 + volume * 0.6, 0.86 + volume)) + ragged
    line = rng.uniform(-0.78, -0.5)
    curve = rng.uniform(-0.25, 0.5)
    parting = rng.uniform(-0.35, 0.35)
    side = np.abs(u + np.float32(parting) * 0.4) / np.float32(width)
    # Above the temples the hairline drops to the sideburns.
    drop = rise(side, rng.uniform(0.62, 0.74), 0.98) * np.float32(rng.uniform(0.4, 0.85))
    hairline = np.float32(line) + np.float32(curve * 0.3) * side * side + drop
    hairline = hairline + np.float32(rng.uniform(0.01, 0.08)) * noise(rng, u, v, (0.08, 0.5))
    if rng.random() < 0.3:
        # A fringe combed to one side.
        hairline = hairline + np.float32(rng.choice([-0.22, 0.22])) * u + np.float32(0.1)
    cap = np.maximum(skull, v - hairline)
    scene.canvas.shade(inside(cap - np.float32(0.05), 0.14), 0.86)
    scene.canvas.paint(inside(cap, scene.soft * 2.5), tone, "hair")


def paint_glasses(scene: Scene) -> str:
    """Paint glasses on some, and return which kind."""
    kind = str(scene.rng.choice(["none", "round", "square", "dark"], p=[0.68, 0.14, 0.14, 0.04]))
    if kind == "none":
        return kind
    rng, face, v = scene.rng, scene.face, scene.v + np.float32(scene.face.eye_height - 0.03)
    wide, tall = rng.uniform(0.2, 0.25), rng.uniform(0.15, 0.21)
    power = 2.0 if kind == "round" else 4.0
    rim, gray = np.float32(rng.uniform(0.014, 0.035)), float(rng.uniform(0.03, 0.35))
    for side in (-1, 1):
        x = np.abs(scene.fu * side - np.float32(face.eye_gap * 1.06)) / np.float32(wide)
        lens = (
            (x**power + (np.abs(v) / np.float32(tall)) ** power) ** np.float32(1 / power) - 1
        ) * np.float32(tall)
        if kind == "dark":
            scene.canvas.paint(inside(lens, scene.soft) * np.float32(0.88), 0.08 + 0.1 * rng.random())
        scene.canvas.paint(inside(np.abs(lens) - rim, scene.soft), gray)
    inner = face.eye_gap * 1.06 - wide
    bridge = np.maximum(np.abs(v + np.float32(0.04)) - rim, np.abs(scene.fu) - np.float32(max(inner, 0.02)))
    scene.canvas.paint(inside(bridge, scene.soft), gray)
    outer = np.abs(scene.fu) - np.float32(face.eye_gap * 1.06 + wide)
    arm = np.maximum(
        np.abs(v + np.float32(0.05)) - rim, np.maximum(-outer, np.abs(scene.u) - np.float32(face.width))
    )
    scene.canvas.paint(inside(arm, scene.soft), gray)
    return kind


def paint_hat(scene: Scene) -> str:
    """Paint a hat on a few, and return which kind."""
    kind = str(scene.rng.choice(["none", "beanie", "cap", "brim"], p=[0.92, 0.03, 0.03, 0.02]))
    if kind == "none":
        return kind
    rng, u, v, width = scene.rng, scene.u, scene.v, scene.face.width
    gray = np.float32(rng.uniform(0.1, 0.9))
    line = (
        np.float32(rng.uniform(-0.62, -0.48))
        + np.float32(rng.uniform(0, 0.16)) * (u / np.float32(width)) ** 2
    )
    dome = ellipse(u, v, (0, -0.5), (width + 0.14, rng.uniform(0.7, 0.95)))
    hat = np.maximum(dome, v - line)
    weave = np.sin(u * 60) if kind == "beanie" else noise(rng, u, v, (0.4, 0.4))
    light = np.float32(0.12 * scene.light[0]) * u
    scene.canvas.shade(inside(hat - np.float32(0.1), 0.2), 0.75)
    scene.canvas.paint(
        inside(hat, scene.soft * 2), np.clip(gray + np.float32(0.05) * weave + light, 0, 1), "clothes"
    )
    if kind == "beanie":
        band = np.maximum(
            np.abs(v - line + np.float32(0.1)) - np.float32(0.11), np.abs(u) - np.float32(width + 0.15)
        )
        scene.canvas.paint(inside(band, scene.soft * 2), np.clip(gray * 0.8 + 0.06 * weave, 0, 1), "clothes")
    else:
        reach = width + (0.05 if kind == "cap" else 0.6)
        brim = ellipse(u, v - line, (0, 0), (reach, 0.1 if kind == "cap" else 0.12))
        scene.canvas.paint(inside(brim, scene.soft * 2), float(gray) * 0.7, "clothes")
    return kind
