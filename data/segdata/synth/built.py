"""What is built along a street: houses, walls, poles, signs, bridges, tunnels. Each function returns one of them.

A `side` is +1 for what stands right of the road, -1 for what stands left of it; its street face lies at x = 0.
"""

import numpy as np

from segdata.synth.faces import (
    IMAGE_ONLY,
    LABEL,
    Floats,
    Mesh,
    box,
    disc,
    faces,
    inset,
    join,
    solid,
    upright,
)
from segdata.synth.paint import GLASS, METAL, Colour, Random, darker, pick, shadow

FACADES: tuple[Colour, ...] = (
    (118, 112, 100), (132, 124, 108), (104, 104, 102), (124, 104, 88), (140, 134, 122), (92, 84, 78), (110, 88, 76),
    (126, 118, 92), (98, 106, 110),
)  # fmt: skip
ROOFS: tuple[Colour, ...] = ((88, 58, 48), (70, 66, 66), (78, 70, 62))


def _span(side: int, depth: float) -> tuple[float, float]:
    return (0.0, depth) if side > 0 else (-depth, 0.0)


def _window_rows(columns: int, floors: int, low: float, wide: float, tall: float) -> Floats:
    """Return windows [N, 4] in shares of a facade, above its lowest share `low`."""
    u = (np.arange(columns) + 0.5) / columns
    v = low + (np.arange(floors) + 0.5) / floors * (0.97 - low)
    across, up = np.meshgrid(u, v)
    half_u, half_v = wide / columns / 2, tall / floors * (0.97 - low) / 2
    edges = np.stack([across - half_u, up - half_v, across + half_u, up + half_v], axis=-1)
    return np.asarray(edges.reshape(-1, 4), np.float32)


