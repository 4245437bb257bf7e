"""Proves a wrapped network: the original, with NumPy pre- and post-processing, gives the same labels."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from segdata.errors import InputError, VerificationError
from segdata.synth import scene
from segexport.wrap.foreign import Foreign
from segexport.wrap.options import Normalisation
from segexport.wrap.outputs import Meaning
from segexport.wrap.session import reason, session_of
from segrun.runners.onnxruntime import OnnxRuntimeRunner

LEAST_EQUAL = 0.9999
"""The least share of pixels that must have equal labels."""

FRAMES = 6
_SEED = 3000  # far from the scenes of other proofs


def prove(
    file: Path, foreign: Foreign, meaning: Meaning, normalisation: Normalisation, *, bgr: bool, corners: bool
) -> float:
    """Return the share of pixels in which the wrapped `file` and the original network agree, on generated scenes.

    The original is the network before any conversion. Raises VerificationError if they agree in fewer than
    `LEAST_EQUAL`, InputError if the original cannot be run.
    """
    height, width = foreign.size
    frames = [scene(_SEED + number, height, width).image for number in range(FRAMES)]
    try:
        session = session_of(foreign.original)
        expected = [
            labels_of(session.run([meaning.name], {foreign.input: shown(frame, foreign, normalisation, bgr)})[0],
                      meaning, (height, width), corners)
            for frame in frames
        ]  # fmt: skip
    except Exception as error:
        raise InputError(f"{foreign.path}: ONNX Runtime cannot run it as it is ({reason(error)})") from None
    with OnnxRuntimeRunner(file) as runner:
        found = [runner(frame[None])[0] for frame in frames]
    equal = float(np.mean([one == other for one, other in zip(expected, found, strict=True)]))
    if equal < LEAST_EQUAL:
        raise VerificationError(
            f"the wrapped network was not kept: it equals {foreign.path.name} in {equal:.2%} of pixels (need "
            f"{LEAST_EQUAL:.2%}); please report this with the file"
        )
    return equal


def shown(
    frame: npt.NDArray[np.uint8], foreign: Foreign, normalisation: Normalisation, bgr: bool
) -> npt.NDArray[np.float32]:
    """Return the network's input for `frame`, RGB uint8 [H, W, 3], computed in float64."""
    ordered = frame[..., ::-1] if bgr else frame
    values = (ordered.astype(np.float64) - np.array(normalisation.mean)) / np.array(normalisation.std)
    if foreign.channels_first:
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None]).astype(foreign.dtype)


def labels_of(
    output: npt.NDArray[np.float32], meaning: Meaning, frame: tuple[int, int], corners: bool
) -> npt.NDArray[np.uint8]:
    """Return the class of each pixel, uint8 [H, W], that a network's output says."""
    maps = np.asarray(output, dtype=np.float32).reshape(
        (1, *meaning.size) if meaning.axis is None else output.shape[1:]
    )
    if meaning.axis == 3:
        maps = maps.transpose(2, 0, 1)
    if meaning.kind == "ids":
        rows, columns = (
            np.floor((np.arange(length) + 0.5) * before / length).astype(np.int64)
            for before, length in zip(meaning.size, frame, strict=True)
        )
        return np.asarray(maps[0][rows][:, columns], dtype=np.uint8)
    maps = _enlarged(_enlarged(maps, 1, frame[0], corners), 2, frame[1], corners)
    if meaning.kind == "one score":
        return np.asarray(maps[0] > meaning.threshold, dtype=np.uint8)
    return np.asarray(maps.argmax(axis=0), dtype=np.uint8)


def _enlarged(maps: npt.NDArray[np.float32], axis: int, length: int, corners: bool) -> npt.NDArray[np.float32]:
    """Return `maps` with `axis` resized to `length`, linearly between neighbours."""
    before = maps.shape[axis]
    if before == length:
        return maps
    if corners:
        places = np.arange(length) * ((before - 1) / max(length - 1, 1))
    else:
        places = np.clip((np.arange(length) + 0.5) * (before / length) - 0.5, 0, before - 1)
    low = np.floor(places).astype(np.int64)
    high = np.minimum(low + 1, before - 1)
    share = (places - low).astype(np.float32).reshape([-1 if each == axis else 1 for each in range(3)])
    mixed = maps.take(low, axis) * (1 - share) + maps.take(high, axis) * share
    return np.asarray(mixed, dtype=np.float32)
