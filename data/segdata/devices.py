"""Peak rates of devices, and rooflines. Every figure derived from them is an estimate."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from segdata.errors import InputError
from segdata.spec import Precision


@dataclass(frozen=True)
class Device:
    """Peaks of a device: operations a second (a multiply-accumulate is two) per precision, memory in bytes a second.

    Of tensor cores the peaks are dense, without sparsity. `reported` is what the driver calls the device, without
    "NVIDIA" and the brand; "" if it does not tell this device from others.
    """

    name: str
    operations: dict[Precision, float]
    bandwidth: float
    source: str
    reported: str = ""

    def is_called(self, reported: str) -> bool:
        """Return whether a driver that says `reported`, "NVIDIA GeForce GTX 1660 Ti", may mean this device."""
        return bool(self.reported) and _bare(reported) == _bare(self.reported)


def _small_turing(lanes: int, gigahertz: float) -> dict[Precision, float]:
    """Peaks of TU116 and TU117, which have no tensor cores.

    A lane does one multiply-accumulate a clock in float32, two in float16, four in int8 (DP4A).
    """
    operations = 2 * lanes * gigahertz * 1e9
    return {"fp32": operations, "fp16": 2 * operations, "int8": 4 * operations}


GTX_1660_TI = Device(
    "GTX 1660 Ti",
    # 1536 lanes at 1.77 GHz; float16 at twice the rate, int8 by DP4A at four times: TU116 has no tensor cores.
    {"fp32": 5.4e12, "fp16": 10.9e12, "int8": 21.7e12},
    288e9,
    "NVIDIA's Turing whitepaper, WP-09183-001, and the card's data sheet",
    "GTX 1660 Ti",
)

DEVICES: dict[str, Device] = {
    "gtx-1660-ti": GTX_1660_TI,
    "gtx-1660-ti-laptop": Device(
        "GTX 1660 Ti (laptop)",
        _small_turing(1536, 1.59),
        288e9,
        "technical.city, GeForce GTX 1660 Ti Mobile: 1536 lanes, boost 1.59 GHz at 80 W; memory as the desktop card's",
        "GTX 1660 Ti",  # the desktop card's name: a driver does not tell them apart
    ),
    "gtx-1660-ti-max-q": Device(
        "GTX 1660 Ti Max-Q",
        _small_turing(1536, 1.335),
        288e9,
        "TechPowerUp's database, not read again: 1536 lanes, boost 1.335 GHz at 60 W; memory as the desktop card's",
        "GTX 1660 Ti with Max-Q Design",
    ),
    "gtx-1660-super": Device(
        "GTX 1660 SUPER",
        _small_turing(1408, 1.785),
        336e9,
        "guru3d, Gigabyte GTX 1660 SUPER review: 1408 lanes, boost 1.785 GHz, 192 bits of 14 Gbit/s",
        "GTX 1660 SUPER",
    ),
    "gtx-1650": Device(
        "GTX 1650",
        _small_turing(896, 1.665),
        128e9,
        "guru3d, Gigabyte GTX 1660 SUPER review: 896 lanes, boost 1.665 GHz, 128 bits of 8 Gbit/s",
        "GTX 1650",
    ),
    "t4": Device(
        "T4",
        {"fp32": 8.1e12, "fp16": 65e12, "int8": 130e12},
        320e9,
        "NVIDIA's T4 data sheet: tensor cores in float16 and int8",
        "Tesla T4",
    ),
    "rtx-3060": Device(
        "RTX 3060",
        # 101 sparse tensor TFLOPS are 50.5 dense; int8 doubles that; TF32, which float32 runs in, is no faster there.
        {"fp32": 12.8e12, "fp16": 50.5e12, "int8": 101e12},
        360e9,
        "NVIDIA's RTX 3060 specification (3584 lanes at 1.78 GHz, 101 sparse tensor TFLOPS, 192 bits of 15 Gbit/s)",
        "RTX 3060",
    ),
    "jetson-orin-nano-super": Device(
        "Jetson Orin Nano 8 GB Super",
        # 67 sparse int8 TOPS are 33.5 dense; float16 is half of int8, and TF32, which TensorRT runs float32 in, half
        # of float16, as on every Ampere tensor core of that kind (NVIDIA's A100 whitepaper).
        {"fp32": 8.4e12, "fp16": 16.75e12, "int8": 33.5e12},
        102e9,
        "NVIDIA's Jetson Orin Nano Super data sheet: 67 sparse int8 TOPS, 102 GB/s",
    ),
}
"""What people have, by the name they give it. Boost clocks: no laptop holds them for long."""

# Turing without tensor cores, though of compute capability 7.5: TU116 and TU117 under all their names.
_NO_TENSOR_CORES = re.compile(r"\b(GTX 16\d\d|MX450|MX550|T400|T500|T550|T600|T1000|T1200|T2000)\b")

_FIRST_TENSOR_CORES = (7, 0)

VALUE_BYTES: dict[Precision, int] = {"fp32": 4, "fp16": 2, "int8": 1}


def device_named(key: str) -> Device:
    """Return the device that `key`, such as gtx-1660-ti, names; raise InputError with all names if there is none."""
    if key not in DEVICES:
        raise InputError(f"got device {key!r}, need one of {', '.join(DEVICES)}")
    return DEVICES[key]


def device_reported(name: str) -> Device | None:
    """Return the device that a driver calls `name`, None if it is not in the table.

    The laptop's GTX 1660 Ti has the desktop card's name and is taken for it, which gives the higher bound.
    """
    return next((device for device in DEVICES.values() if device.is_called(name)), None)


def has_tensor_cores(name: str, compute_capability: str) -> bool:
    """Return whether a GPU has tensor cores, by its name and its compute capability ("7.5").

    The capability alone does not say: a T4 and a GTX 1660 Ti are both 7.5, and only the T4 has them.
    """
    major, _, minor = compute_capability.partition(".")
    return (int(major), int(minor)) >= _FIRST_TENSOR_CORES and not _NO_TENSOR_CORES.search(name)


def _bare(name: str) -> str:
    return " ".join(word for word in name.casefold().split() if word not in ("nvidia", "geforce", "tesla"))


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
    return sum(max(arithmetic_and_memory_seconds(layer, device, precision)) for layer in layers)


def arithmetic_and_memory_seconds(layer: LayerWork, device: Device, precision: Precision) -> tuple[float, float]:
    """Return how long a layer takes for its arithmetic alone, and for its memory alone, at the device's peaks."""
    arithmetic = 2 * layer.macs / device.operations[precision]
    return arithmetic, layer.values * VALUE_BYTES[precision] / device.bandwidth