def house(random: Random, side: int, length: float, floors: int) -> Mesh:
    """Return a house of `length` metres along the street from z = 0: windows, ground floor, sometimes shops, a roof."""
    label = LABEL["building"]
    paint = pick(random, FACADES, 14)
    floor_height = float(random.uniform(2.9, 3.6))
    high = floors * floor_height + 0.8
    x0, x1 = _span(side, 11.0)
    walls = box(x0, x1, 0, high, 0, length)
    street = walls[3 if side > 0 else 2]
    gable = walls[0]
    parts = [faces(np.stack([gable, street]), paint, label)]
    low = floor_height / high
    shop = floors > 2 and random.random() < 0.45
    base = pick(random, ((66, 62, 58), (84, 76, 66), (58, 62, 66))) if shop else darker(paint, 0.82)
    parts.append(faces(inset(street, (0, 0, 1, low * (0.96 if shop else 0.2))), base, IMAGE_ONLY))
    columns = max(2, int(length / random.uniform(2.3, 3.2)))
    wide, tall = float(random.uniform(0.38, 0.6)), float(random.uniform(0.45, 0.62))
    upper = _window_rows(columns, floors - 1, low, wide, tall) if floors > 1 else np.zeros((0, 4), np.float32)
    if shop:
        lower = _window_rows(max(2, columns // 2), 1, 0.0, 0.82, 0.62) * (1, low, 1, low)
        sign = (0.05, low * 0.84, float(random.uniform(0.4, 0.9)), low * 0.94)
        paints = ((120, 40, 36), (40, 60, 96), (130, 120, 90), (50, 50, 50))
        parts.append(faces(inset(street, sign), pick(random, paints), IMAGE_ONLY))
    else:
        lower = _window_rows(columns, 1, 0.0, wide, tall) * (1, low, 1, low)
        door = int(random.integers(columns))
        lower[door, 1] = 0.0
    windows = np.concatenate([upper, lower]).astype(np.float32)
    if random.random() < 0.6:  # pale surrounds
        frame = np.array([-0.006, -0.006, 0.006, 0.006], np.float32) * (5.0 / floors)
        parts.append(faces(inset(street, upper + frame), darker(paint, 1.22), IMAGE_ONLY))
    tint = random.uniform(0.7, 1.9, (len(windows), 1))
    parts.append(faces(inset(street, windows), np.array(GLASS) * tint, IMAGE_ONLY))
    if random.random() < 0.4:
        few = _window_rows(3, floors, 0.02, 0.26, 0.5)
        parts.append(faces(inset(gable, few), np.array(GLASS) * 1.2, IMAGE_ONLY))
    if random.random() < 0.6:
        ridge = (x0 + 3.5, x1 - 3.5, high + 3.2, 0.3, length - 0.3)
        roof = solid((x0, x1, high - 0.05, 0.0, length), ridge)
        seen = roof[[0, 3 if side > 0 else 2]]
        parts.append(faces(seen, pick(random, ROOFS), label))
        dormers = _window_rows(max(2, columns // 2), 1, 0.0, 0.3, 0.4)
        parts.append(faces(inset(seen[1], dormers), np.array(GLASS) * 1.1, IMAGE_ONLY))
    else:
        parts.append(faces(inset(street, (0, 0.975, 1, 1)), darker(paint, 0.7), IMAGE_ONLY))
    return join(*parts)


def wall(random: Random, side: int, length: float, name: str) -> Mesh:
    """Return a `wall`, `fence` or `guard rail` along the street, `length` metres from z = 0."""
    label = LABEL[name]
    high = {"wall": float(random.uniform(1.4, 3.2)), "fence": 1.15, "guard rail": 0.75}[name]
    x0, x1 = _span(side, 0.25)
    body = box(x0, x1, 0.0 if name != "guard rail" else 0.4, high, 0, length)[[0, 3 if side > 0 else 2]]
    if name == "wall":
        paint = pick(random, ((112, 106, 98), (92, 90, 88), (108, 84, 70)))
        top = inset(body[1], (0, 0.92, 1, 1))
        return join(faces(body, paint, label), faces(top, darker(paint, 0.75), IMAGE_ONLY))
    if name == "guard rail":
        posts = [box(x0, x1, 0, 0.45, z, z + 0.15)[3 if side > 0 else 2] for z in np.arange(0.5, length, 2.0)]
        groove = inset(body[1], (0, 0.38, 1, 0.62))
        return join(
            faces(np.stack(posts), METAL, label),
            faces(body, (136, 140, 140), label),
            faces(groove, (90, 94, 94), IMAGE_ONLY),
        )
    paint = pick(random, ((62, 66, 60), (92, 78, 62), (70, 74, 78)))
    starts = np.arange(0.1, length, 0.4)
    gaps = inset(body[1], [(z / length, 0.12, (z + 0.2) / length, 0.9) for z in starts])
    return join(faces(body, paint, label), faces(gaps, darker(paint, 1.35), IMAGE_ONLY))


def _post(high: float, half: float, label: int, colour: Colour = METAL) -> Mesh:
    halves = np.stack([upright(-half, 0, 0, high), upright(0, half, 0, high)])
    return faces(halves, (colour, darker(colour, 0.75)), label)


def lamp(random: Random, side: int) -> Mesh:
    """Return a street lamp whose arm reaches over the road, class pole."""
    high = float(random.uniform(6.0, 9.0))
    arm = sorted((0.0, -side * 1.6))
    label = LABEL["pole"]
    return join(
        _post(high, 0.08, label),
        faces(upright(arm[0], arm[1], high - 0.12, high), METAL, label),
        faces(upright(-side * 1.9 - 0.35, -side * 1.9 + 0.35, high - 0.18, high + 0.02), (118, 120, 118), label),
    )


def traffic_light(random: Random, side: int) -> Mesh:
    """Return a traffic light on its pole, sometimes with a second one on an arm over the road."""
    high = 3.4
    parts = [_post(high, 0.07, LABEL["pole"])]
    places = [(0.0, high)]
    if random.random() < 0.5:
        parts = [_post(5.8, 0.09, LABEL["pole"])]
        parts.append(faces(upright(min(0.0, -side * 3.6), max(0.0, -side * 3.6), 5.6, 5.75), METAL, LABEL["pole"]))
        places.append((-side * 3.4, 5.9))
    lit = int(random.integers(3))
    for x, top in places:
        parts.append(faces(upright(x - 0.2, x + 0.2, top - 1.05, top, -0.05), (30, 32, 32), LABEL["traffic light"]))
        for lamp_index, colour in enumerate(((220, 50, 40), (230, 170, 50), (70, 210, 130))):
            shown = colour if lamp_index == lit else darker(colour, 0.22)
            parts.append(faces(disc(x, top - 0.2 - 0.32 * lamp_index, -0.06, 0.12, 0.12), shown, IMAGE_ONLY))
    return join(*parts)


def traffic_sign(random: Random) -> Mesh:
    """Return a road sign on its pole: round, triangular, square, or a large one that shows the way."""
    label = LABEL["traffic sign"]
    shape = int(random.integers(5))
    top = float(random.uniform(2.3, 2.9))
    post = _post(top, 0.04, LABEL["pole"])
    if shape == 0:
        plates = [(disc(0, top, -0.02, 0.34, 0.34), (160, 36, 34)), (disc(0, top, -0.03, 0.25, 0.25), (186, 186, 180))]
    elif shape == 1:
        outer = np.array([(-0.45, top - 0.3, -0.02), (0.45, top - 0.3, -0.02), (0, top + 0.48, -0.02)])
        middle = outer.mean(axis=0)
        plates = [(outer, (160, 36, 34)), (middle + (outer - middle) * 0.6, (188, 188, 180))]
    elif shape == 2:
        plates = [(upright(-0.32, 0.32, top - 0.32, top + 0.32), (40, 72, 140))]
        plates.append((upright(-0.15, 0.15, top - 0.2, top + 0.2), (188, 188, 184)))
    elif shape == 3:
        plates = [(disc(0, top, -0.02, 0.34, 0.34), (46, 78, 150))]
        plates.append((upright(-0.22, 0.22, top - 0.06, top + 0.06), (190, 190, 186)))
    else:
        plates = [(upright(-1.1, 1.1, top - 0.4, top + 0.9), (170, 150, 60))]
        plates.append((upright(-0.9, 0.6, top + 0.1, top + 0.3), (40, 40, 36)))
        plates.append((upright(-0.9, 0.3, top - 0.2, top), (40, 40, 36)))
    first, *rest = plates
    return join(post, faces(first[0], first[1], label), *(faces(points, colour, IMAGE_ONLY) for points, colour in rest))


def clutter(random: Random) -> Mesh:
    """Return what is found on pavements: bins (dynamic), columns and boxes (unlabelled), or bollards (pole)."""
    kind = int(random.integers(5))
    if kind < 2:
        paint = pick(random, ((44, 48, 46), (60, 74, 50), (92, 80, 40), (46, 56, 80)))
        body = solid((-0.28, 0.28, 0.0, -0.28, 0.28), (-0.33, 0.33, 1.0, -0.33, 0.33))
        parts = [shadow(-0.3, 0.3, -0.3, 0.3), faces(body, paint, LABEL["dynamic"])]
        return join(*parts, faces(inset(body[0], (0, 0.85, 1, 1)), darker(paint, 0.6), IMAGE_ONLY))
    if kind == 2:
        column = np.stack([upright(-0.65, 0.0, 0, 3.0), upright(0.0, 0.65, 0, 3.0)])
        poster = upright(-0.45, 0.4, 0.9, 2.5)
        paint = pick(random, ((104, 104, 100), (84, 92, 84)))
        posters = ((150, 120, 60), (70, 90, 140), (150, 60, 60))
        return join(
            faces(column, (paint, darker(paint, 0.8)), LABEL["unlabelled"]),
            faces(poster, pick(random, posters), IMAGE_ONLY),
        )
    if kind == 3:
        body = box(-0.5, 0.5, 0.0, 1.2, -0.2, 0.2)
        return join(shadow(-0.5, 0.5, -0.2, 0.2), faces(body, (112, 114, 108), LABEL["unlabelled"]))
    return join(*(_offset(_post(0.95, 0.06, LABEL["pole"], (66, 68, 68)), z) for z in (6.0, 4.5, 3.0, 1.5, 0.0)))


def _offset(mesh: Mesh, z: float) -> Mesh:
    mesh["points"][..., 2] += z
    return mesh


def bridge(random: Random, half_road: float) -> Mesh:
    """Return a bridge across the street, with its pillars, 8 m along the street."""
    low = float(random.uniform(5.0, 6.5))
    paint = pick(random, ((112, 110, 104), (96, 88, 80)))
    deck = box(-60, 60, low, low + 1.6, 0, 8)
    rail = inset(box(-60, 60, low + 1.6, low + 2.6, 0, 8)[0], (0, 0, 1, 1))
    pillars = [box(x - 0.6, x + 0.6, 0, low, 1, 7)[[0, 2, 3]] for x in (-half_road - 1.2, half_road + 1.2)]
    label = LABEL["bridge"]
    return join(
        faces(np.concatenate(pillars), darker(paint, 0.85), label),
        faces(deck[[5, 0]], (darker(paint, 0.5), paint), label),
        faces(rail, darker(paint, 0.7), label),
        faces(inset(deck[0], (0, 0.85, 1, 1)), darker(paint, 0.75), IMAGE_ONLY),
    )


def tunnel(half: float, length: float, portal: bool) -> Mesh:
    """Return `length` metres of tunnel, `half` metres wide either side, with its portal at z = 0 if asked."""
    high, label = 5.2, LABEL["tunnel"]
    inside = box(-half, half, 0, high, 0, length)
    looking_in = inside[[2, 3, 4]][:, [1, 0, 3, 2]]
    lights = inset(looking_in[2], [(0.3, v, 0.34, v + 0.1) for v in (0.1, 0.4, 0.7)])
    parts = [
        faces(looking_in, ((62, 60, 56), (62, 60, 56), (44, 43, 41)), label),
        faces(lights, (210, 200, 160), IMAGE_ONLY),
    ]
    if portal:
        front = np.stack([upright(-70, -half, 0, 9.0), upright(half, 70, 0, 9.0), upright(-half, half, high, 9.0)])
        parts += [faces(front, (104, 100, 94), label), faces(upright(-70, 70, 8.5, 9.0), (80, 78, 74), IMAGE_ONLY)]
        slope = faces(upright(-70, 70, 9.0, 13.0), (58, 70, 46), LABEL["vegetation"])
        parts.append(slope)
    return join(*parts)
