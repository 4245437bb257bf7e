"""Living things: people, riders on their cycles, trees and hedges. Each function returns one at the origin."""

import numpy as np
import numpy.typing as npt

from segdata.synth.faces import (
    COSINE,
    LABEL,
    SHADOW,
    SINE,
    Mesh,
    box,
    disc,
    faces,
    inside_out,
    join,
    lying,
    solid,
    upright,
    wheel,
)
from segdata.synth.paint import TYRE, Colour, Random, darker, pick, shadow

CLOTHES: tuple[Colour, ...] = (
    (32, 33, 38), (42, 44, 56), (60, 58, 56), (84, 40, 40), (96, 92, 84), (48, 56, 74), (120, 116, 108), (36, 48, 42),
)  # fmt: skip
SKINS: tuple[Colour, ...] = ((168, 128, 108), (150, 108, 86), (98, 68, 52))


def _figure(random: Random, label: int, high: float, lift: float, sway: float) -> Mesh:
    coat, trousers = pick(random, CLOTHES), pick(random, CLOTHES[:3])
    skin = pick(random, SKINS)
    bulk = high * float(random.uniform(0.9, 1.15))
    hip, neck = lift + 0.48 * high, lift + 0.84 * high
    low = lift if lift == 0 else lift - 0.05
    half = 0.13 * bulk
    legs = np.stack([upright(-0.085 * bulk, -0.005, low, hip + 0.03), upright(0.005, 0.085 * bulk, low, hip + 0.03)])
    torso = [(-0.09 * bulk, hip - 0.04 * high), (0.09 * bulk, hip - 0.04 * high), (0.11 * bulk, hip + 0.2 * high)]
    torso += [(half, neck - 0.06), (0.06 * bulk, neck), (-0.06 * bulk, neck), (-half, neck - 0.06)]
    torso += [(-0.11 * bulk, hip + 0.2 * high)]
    arms = np.stack(
        [
            upright(-half - 0.03, -half + 0.05, hip, neck - 0.05),
            upright(half - 0.05, half + 0.03, hip, neck - 0.05),
        ]
    )
    head = neck + 0.075 * high
    first, second = faces(legs[:1], trousers, label, sway), faces(legs[1:], darker(trousers, 0.85), label, -sway)
    return join(
        first,
        second,
        faces(arms, darker(coat, 0.8), label),
        faces([(x, y, 0.0) for x, y in torso], coat, label),
        faces(disc(0, head, 0, 0.055 * high, 0.075 * high), skin, label),
        faces(disc(0, head + 0.03 * high, 0, 0.058 * high, 0.055 * high), pick(random, CLOTHES[:3]), label),
    )


def person(random: Random, walking: bool) -> Mesh:
    """Return a person on foot, a child now and then."""
    high = float(random.uniform(1.55, 1.9) if random.random() < 0.88 else random.uniform(1.0, 1.4))
    figure = _figure(random, LABEL["person"], high, 0.0, 0.16 if walking else 0.0)
    return join(shadow(-0.2, 0.2, -0.12, 0.2), figure)


