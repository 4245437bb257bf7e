"""What devices can do at most, and the roofline that follows from it. Every figure that comes of it is an estimate."""

from collections.abc import Iterable
from dataclasses import dataclass

from segdata.spec import Precision


@dataclass(frozen=True)
class Device:
    """Peaks of a device: operations a second (a multiply-accumulate is two) per precision, memory in bytes a second."""

    name: str
    operations: dict[Precision, float]
    bandwidth: float
    source: str


GTX_1660_TI = Device(
    "GTX 1660 Ti",
    # 1536 lanes at 1.77 GHz; float16 at twice the rate, int8 by DP4A at four times: TU116 has no tensor cores.
    {"fp32": 5.4e12, "fp16": 10.9e12, "int8": 21.7e12},
    288e9,
    "NVIDIA's Turing whitepaper, WP-09183-001, and the card's data sheet",
)

VALUE_BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}


@dataclass(frozen=True)
class LayerWork:
    """What one layer costs a frame: multiply-accumulates, and values read and written (weights among them)."""

    name: str
    macs: int
    values: int


def roofline_seconds(layers: Iterable[LayerWork], device: Device, precision: Precision) -> float:
    """Return the least time a frame can take: each layer waits for arithmetic or for memory, whichever is slower.

    The roofline of Williams et al. 2009 (doi 10.1145/1498765.1498785), layer by layer: nothing is fused, nothing
    stays in a cache. Real engines stay below it, by a factor of two and more on small layers.
    """
    return sum(
        max(2 * layer.macs / device.operations[precision], layer.values * VALUE_BYTES[precision] / device.bandwidth)
        for layer in layers
    )
