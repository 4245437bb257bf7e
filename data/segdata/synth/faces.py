"""Flat faces in space, the one thing synthetic worlds are made of, and the few solids that are built from them.

Axes, in metres: x to the right, y up from the ground, z forward. A face is seen only from the side on which its
corners run anticlockwise.
"""

import math
import zlib
from collections.abc import Callable, Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from segdata.labels import CITYSCAPES_29

Floats = npt.NDArray[np.float32]
Mesh = npt.NDArray[np.void]
"""Records of type `FACE`, in the order in which they are painted within one thing."""

CORNERS = 8
_FOOT_HEIGHT = 1.0
_ANYWHERE = 1e6
LABEL = {name: class_id for class_id, name in enumerate(CITYSCAPES_29.names)}
IMAGE_ONLY = 254
"""Label of a detail on a thing, such as a window: it keeps the label beneath it."""
SHADOW = 253
"""Label of a shadow on the ground: it darkens the image and keeps the label beneath it."""
GROUND, UPRIGHT = 0, 1
"""Layers: what lies flat is painted before all that stands."""

FACE = np.dtype(
    [
        ("points", np.float32, (CORNERS, 3)),
        ("corners", np.int32),
        ("colour", np.float32, (3,)),
        ("label", np.uint8),
        ("layer", np.uint8),
        ("foot", np.float32, (4,)),  # x0, x1, z0, z1 of the ground its thing stands on; the farthest is painted first
        ("sway", np.float32),  # metres that the lowest point swings sideways in a walker's step
    ]
)

_ANGLES = np.arange(CORNERS) * (2 * math.pi / CORNERS)
COSINE = np.cos(_ANGLES).astype(np.float32)
SINE = np.sin(_ANGLES).astype(np.float32)


def faces(points: npt.ArrayLike, colour: npt.ArrayLike, label: int, sway: float = 0.0) -> Mesh:
    """Return faces with corners `points` [N, 3..8, 3] or [3..8, 3], and colours RGB [3] or [N, 3], 0 to 255."""
    corners = np.asarray(points, dtype=np.float32)
    if corners.ndim == 2:
        corners = corners[None]
    count = corners.shape[1]
    mesh = np.zeros(len(corners), dtype=FACE)
    mesh["points"][:, :count] = corners
    mesh["points"][:, count:] = corners[:, -1:]
    mesh["corners"], mesh["colour"], mesh["label"], mesh["sway"] = count, colour, label, sway
    mesh["layer"] = UPRIGHT
    return mesh


def solid(low: Sequence[float], high: Sequence[float]) -> Floats:
    """Return the faces [6, 4, 3] of a solid between two level rectangles (x0, x1, y, z0, z1).

    Order: facing -z (the camera), +z, +x, -x, up, down.
    """
    a0, a1, ay, a2, a3 = low
    b0, b1, by, b2, b3 = high
    bottom = [(a0, ay, a2), (a1, ay, a2), (a1, ay, a3), (a0, ay, a3)]
    top = [(b0, by, b2), (b1, by, b2), (b1, by, b3), (b0, by, b3)]
    return np.asarray(np.array(bottom + top, dtype=np.float32)[_SOLID], np.float32)


_SOLID = np.array([[0, 1, 5, 4], [2, 3, 7, 6], [1, 2, 6, 5], [3, 0, 4, 7], [4, 5, 6, 7], [3, 2, 1, 0]])


def box(x0: float, x1: float, y0: float, y1: float, z0: float, z1: float) -> Floats:
    """Return the faces [6, 4, 3] of a box, in the order of `solid`."""
    return solid((x0, x1, y0, z0, z1), (x0, x1, y1, z0, z1))


def upright(x0: float, x1: float, y0: float, y1: float, z: float = 0.0) -> Floats:
    """Return a rectangle [4, 3] that looks at the camera."""
    return np.array([(x0, y0, z), (x1, y0, z), (x1, y1, z), (x0, y1, z)], dtype=np.float32)


def flat(x0: float, x1: float, z0: float, z1: float, y: float = 0.0) -> Floats:
    """Return a level rectangle [4, 3] that looks up."""
    return np.array([(x0, y, z0), (x1, y, z0), (x1, y, z1), (x0, y, z1)], dtype=np.float32)