def cycle(random: Random, name: str, ridden: bool) -> Mesh:
    """Return a `bicycle` or a `motorcycle` that looks forward, with its rider if it is `ridden`."""
    label = LABEL[name]
    motor = name == "motorcycle"
    radius, length = (0.31, 1.9) if motor else (0.34, 1.65)
    paint = pick(random, ((40, 40, 44), (110, 34, 30), (44, 62, 92), (90, 94, 92)))
    tyres = [wheel(x, radius, z, x > 0) for z in (radius, length - radius) for x in (-0.03, 0.03)]
    spokes = [t.mean(axis=0) + (t - t.mean(axis=0)) * np.float32(0.8) for t in tyres]
    tall = solid((-0.16, 0.16, 0.3, 0.25, 1.6), (-0.12, 0.12, 0.85, 0.2, 1.5)) if motor else None
    frame = tall if tall is not None else box(-0.025, 0.025, 0.45, 0.78, 0.5, 1.2)
    half = 0.1 if motor else 0.04
    bar = upright(-0.32, 0.32, 0.98, 1.06, length - 0.5)
    parts = [
        shadow(-0.2, 0.2, 0.0, length),
        faces(np.stack(tyres), TYRE, label),
        faces(np.stack(spokes), (74, 76, 76), label),
        faces(np.stack([disc(0, radius, 0.05, half, radius), disc(0, radius, length, half, radius)]), TYRE, label),
        faces(disc(0, radius, length, half, radius)[::-1], TYRE, label),
        faces(np.stack([bar, bar[[1, 0, 3, 2]]]), (40, 40, 42), label),
        faces(frame, paint, label),
        faces(upright(-0.05, 0.05, 0.6, 0.72, 0.02), (130, 26, 24), label),
    ]
    if ridden:
        rider = _figure(random, LABEL["rider"], float(random.uniform(1.55, 1.8)) * 0.85, 0.42, 0.04)
        rider["points"][..., 2] += 0.7
        parts += [rider, inside_out(rider)]  # seen from ahead, too
    return join(*parts)


def tree(random: Random, low: float, tall: float) -> Mesh:
    """Return a broad-leaved tree, `low` to `tall` metres high; trunk and crown are class vegetation."""
    high = float(random.uniform(low, tall))
    label = LABEL["vegetation"]
    green = np.array(pick(random, ((56, 74, 44), (66, 82, 46), (48, 66, 44), (78, 84, 50))))
    radius = high * float(random.uniform(0.24, 0.34))
    middle = high - radius * 1.15
    trunk = [(-0.022 * high, 0, 0), (0.022 * high, 0, 0), (0.014 * high, middle, 0), (-0.014 * high, middle, 0)]
    crown = _leaves(random, 34, green, label, (0.0, middle), (radius, radius * 1.15), radius * 0.42)
    speckle = _leaves(random, 40, green * 1.04, label, (0.0, middle), (radius * 1.15, radius * 1.3), radius * 0.13)
    mesh = join(faces(trunk, (66, 58, 48), label), crown, speckle)
    around = np.stack([radius * 0.9 * COSINE, np.zeros(8), radius * 0.9 * SINE], axis=1)
    return join(lying(faces(around, (150, 150, 150), SHADOW)), mesh)


def _leaves(
    random: Random,
    count: int,
    green: npt.NDArray[np.float64],
    label: int,
    centre: tuple[float, float],
    reach: tuple[float, float],
    size: float,
) -> Mesh:
    angle = random.uniform(0, 2 * np.pi, count)
    away = np.sqrt(random.uniform(0, 1, count)) * 0.82
    x, y = centre[0] + reach[0] * away * np.cos(angle), centre[1] + reach[1] * away * np.sin(angle)
    order = np.argsort(away * np.sin(angle) + random.uniform(-0.5, 0.5, count))  # lit leaves last
    x, y = x[order], y[order]
    radius = size * random.uniform(0.7, 1.25, (count, 1)) * random.uniform(0.8, 1.15, (count, 8))
    points = np.stack(
        [x[:, None] + radius * COSINE, np.maximum(y[:, None] + radius * SINE, 0.02), np.zeros_like(radius)], axis=2
    )
    light = 0.62 + 0.3 * (y - centre[1] + reach[1]) / reach[1] + random.uniform(-0.14, 0.14, count)
    return faces(points, green * light[:, None], label)


def hedge(random: Random, length: float) -> Mesh:
    """Return a row of bushes along the street, `length` metres from z = 0."""
    high, meshes = float(random.uniform(1.0, 2.2)), []
    green = np.array(pick(random, ((54, 70, 42), (62, 78, 46))))
    for z in np.arange(length, 0.0, -1.5):
        bush = _leaves(random, 10, green, LABEL["vegetation"], (0.0, high * 0.5), (0.75, high * 0.5), high * 0.4)
        bush["points"][..., 2] += z
        meshes.append(bush)
    return join(*meshes)
