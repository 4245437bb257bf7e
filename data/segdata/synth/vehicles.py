"""Vehicles: each function returns one, its rear at z = 0, looking forward (+z)."""

from itertools import pairwise

import numpy as np

from segdata.synth.faces import IMAGE_ONLY, LABEL, Floats, Mesh, box, faces, inset, join, solid, upright, wheel
from segdata.synth.paint import GLASS, TYRE, Colour, Random, darker, pick, shadow

CAR_PAINTS: tuple[Colour, ...] = (
    (28, 29, 32), (38, 40, 44), (60, 63, 66), (95, 98, 100), (135, 138, 138), (175, 177, 174), (30, 38, 62),
    (92, 26, 26), (44, 52, 50), (70, 66, 58),
)  # fmt: skip


def _wheels(half_width: float, radius: float, places: tuple[float, ...]) -> Mesh:
    tyres = [wheel(side * half_width, radius, z, side > 0) for z in places for side in (-1, 1)]
    hubs = []
    for tyre in tyres:
        middle = tyre.mean(axis=0)
        hubs.append(middle + (tyre - middle) * np.float32(0.58))
    return join(faces(np.stack(tyres), TYRE, IMAGE_ONLY), faces(np.stack(hubs), (92, 94, 96), IMAGE_ONLY))


def _tyres_from_behind(half_width: float, high: float, length: float, label: int) -> Mesh:
    ends = []
    for z, back in ((0.35, False), (length - 0.35, True)):
        for x in (-half_width + 0.02, half_width - 0.24):
            face = upright(x, x + 0.22, 0.0, high, z)
            ends.append(face[[1, 0, 3, 2]] if back else face)
    return faces(np.stack(ends), TYRE, label)


def car(random: Random, paint: Colour | None = None) -> Mesh:
    """Return a hatchback, saloon, or van."""
    label = LABEL["car"]
    paint = paint or pick(random, CAR_PAINTS)
    shape = int(random.integers(4))
    length = (3.9, 4.5, 4.4, 4.8)[shape] * float(random.uniform(0.95, 1.05))
    high = (1.46, 1.42, 1.66, 1.95)[shape]
    waist = (0.92, 0.9, 1.02, 1.1)[shape]
    half = 0.88 if shape < 2 else 0.93
    boot, bonnet = ((0.1, 1.0), (0.85, 1.15), (0.1, 1.1), (0.05, 0.85))[shape]
    body = solid((-half, half, 0.22, 0.0, length), (-half + 0.06, half - 0.06, waist, 0.06, length - 0.14))
    cabin = solid(
        (-half + 0.07, half - 0.07, waist, boot, length - bonnet),
        (-half + 0.24, half - 0.24, high, boot + 0.4, length - bonnet - 0.75),
    )
    glass = np.concatenate(
        [
            inset(cabin[0], (0.06, 0.12, 0.94, 0.88)),
            inset(cabin[1], (0.05, 0.06, 0.95, 0.92)),
            inset(cabin[2], ((0.08, 0.1, 0.47, 0.88), (0.52, 0.1, 0.92, 0.88))),
            inset(cabin[3], ((0.08, 0.1, 0.47, 0.88), (0.52, 0.1, 0.92, 0.88))),
        ]
    )
    rear_lights = inset(body[0], ((0.0, 0.55, 0.16, 0.88), (0.84, 0.55, 1.0, 0.88)))
    headlights = inset(body[1], ((0.02, 0.5, 0.2, 0.75), (0.8, 0.5, 0.98, 0.75)))
    plates = np.concatenate([inset(body[0], (0.34, 0.42, 0.66, 0.6)), inset(body[1], (0.36, 0.14, 0.64, 0.3))])
    dark_parts = np.concatenate(
        [inset(body[0], (0, 0, 1, 0.2)), inset(body[1], ((0, 0, 1, 0.12), (0.26, 0.42, 0.74, 0.7)))]
    )
    roof = np.concatenate([cabin, body[4:5]])
    return join(
        shadow(-half, half, -0.05, length),
        _tyres_from_behind(half, 0.35, length, label),
        faces(body, paint, label),
        faces(roof, darker(paint, 0.94), label),
        faces(glass, GLASS, IMAGE_ONLY),
        faces(inset(cabin[1], (0.15, 0.55, 0.6, 0.9)), (74, 82, 86), IMAGE_ONLY),
        faces(dark_parts, darker(paint, 0.5), IMAGE_ONLY),
        faces(rear_lights, (128, 24, 22), IMAGE_ONLY),
        faces(headlights, (186, 190, 188), IMAGE_ONLY),
        faces(plates, (180, 180, 172), IMAGE_ONLY),
        _wheels(half, 0.32, (0.75, length - 0.85)),
    )


def _long_windows(body: Floats, count: int, low: float, high: float) -> Floats:
    row = [(a + 0.006, low, b - 0.006, high) for a, b in pairwise(np.linspace(0.03, 0.97, count + 1))]
    return np.concatenate([inset(body[2], row), inset(body[3], row)])


