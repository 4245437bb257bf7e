"""Everything along one block of a street: houses, trees, poles, parked vehicles, crossings, sometimes a bridge."""

import math

import numpy as np

from segdata.synth.built import bridge, clutter, house, lamp, traffic_light, traffic_sign, tunnel, wall
from segdata.synth.faces import IMAGE_ONLY, LABEL, Mesh, faces, flat, join, lying, place, stock
from segdata.synth.living import cycle, hedge, person, tree
from segdata.synth.paint import Random, pick
from segdata.synth.street import LINE_PAINT, Side, Street
from segdata.synth.vehicles import car, caravan, trailer

BLOCK = 24.0
"""Metres of street in one block."""
_TUNNEL_BLOCKS = 3


def block(street: Street, random: Random, index: int) -> Mesh:
    """Return all that stands along block `index`; z counts from its start."""
    begin = street.tunnel_at
    if begin is not None and begin <= index < begin + _TUNNEL_BLOCKS:
        half = max(street.left.pavement, street.right.pavement)
        return place(tunnel(half, BLOCK, index == begin), 0, 0, depth=BLOCK)
    crossing = random.random() < 0.16
    parts = [_markings(street, random)]
    if crossing:
        parts.append(_crossing(street, random))
    elif random.random() < 0.05:
        parts.append(place(bridge(random, max(street.left.pavement, street.right.pavement)), 0, 8, depth=16))
    for side in (street.left, street.right):
        parts += _back(street, random, side, crossing)
        parts += _pavement(street, random, side, crossing)
        if side.parking > side.road and not crossing:
            parts += _parked(street, random, side)
    if street.median and not street.tracks and street.green_median and random.random() < 0.6:
        parts.append(place(stock(random, tree, 4.0, 7.0), 0, float(random.uniform(2, 20))))
    return join(*parts)


def _markings(street: Street, random: Random) -> Mesh:
    lines = [] if street.median else [0.0]
    for k in range(1, street.lanes):
        lines += [street.median / 2 + k * street.lane_width, -street.median / 2 - k * street.lane_width]
    dashes = [flat(x - 0.07, x + 0.07, z, z + 4.0) for x in lines for z in (2.0, 10.0, 18.0)]
    patches = []  # of patched asphalt
    for _ in range(int(random.integers(0, 4))):
        x, z = float(random.uniform(-street.left.road + 1, street.right.road - 1.5)), float(random.uniform(0, 20))
        if abs(x) > street.median / 2 + 1.3:
            patches.append(flat(x, x + float(random.uniform(0.5, 1.2)), z, z + float(random.uniform(0.6, 4))))
    parts = []
    if patches:
        parts.append(faces(np.stack(patches), pick(random, ((70, 71, 72), (90, 90, 88))), IMAGE_ONLY))
    if dashes:
        parts.append(faces(np.stack(dashes), LINE_PAINT, IMAGE_ONLY))
    return lying(join(*parts))


def _crossing(street: Street, random: Random) -> Mesh:
    road = faces(flat(-90, 90, 8, 16), street.asphalt, LABEL["road"])
    middle = street.median / 2
    starts = np.arange(-street.left.road + 0.4, street.right.road - 0.6, 1.0)
    bars = [flat(x, x + 0.5, 3.0, 6.0) for x in starts if min(abs(x), abs(x + 0.5)) > middle]
    stop = flat(middle + 0.2, street.right.road - 0.3, 1.2, 1.7)
    parts = [lying(join(road, faces(np.stack([*bars, stop]), LINE_PAINT, IMAGE_ONLY)))]
    for side in (street.left, street.right):
        if random.random() < 0.75:
            light = stock(random, traffic_light, side.way, variants=9)
            parts.append(place(light, side.way * (side.parking + 0.5), 2.4))
        if random.random() < 0.6:  # a car waits in the side street
            x, z = side.way * (side.pavement + 6), 12 + 1.8 * side.way
            parts.append(place(stock(random, car), x, z, -side.way * math.pi / 2))
    for _ in range(int(random.integers(0, 4) * street.crowd + 0.5)):
        x = float(random.uniform(-street.left.road, street.right.road))
        if abs(x - street.camera_x) > 1.6:
            parts.append(place(stock(random, person, True), x, 4.5))
    return join(*parts)


