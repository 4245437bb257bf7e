"""What a device can do at most: the roofline, against figures worked out by hand."""

import pytest

from segdata.devices import (
    DEVICES,
    GTX_1660_TI,
    VALUE_BYTES,
    Device,
    LayerWork,
    device_named,
    device_reported,
    has_tensor_cores,
    roofline_seconds,
)
from segdata.errors import InputError
from segdata.spec import Precision

DEVICE = Device("paper", {"fp32": 100.0, "fp16": 200.0, "int8": 400.0}, 10.0, "made up")
ARITHMETIC = LayerWork("arithmetic", macs=500, values=10)  # 1000 operations, 40 bytes as fp32
MEMORY = LayerWork("memory", macs=50, values=100)  # 100 operations, 400 bytes as fp32


@pytest.mark.parametrize(
    ("precision", "arithmetic", "memory"), [("fp32", 10.0, 40.0), ("fp16", 5.0, 20.0), ("int8", 2.5, 10.0)]
)
def test_each_layer_waits_for_what_is_slower(precision: Precision, arithmetic: float, memory: float) -> None:
    assert roofline_seconds([ARITHMETIC], DEVICE, precision) == pytest.approx(arithmetic)
    assert roofline_seconds([MEMORY], DEVICE, precision) == pytest.approx(memory)
    assert roofline_seconds([ARITHMETIC, MEMORY], DEVICE, precision) == pytest.approx(arithmetic + memory)


def test_a_layer_can_wait_for_arithmetic_in_one_precision_and_for_memory_in_another() -> None:
    device = Device("tensor cores", {"fp32": 100.0, "fp16": 10000.0, "int8": 10000.0}, 10.0, "made up")
    assert roofline_seconds([ARITHMETIC], device, "fp32") == pytest.approx(10.0)
    assert roofline_seconds([ARITHMETIC], device, "fp16") == pytest.approx(2.0)


def test_nothing_takes_no_time() -> None:
    assert roofline_seconds([], DEVICE, "fp32") == 0


def test_the_card_is_the_one_of_its_data_sheet() -> None:
    """1536 lanes, each a multiply-accumulate a clock at 1.77 GHz; 192 bits of 12 Gbit/s."""
    clock_operations = 2 * 1536 * 1.77e9
    factors: dict[Precision, int] = {"fp32": 1, "fp16": 2, "int8": 4}
    for precision, factor in factors.items():
        assert GTX_1660_TI.operations[precision] == pytest.approx(factor * clock_operations, rel=0.01)
    assert GTX_1660_TI.bandwidth == pytest.approx(192 / 8 * 12e9)
    assert VALUE_BYTES == {"fp32": 4, "fp16": 2, "int8": 1}


def test_a_device_goes_by_its_name_and_one_that_is_not_there_is_told_the_names() -> None:
    assert device_named("gtx-1660-ti") is GTX_1660_TI
    with pytest.raises(InputError, match=r"got device 'gtx', need one of gtx-1660-ti, .*t4.*rtx-3060"):
        device_named("gtx")


@pytest.mark.parametrize("key", DEVICES)
def test_every_device_says_where_its_figures_are_from(key: str) -> None:
    device = DEVICES[key]
    assert device.source
    assert 1e12 < device.operations["fp32"] < device.operations["fp16"] < device.operations["int8"] < 1e15
    assert 50e9 < device.bandwidth < 5e12


def test_the_three_1660_ti_differ_by_their_clocks() -> None:
    desktop, laptop, max_q = (device_named(f"gtx-1660-ti{suffix}") for suffix in ("", "-laptop", "-max-q"))
    assert laptop.operations["fp32"] == pytest.approx(4.884e12, rel=0.001)  # technical.city says 4.884 TFLOPS
    for precision in VALUE_BYTES:
        assert laptop.operations[precision] / desktop.operations[precision] == pytest.approx(1590 / 1770, rel=0.01)
        assert max_q.operations[precision] / desktop.operations[precision] == pytest.approx(1335 / 1770, rel=0.01)


@pytest.mark.parametrize(
    ("reported", "key"),
    [
        ("NVIDIA GeForce GTX 1660 Ti", "gtx-1660-ti"),
        ("GeForce GTX 1660 Ti", "gtx-1660-ti"),
        ("NVIDIA GeForce GTX 1660 Ti with Max-Q Design", "gtx-1660-ti-max-q"),
        ("GeForce GTX 1660 Ti with Max-Q Design", "gtx-1660-ti-max-q"),
        ("NVIDIA GeForce GTX 1660 SUPER", "gtx-1660-super"),
        ("NVIDIA GeForce GTX 1650", "gtx-1650"),
        ("Tesla T4", "t4"),
        ("NVIDIA T4", "t4"),
        ("NVIDIA GeForce RTX 3060", "rtx-3060"),
    ],
)
def test_a_driver_s_name_finds_its_device(reported: str, key: str) -> None:
    assert device_reported(reported) is DEVICES[key]


@pytest.mark.parametrize(
    "reported",
    ["NVIDIA GeForce RTX 3060 Ti", "NVIDIA GeForce RTX 3060 Laptop GPU", "NVIDIA GeForce GTX 1660", "Orin", "CPU", ""],
)
def test_a_device_that_is_not_in_the_table_is_none(reported: str) -> None:
    assert device_reported(reported) is None


@pytest.mark.parametrize(
    ("name", "capability", "has"),
    [
        ("NVIDIA GeForce GTX 1660 Ti", "7.5", False),
        ("NVIDIA GeForce GTX 1660 Ti with Max-Q Design", "7.5", False),
        ("Simulated GTX 1660 Ti", "7.5", False),
        ("NVIDIA GeForce GTX 1630", "7.5", False),
        ("NVIDIA GeForce MX450", "7.5", False),
        ("NVIDIA T400 4GB", "7.5", False),
        ("Quadro T1000", "7.5", False),
        ("Tesla T4", "7.5", True),
        ("NVIDIA GeForce RTX 2060", "7.5", True),
        ("Tesla V100-SXM2-16GB", "7.0", True),
        ("NVIDIA GeForce GTX 1080 Ti", "6.1", False),
        ("NVIDIA GeForce RTX 5090", "12.0", True),
    ],
)
def test_tensor_cores_go_by_name_where_the_capability_does_not_tell(name: str, capability: str, has: bool) -> None:
    assert has_tensor_cores(name, capability) is has