def inset(face: Floats, rectangles: npt.ArrayLike) -> Floats:
    """Return parts [N, 4, 3] of a four-cornered `face` [4, 3].

    A rectangle (u0, v0, u1, v1) is in shares of the face: u from its left to its right, v from bottom to top.
    """
    part = np.atleast_2d(np.asarray(rectangles, dtype=np.float32))
    u = part[:, [0, 2, 2, 0], None]
    v = part[:, [1, 1, 3, 3], None]
    return np.asarray((1 - v) * ((1 - u) * face[0] + u * face[1]) + v * ((1 - u) * face[3] + u * face[2]), np.float32)


def disc(x: float, y: float, z: float, radius_x: float, radius_y: float) -> Floats:
    """Return an eight-cornered disc [8, 3] that looks at the camera."""
    return np.stack([x + radius_x * COSINE, y + radius_y * SINE, np.full(CORNERS, z, np.float32)], axis=1)


def wheel(x: float, radius: float, z: float, right: bool) -> Floats:
    """Return a standing disc [8, 3] on the side of a thing, looking right (+x) or left, its foot on the ground."""
    way = 1.0 if right else -1.0
    return np.stack(
        [np.full(CORNERS, x, np.float32), radius + radius * SINE, z + way * radius * COSINE], axis=1
    ).astype(np.float32)


def inside_out(mesh: Mesh) -> Mesh:
    """Return a copy whose faces are seen from their other side."""
    turned = mesh.copy()
    for face in turned:
        count = int(face["corners"])
        face["points"][:count] = face["points"][:count][::-1].copy()
        face["points"][count:] = face["points"][count - 1]
    return turned


def join(*meshes: Mesh) -> Mesh:
    """Return all faces as one mesh, painted in the order given."""
    joined = np.empty(sum(map(len, meshes)), dtype=FACE)  # ten times as fast as np.concatenate on records
    at = 0
    for mesh in meshes:
        joined[at : at + len(mesh)] = mesh
        at += len(mesh)
    return joined


@cache
def _made(make: Callable[..., Mesh], variant: int, arguments: tuple[object, ...]) -> Mesh:
    mesh = make(np.random.default_rng((zlib.crc32(make.__name__.encode()), variant)), *arguments)
    standing = mesh["points"][mesh["layer"] == UPRIGHT].reshape(-1, 3)
    low = standing[standing[:, 1] < _FOOT_HEIGHT]  # arms and crowns reach further, but stand on nothing
    mesh["foot"] = low[:, 0].min(), low[:, 0].max(), low[:, 2].min(), low[:, 2].max()
    mesh.flags.writeable = False
    return mesh


def stock(random: np.random.Generator, make: Callable[..., Mesh], *arguments: object, variants: int = 24) -> Mesh:
    """Return one of `variants` things made by `make(random, *arguments)`, to be placed, not changed.

    Worlds draw on one stock because making a thing takes far longer than placing it.
    """
    return _made(make, int(random.integers(variants)), arguments)


def place(mesh: Mesh, x: float, z: float, turn: float = 0.0, depth: float | None = None, light: float = 1.0) -> Mesh:
    """Return a copy of `mesh` turned by `turn` radians about its origin, which is moved to (x, z).

    It is painted in the order of its foot's distance from the camera, or as if it lay straight ahead at `depth`.
    `light` multiplies its colours.
    """
    placed = mesh.copy()
    points = placed["points"]
    x0, x1, z0, z1 = mesh["foot"][0].tolist() if len(mesh) else (0, 0, 0, 0)
    if turn:
        cosine, sine = math.cos(turn), math.sin(turn)
        across, along = mesh["points"][..., 0], mesh["points"][..., 2]
        points[..., 0] = cosine * across + sine * along
        points[..., 2] = cosine * along - sine * across
        foot_x = [cosine * a + sine * b for a in (x0, x1) for b in (z0, z1)]
        foot_z = [cosine * b - sine * a for a in (x0, x1) for b in (z0, z1)]
        x0, x1, z0, z1 = min(foot_x), max(foot_x), min(foot_z), max(foot_z)
    points += np.array((x, 0, z), np.float32)
    placed["foot"] = (x0 + x, x1 + x, z0 + z, z1 + z) if depth is None else (-_ANYWHERE, _ANYWHERE, depth, depth)
    if light != 1.0:
        placed["colour"] *= np.float32(light)
    return placed


def lying(mesh: Mesh) -> Mesh:
    """Return `mesh` as part of the ground, painted before all that stands."""
    mesh["layer"] = GROUND
    return mesh
