"""The plan of a street: how wide its parts are, what ground they have, how it bends, and how busy it is."""

import math
from dataclasses import dataclass

import numpy as np

from segdata.synth.faces import LABEL
from segdata.synth.paint import Colour, Random, pick

LINE_PAINT: Colour = (150, 152, 148)


@dataclass(frozen=True)
class Strip:
    """A band of ground along the street, from x0 to x1 metres."""

    x0: float
    x1: float
    colour: Colour
    label: int


@dataclass(frozen=True)
class Side:
    """How far from the middle of the street, in metres, each part of one side ends."""

    way: int  # +1 right, -1 left
    road: float
    parking: float
    verge: float
    pavement: float
    front: float  # the line of the facades
    barrier: str  # between road and pavement: "", "fence" or "guard rail"


class Street:
    """The plan of the street of one seed."""

    def __init__(self, seed: int) -> None:
        random = np.random.default_rng((seed, 0))
        self.lanes = int(random.choice((1, 1, 2)))  # each way
        self.lane_width = float(random.uniform(3.0, 3.5))
        self.tracks = random.random() < 0.16
        self.median = 7.0 if self.tracks else float(random.choice((0.0, 0.0, 0.0, 3.0)))
        self.green_median = random.random() < 0.6
        self.greenness = float(random.uniform(0.25, 1.0))  # how often trees stand instead of houses
        self.floors = int(random.integers(3, 8))
        self.crowd = float(random.uniform(0.2, 1.0))
        self.traffic = float(random.uniform(0.2, 0.8))
        self.parked = float(random.uniform(0.25, 0.75))
        self.tunnel_at = int(random.integers(2, 40)) if random.random() < 0.25 else None  # block where one begins
        self.bend = float(random.uniform(-7, 7))  # metres the street swings to either side
        self.bend_length = float(random.uniform(240, 420))
        self.bend_start = float(random.uniform(0, 2 * math.pi))
        self.left, self.right = self._side(random, -1), self._side(random, 1)
        self.camera_x = self.median / 2 + self.lane_width * (self.lanes - 0.5)
        self.asphalt = pick(random, ((82, 84, 84), (92, 92, 90), (74, 77, 80)))
        self.strips = self._strips(random)

    def _side(self, random: Random, way: int) -> Side:
        road = self.median / 2 + self.lanes * self.lane_width
        parking = road + (2.3 if random.random() < 0.6 else 0.0)
        verge = parking + (float(random.uniform(1.0, 2.5)) if random.random() < 0.35 else 0.0)
        pavement = verge + float(random.uniform(2.0, 4.0))
        front = pavement + (float(random.uniform(1.5, 5.0)) if random.random() < 0.35 else 0.0)
        barrier = str(random.choice(("", "", "", "fence", "guard rail"))) if parking == road else ""
        return Side(way, road, parking, verge, pavement, front, barrier)

    def _strips(self, random: Random) -> list[Strip]:
        """Return the ground in the order in which it is painted."""
        paving = pick(random, ((116, 112, 108), (106, 104, 104), (122, 114, 104)))
        grass = pick(random, ((86, 94, 60), (78, 88, 56)))
        strips = [Strip(-900, 900, grass, LABEL["terrain"])]
        for side in (self.left, self.right):
            yard, yard_name = ((grass, "terrain"), (paving, "sidewalk"), (pick(random, ((112, 106, 94),)), "ground"))[
                int(random.choice((0, 0, 1, 2)))
            ]
            bay = "parking" if random.random() < 0.6 else "road"
            for near, far, colour, name in (
                (side.pavement, side.front + 12.0, yard, yard_name),
                (side.verge, side.pavement, paving, "sidewalk"),
                (side.parking, side.verge, grass, "terrain"),
                (side.road, side.parking, pick(random, ((96, 92, 90), (84, 84, 84))), bay),
                (side.parking, side.parking + 0.18, (136.0, 134.0, 128.0), "sidewalk"),  # the kerb
            ):
                if far > near:
                    x0, x1 = sorted((side.way * near, side.way * far))
                    strips.append(Strip(x0, x1, colour, LABEL[name]))
        strips.append(Strip(-self.left.road, self.right.road, self.asphalt, LABEL["road"]))
        strips += self._median(grass)
        for side in (self.left, self.right):
            x = side.way * (side.road - 0.2)
            strips.append(Strip(x - 0.06, x + 0.06, LINE_PAINT, LABEL["road"]))
        return strips

    def _median(self, grass: Colour) -> list[Strip]:
        if not self.median:
            return []
        half = self.median / 2
        if not self.tracks:
            inner = Strip(-half + 0.2, half - 0.2, grass, LABEL["terrain"])
            island = Strip(-half, half, (120.0, 117.0, 112.0), LABEL["ground"])
            return [island, inner] if self.green_median else [island]
        label = LABEL["rail track"]
        rails = [Strip(x - 0.05, x + 0.05, (62.0, 58.0, 56.0), label) for x in (-2.6, -1.1, 1.1, 2.6)]
        return [Strip(-half, half, (98.0, 92.0, 86.0), label), *rails]

    def middle(self, z: float) -> float:
        """Return how far right the middle of the street lies at `z`, in metres."""
        return self.bend * math.sin(z / self.bend_length * 2 * math.pi + self.bend_start)
