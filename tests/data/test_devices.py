"""What a device can do at most: the roofline, against figures worked out by hand."""

import pytest

from segdata.devices import GTX_1660_TI, VALUE_BYTES, Device, LayerWork, roofline_seconds
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
    for precision, factor in (("fp32", 1), ("fp16", 2), ("int8", 4)):
        assert GTX_1660_TI.operations[precision] == pytest.approx(factor * clock_operations, rel=0.01)
    assert GTX_1660_TI.bandwidth == pytest.approx(192 / 8 * 12e9)
    assert VALUE_BYTES == {"fp32": 4, "fp16": 2, "int8": 1}