def _back(street: Street, random: Random, side: Side, crossing: bool) -> list[Mesh]:
    """Return what closes one side of a block: houses, or trees behind a wall, fence or hedge."""
    spans = [(0.0, 12.0), (12.0, 24.0)] if random.random() < 0.5 else [(0.0, 24.0)]
    parts = []
    for start, end in [(18.0, 24.0)] if crossing else spans:
        length, x = end - start, side.way * side.front
        if random.random() > street.greenness * 0.75:
            floors = max(1, street.floors + int(random.integers(-1, 2)))
            gap = 0.0 if random.random() < 0.7 else 3.0
            home = stock(random, house, side.way, length - gap, floors, variants=8)
            parts.append(place(home, x, start, depth=end, light=float(random.uniform(0.85, 1.15))))
            continue
        for away, share in ((7.0, 0.8), (9.0, 0.4), (4.0, 0.6), (4.5, 0.15)):
            grown = stock(random, tree, 6.0, 13.0, variants=40)
            parts.append(place(grown, x + side.way * away, start + share * length, depth=end + 0.1 * away))
        name = ("wall", "fence", "hedge")[int(random.integers(3))]
        if name == "hedge":
            parts.append(place(stock(random, hedge, length, variants=6), x + side.way * 0.6, start, depth=end))
        else:
            parts.append(place(stock(random, wall, side.way, length, name, variants=6), x, start, depth=end))
    return parts


def _pavement(street: Street, random: Random, side: Side, crossing: bool) -> list[Mesh]:
    kerb = side.way * (side.parking + (0.8 if side.verge > side.parking else 0.5))
    low, high = (19.0, 23.5) if crossing else (0.5, 23.5)
    parts = []

    def somewhere() -> float:
        return float(random.uniform(low, high))

    if not crossing:
        for _ in range(2):
            if random.random() < street.greenness * 0.7:
                parts.append(place(stock(random, tree, 5.0, 10.0, variants=40), kerb, somewhere()))
    if random.random() < 0.4:
        parts.append(place(stock(random, lamp, side.way, variants=6), kerb, somewhere()))
    if random.random() < 0.5:
        parts.append(place(stock(random, traffic_sign), kerb, somewhere()))
    if random.random() < 0.4:
        parts.append(place(stock(random, clutter), kerb, somewhere()))
    if random.random() < 0.2:
        z = somewhere()
        for k in range(int(random.integers(1, 4))):
            name = "bicycle" if random.random() < 0.7 else "motorcycle"
            lean = math.pi / 2 + float(random.normal(0, 0.25))
            parts.append(place(stock(random, cycle, name, False), kerb - 0.8 + side.way * 0.6, z + 0.8 * k, lean))
    if random.random() < street.crowd * 0.5:
        x = side.way * float(random.uniform(side.verge + 0.5, side.pavement))
        parts.append(place(stock(random, person, False, variants=60), x, somewhere()))
    if side.barrier and not crossing:
        rail = stock(random, wall, side.way, 2.0, side.barrier, variants=1)
        parts += [place(rail, side.way * (side.road + 0.3), z) for z in range(0, int(BLOCK), 2)]
    return parts


def _parked(street: Street, random: Random, side: Side) -> list[Mesh]:
    parts = []
    turn = 0.0 if side.way > 0 else math.pi
    for k in range(4):
        if random.random() < street.parked:
            z = 6.0 * k + float(random.uniform(0.2, 0.9)) + (0 if side.way > 0 else 4.4)
            kind = random.random()
            thing = stock(random, caravan if kind < 0.03 else trailer if kind < 0.06 else car, variants=48)
            parts.append(place(thing, side.way * (side.road + 1.2), z, turn))
    return parts
