"""All that stands and moves along one endless street, a function of the seed.

Everything rides on belts: rows of cells along z that move at one speed. A belt's cell is filled from the seed and the
cell's number alone, so the world never runs empty, nothing on one belt runs into its neighbour, and what is seen at
one time does not depend on what was seen before.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from segdata.synth.blocks import BLOCK, block
from segdata.synth.faces import Mesh, join, place, stock
from segdata.synth.living import cycle, person
from segdata.synth.paint import Random
from segdata.synth.street import Side, Street
from segdata.synth.vehicles import bus, car, caravan, trailer, tram, truck

CAMERA_SPEED = 12.0
"""Metres a second at which the camera drives."""
_CELL_ZERO = 2**31  # seeds are not negative, cells may be
_KEPT_CELLS = 32  # of one belt; far more than are ever in view

Fill = Callable[[Random, int], Mesh]
"""Makes the cell of a number; its z counts from the cell's start."""


@dataclass(frozen=True)
class Belt:
    """A row of cells of `pitch` metres that moves at `speed` metres a second along z."""

    speed: float
    pitch: float
    seed: tuple[int, int]
    fill: Fill
    _cells: dict[int, Mesh] = field(default_factory=dict)

    def cell(self, index: int) -> Mesh:
        """Return the faces of cell `index`, to be copied, not changed; z counts from the cell's start."""
        if index not in self._cells:
            if len(self._cells) >= _KEPT_CELLS:
                self._cells.clear()
            self._cells[index] = self.fill(np.random.default_rng((*self.seed, index + _CELL_ZERO)), index)
        return self._cells[index]


def belts(seed: int, street: Street) -> list[Belt]:
    """Return the belts of one world: all that stands, then lanes, trams, pavements and cycle lanes."""
    random = np.random.default_rng((seed, 1))
    oncoming = -float(random.uniform(8, 13))
    made: list[Belt] = []

    def add(speed: float, pitch: float, fill: Fill) -> None:
        made.append(Belt(speed, pitch, (seed, 10 + len(made)), fill))

    add(0.0, BLOCK, lambda random, index: block(street, random, index))
    # What drives ahead in the camera's own lane keeps its distance.
    add(CAMERA_SPEED, 26.0, _lane(street, street.camera_x, False, first=0))
    for k in range(street.lanes):
        add(oncoming - 2 * k, 24.0, _lane(street, -street.median / 2 - street.lane_width * (k + 0.5), True))
    if street.lanes == 2:
        add(CAMERA_SPEED + 2.5, 24.0, _lane(street, street.median / 2 + street.lane_width / 2, False))
    if street.tracks:
        add(9.0, 70.0, _trams(1.85, False))
        add(-9.0, 70.0, _trams(-1.85, True))
    for side in (street.left, street.right):
        add(1.3, 24.0, _walkers(street, side))
        add(-1.2, 24.0, _walkers(street, side))
        add(4.5 * side.way, 30.0, _riders(side))
    return made


def _lane(street: Street, x: float, oncoming: bool, first: int | None = None) -> Fill:
    turn = math.pi if oncoming else 0.0

    def fill(random: Random, index: int) -> Mesh:
        if random.random() > street.traffic or (first is not None and index < first):
            return join()
        z, at = float(random.uniform(11.0, 14.0)), x + float(random.normal(0, 0.15))
        kind = random.random()
        if kind < 0.74:
            return place(stock(random, car, variants=48), at, z, turn)
        if kind < 0.83:
            return place(stock(random, truck, oncoming), at, z, turn)
        if kind < 0.89:
            return place(stock(random, bus, variants=6), at, z, turn)
        if kind < 0.94:
            return place(stock(random, cycle, "motorcycle", True), at, z, turn)
        tow, ahead = (caravan, 5.4) if kind < 0.97 else (trailer, 3.4)
        front = place(stock(random, car), at, z - ahead if oncoming else z + ahead, turn)
        towed = place(stock(random, tow, variants=4), at, z, turn)
        return join(towed, front) if oncoming else join(front, towed)

    return fill


def _trams(x: float, oncoming: bool) -> Fill:
    def fill(random: Random, index: int) -> Mesh:
        if random.random() > 0.45:
            return join()
        turn, z = (math.pi, 42.0) if oncoming else (0.0, 16.0)
        return place(stock(random, tram, variants=4), x, z, turn)

    return fill


def _walkers(street: Street, side: Side) -> Fill:
    def fill(random: Random, index: int) -> Mesh:
        people = []
        for _ in range(int(random.binomial(5, street.crowd * 0.5))):
            x, z = float(random.uniform(side.verge + 0.3, side.pavement - 0.2)), float(random.uniform(0, 24))
            people.append(place(stock(random, person, True, variants=60), side.way * x, z))
        return join(*people)

    return fill


def _riders(side: Side) -> Fill:
    def fill(random: Random, index: int) -> Mesh:
        if random.random() > 0.35:
            return join()
        x = side.way * (side.road - float(random.uniform(0.4, 0.7)))
        name = "bicycle" if random.random() < 0.8 else "motorcycle"
        turn = 0.0 if side.way > 0 else math.pi
        return place(stock(random, cycle, name, True), x, float(random.uniform(8, 20)), turn)

    return fill
