"""Colours, as on an overcast day, and the shadow that a thing casts."""

import numpy as np

from segdata.synth.faces import SHADOW, Mesh, faces, flat, lying

Colour = tuple[float, float, float]
"""Red, green, blue; 0 to 255."""
Random = np.random.Generator

GLASS: Colour = (38, 44, 48)
METAL: Colour = (88, 92, 92)
TYRE: Colour = (22, 22, 23)


def pick(random: Random, choices: tuple[Colour, ...], spread: float = 6.0) -> Colour:
    """Return one of `choices`, a little changed."""
    red, green, blue = choices[int(random.integers(len(choices)))]
    change = float(random.uniform(-spread, spread))
    return red + change, green + change, blue + change


def darker(colour: Colour, share: float) -> Colour:
    """Return `colour` times `share`."""
    return colour[0] * share, colour[1] * share, colour[2] * share


def shadow(x0: float, x1: float, z0: float, z1: float) -> Mesh:
    """Return a soft-edged shadow on the ground: two rectangles, one within the other."""
    rectangles = [flat(x0 - 0.12, x1 + 0.12, z0 - 0.12, z1 + 0.12), flat(x0, x1, z0, z1)]
    return lying(faces(np.stack(rectangles), ((150, 150, 150), (85, 85, 85)), SHADOW))
