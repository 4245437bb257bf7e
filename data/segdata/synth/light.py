"""Light, weather and surfaces of synthetic scenes: what changes colours and moves no edge."""

import math
from functools import cache

import cv2
import numpy as np
import numpy.typing as npt

from segdata.synth.faces import LABEL, Floats

Bytes = npt.NDArray[np.uint8]
Random = np.random.Generator

TEXTURE_SIDE = 512
"""Texels along each side of the ground's texture, which repeats."""
NOISE_SIDE = 251
"""Pixels along each side of the noise, which repeats; a prime, so that it repeats in step with nothing else."""


class Light:
    """The light and weather of one world."""

    def __init__(self, random: Random) -> None:
        gain = float(random.uniform(0.8, 1.2))
        warmth = float(random.uniform(-0.06, 0.06))
        self.tint = np.array((1 + warmth, 1.0, 1 - warmth), np.float32) * np.float32(gain)
        self.sunny = float(random.uniform(0.0, 0.45))  # share of the light that comes from one side
        angle = float(random.uniform(0, 2 * math.pi))
        sun = np.array((math.cos(angle), 0.9, math.sin(angle)), np.float32)
        self.sun = sun / np.float32(np.linalg.norm(sun))
        self.clear = float(random.uniform(120, 600))  # metres at which haze has taken two thirds
        self.blue = float(random.uniform(0, 1)) * (0.5 + self.sunny)
        self.haze = np.array((204, 210, 210), np.float32) * np.float32(0.55 + 0.4 * gain)

    def shade(self, colours: Floats, points: Floats) -> Floats:
        """Return RGB `colours` [N, 3] as light falls on faces with corners `points` [N, 8, 3], in metres."""
        normal = np.cross(points[:, 1] - points[:, 0], points[:, 2] - points[:, 0])
        length = np.linalg.norm(normal, axis=1) + np.float32(1e-6)
        facing = np.clip((normal @ -self.sun) / length, 0, 1)
        lit = colours * self.tint * (1 - self.sunny + 2.2 * self.sunny * facing)[:, None]
        return self.through_haze(lit, points[:, :, 2].mean(axis=1)[:, None])

    def through_haze(self, colours: Floats, metres: npt.NDArray[np.float32]) -> Floats:
        """Return `colours` [..., 3] as seen from `metres` [..., 1] away, 0 to 255."""
        taken = 1 - np.exp(-np.minimum(metres, 160.0) / np.float32(self.clear))
        return np.asarray(np.clip(colours * (1 - taken) + self.haze * taken, 0, 255), np.float32)


def cloud_noise(random: Random, height: int, width: int, first: int, octaves: int) -> Floats:
    """Return smooth noise [height, width], about -1 to 1; the coarsest of its `octaves` has `first` waves across."""
    total = np.zeros((height, width), np.float32)
    for k in range(octaves):
        across = first * 2**k
        down = max(2, across * height // width)
        coarse = random.uniform(-1, 1, (down + 1, across + 1)).astype(np.float32)
        total += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC) * np.float32(0.5**k)
    return total


def panorama(random: Random, light: Light, height: int, width: int, horizon: float) -> tuple[Bytes, Bytes]:
    """Return the background, too far to come nearer: image RGB [height, width, 3] and labels [height, width].

    A sky with clouds, and below `horizon` (a row) a far line of trees and roofs.
    """
    blue = light.blue
    zenith = np.array((212 - 90 * blue, 220 - 58 * blue, 222 - 14 * blue), np.float32)
    rows = min(height, math.ceil(horizon) + 1)
    up = (np.arange(rows, dtype=np.float32) / max(horizon, 1.0)).clip(0, 1)[:, None, None]
    clouds = cloud_noise(random, rows, width, 4, 4)[:, :, None]
    cover = np.clip(clouds * (0.5 + blue) + 0.2, 0, 1) * 0.75
    sky = zenith * (1 - up) + np.array((230, 233, 230), np.float32) * up
    sky = sky + cover * (np.array((236, 237, 236), np.float32) - sky)
    sky -= 14 * (1 - blue) * clouds
    image = np.zeros((height, width, 3), np.uint8)
    image[:rows] = np.clip(sky * (0.82 + 0.18 * light.tint), 0, 255)
    labels = np.full((height, width), LABEL["sky"], np.uint8)
    at = 0
    while at < width:
        wide = int(width * random.uniform(0.015, 0.06)) + 1
        woods = random.random() < 0.5
        base = random.uniform(0.02, 0.06) * height
        rough = random.uniform(0.8, 1.2, wide) if woods else np.ones(wide)
        plain = np.array((62, 76, 52)) if woods else random.uniform(84, 120) + np.array((6, 0, -8))
        colour = light.through_haze(plain.astype(np.float32) * light.tint, np.full(1, 110, np.float32))
        for column in range(at, min(at + wide, width)):
            top = int(horizon - base * rough[column - at])
            image[top:, column] = colour
            labels[top:, column] = LABEL["vegetation" if woods else "building"]
        at += wide
    return image, labels


@cache
def ground_texture() -> Floats:
    """Return brightness factors [TEXTURE_SIDE, TEXTURE_SIDE] of asphalt: grain and stains, about 0.8 to 1.2."""
    random = np.random.default_rng(0)
    grain = random.normal(0, 0.055, (TEXTURE_SIDE, TEXTURE_SIDE)).astype(np.float32)
    stains = cloud_noise(random, TEXTURE_SIDE, TEXTURE_SIDE, 6, 3) * np.float32(0.06)
    return np.asarray(1 + grain + stains, np.float32)


@cache
def _unit_noise() -> Floats:
    return np.random.default_rng(1).standard_normal((NOISE_SIDE, NOISE_SIDE, 3), dtype=np.float32)


def sensor_noise(strength: float, height: int, width: int) -> npt.NDArray[np.int16]:
    """Return noise of standard deviation `strength` in grey levels, NOISE_SIDE larger than [height, width] both ways.

    Each frame takes a window of it at a random place.
    """
    tile = np.rint(_unit_noise() * np.float32(strength)).astype(np.int16)
    again = (math.ceil(height / NOISE_SIDE) + 1, math.ceil(width / NOISE_SIDE) + 1, 1)
    return np.tile(tile, again)