def truck(random: Random, oncoming: bool) -> Mesh:
    """Return a lorry; `oncoming` says which end the camera sees, so that it is painted last."""
    label = LABEL["truck"]
    paint = pick(random, ((150, 148, 140), (120, 40, 36), (40, 62, 100), (110, 112, 110)))
    load = pick(random, ((168, 168, 162), (96, 104, 110), (150, 138, 104), (66, 92, 74)))
    length, high = float(random.uniform(6.5, 10.0)), float(random.uniform(3.0, 3.7))
    cargo = box(-1.22, 1.22, 0.95, high, 0.0, length - 2.2)
    cab = solid((-1.15, 1.15, 0.5, length - 2.0, length), (-1.1, 1.1, 2.7, length - 2.0, length - 0.15))
    back = join(
        faces(cargo, load, label),
        faces(inset(cargo[0], (0.48, 0.02, 0.52, 0.98)), darker(load, 0.7), IMAGE_ONLY),
        faces(inset(cargo[0], ((0.0, 0.0, 0.12, 0.05), (0.88, 0.0, 1.0, 0.05))), (120, 26, 24), IMAGE_ONLY),
    )
    front = join(
        faces(cab, paint, label),
        faces(inset(cab[1], (0.06, 0.52, 0.94, 0.9)), GLASS, IMAGE_ONLY),
        faces(inset(cab[1], (0.2, 0.15, 0.8, 0.42)), darker(paint, 0.55), IMAGE_ONLY),
        faces(np.concatenate([inset(cab[side], (0.3, 0.5, 0.9, 0.88)) for side in (2, 3)]), GLASS, IMAGE_ONLY),
    )
    chassis = faces(box(-1.1, 1.1, 0.45, 0.95, 0.1, length - 0.2), (42, 42, 44), label)
    return join(
        shadow(-1.2, 1.2, 0.0, length),
        _tyres_from_behind(1.1, 0.7, length, label),
        chassis,
        *((back, front) if oncoming else (front, back)),
        _wheels(1.16, 0.48, (1.2, length - 1.3)),
    )


def _long_vehicle(name: str, length: float, high: float, paint: Colour) -> Mesh:
    """Return a bus, or a tram as a `train`, with windows all along."""
    label = LABEL[name]
    body = solid((-1.25, 1.25, 0.32, 0.0, length), (-1.2, 1.2, high, 0.05, length - 0.05))
    panes = np.concatenate(
        [
            inset(body[0], (0.08, 0.5, 0.92, 0.88)),
            inset(body[1], (0.05, 0.36, 0.95, 0.86)),
            _long_windows(body, int(length / 1.6), 0.42, 0.84),
        ]
    )
    lights = inset(body[1], ((0.04, 0.12, 0.18, 0.2), (0.82, 0.12, 0.96, 0.2)))
    rear_lights = inset(body[0], ((0.02, 0.16, 0.12, 0.32), (0.88, 0.16, 0.98, 0.32)))
    skirt = np.concatenate([inset(body[k], (0, 0, 1, 0.12)) for k in range(4)])
    return join(
        shadow(-1.25, 1.25, 0.0, length),
        _tyres_from_behind(1.15, 0.5, length, label),
        faces(body, paint, label),
        faces(skirt, darker(paint, 0.45), IMAGE_ONLY),
        faces(panes, GLASS, IMAGE_ONLY),
        faces(np.concatenate([inset(body[k], (0.25, 0.9, 0.75, 0.98)) for k in (0, 1)]), (30, 30, 28), IMAGE_ONLY),
        faces(lights, (190, 190, 182), IMAGE_ONLY),
        faces(rear_lights, (130, 24, 22), IMAGE_ONLY),
        _wheels(1.26, 0.46, (1.8, length - 2.2)) if name == "bus" else faces(skirt[:1], (40, 40, 42), IMAGE_ONLY),
    )


def bus(random: Random) -> Mesh:
    """Return a city bus."""
    return _long_vehicle("bus", 11.5, 3.1, pick(random, ((150, 146, 132), (150, 110, 40), (120, 44, 40))))


def tram(random: Random) -> Mesh:
    """Return a tram, class train."""
    return _long_vehicle("train", 26.0, 3.4, pick(random, ((160, 140, 60), (140, 44, 40), (150, 150, 146))))


def caravan(random: Random) -> Mesh:
    """Return a caravan, pale, with a window at its rear."""
    body = solid((-1.1, 1.1, 0.4, 0.0, 4.6), (-1.05, 1.05, 2.5, 0.1, 4.4))
    panes = np.concatenate([inset(body[k], (0.25, 0.5, 0.75, 0.8)) for k in (0, 2, 3)])
    stripes = np.concatenate([inset(body[k], (0, 0.3, 1, 0.36)) for k in range(4)])
    return join(
        shadow(-1.1, 1.1, 0.0, 4.6),
        _tyres_from_behind(1.0, 0.45, 4.6, LABEL["caravan"]),
        faces(body, pick(random, ((184, 182, 174),)), LABEL["caravan"]),
        faces(stripes, (92, 104, 122), IMAGE_ONLY),
        faces(panes, GLASS, IMAGE_ONLY),
        _wheels(1.1, 0.32, (2.2,)),
    )


def trailer(random: Random) -> Mesh:
    """Return a low trailer for a car."""
    body = box(-0.85, 0.85, 0.45, 1.15, 0.0, 2.4)
    paint = pick(random, ((110, 112, 112), (70, 78, 92), (84, 74, 58)))
    return join(
        shadow(-0.85, 0.85, 0.0, 2.4),
        _tyres_from_behind(0.8, 0.5, 2.4, LABEL["trailer"]),
        faces(body, paint, LABEL["trailer"]),
        faces(inset(body[0], ((0, 0.05, 0.14, 0.25), (0.86, 0.05, 1, 0.25))), (126, 26, 24), IMAGE_ONLY),
        _wheels(0.86, 0.3, (1.2,)),
    )
