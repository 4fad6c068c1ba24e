# SPDX-License-Identifier: GPL-2.0-or-later
"""Every register of every modelled peripheral against the vendor's own description of the chip (the SVD file that pyOCD
carries): it can be read, has the reset value that is written there, and takes that value back."""

import ctypes
import io
import re
import xml.etree.ElementTree as ET
import zipfile
from collections.abc import Iterator
from importlib import resources

import pytest
from tercet_virtual_board.engine import Chip

# FICR and UICR differ from chip to chip; SPIS, TWI and TWIS share addresses with SPIM, SPI and TWIM, which are modelled.
PERIPHERALS = [
    "CLOCK", "POWER", "UART0", "UARTE0", "TWIM0", "TWIM1", "GPIOTE", "SAADC", "RTC0", "RTC1", "RTC2", "TEMP", "RNG", "ECB", "WDT",
    "NVMC", "PPI", "P0", "P1", *(f"SPIM{i}" for i in range(4)), *(f"SPI{i}" for i in range(3)), *(f"TIMER{i}" for i in range(5)),
    *(f"EGU{i}" for i in range(6)),
]  # fmt: skip
OTHERWISE = {
    ("CLOCK", "HFCLKSTAT"): 0x10000,  # a core that reads it runs from the internal oscillator
    ("NVMC", "READYNEXT"): 1,  # reads 0 only while a write is under way
}
ACTS = {("POWER", "SYSTEMOFF")}  # tasks are not triggered either


def number(node: ET.Element, tag: str, default: str = "0") -> int:
    return int(node.findtext(tag) or default, 0)


def registers(node: ET.Element, base: int = 0, prefix: str = "") -> Iterator[tuple[str, int, ET.Element]]:
    """(name, offset, element) of each register below a `registers` or `cluster` element, arrays unrolled."""
    for child in node:
        if child.tag not in ("register", "cluster"):
            continue
        for i in range(number(child, "dim", "1")):
            name = prefix + (child.findtext("name") or "").replace("%s", str(i))
            offset = base + number(child, "addressOffset") + i * number(child, "dimIncrement")
            if child.tag == "cluster":
                yield from registers(child, offset, name + ".")
            else:
                yield name, offset, child


@pytest.fixture(scope="module")
def description() -> dict[str, ET.Element]:
    pytest.importorskip("pyocd", reason="no pyocd, which carries the SVD file: pip install pyocd")
    packed = resources.files("pyocd").joinpath("debug/svd/svd_data.zip").read_bytes()
    root = ET.fromstring(zipfile.ZipFile(io.BytesIO(packed)).read("nrf52840.svd"))
    return {peripheral.findtext("name") or "": peripheral for peripheral in root.iter("peripheral")}


@pytest.mark.parametrize("name", PERIPHERALS)
def test_registers_read_as_the_vendor_describes_them(description, name):
    peripheral = description[name]
    source = peripheral if peripheral.find("registers") is not None else description[peripheral.get("derivedFrom") or ""]
    base, chip, seen = number(peripheral, "baseAddress"), Chip(), 0
    layout = source.find("registers")
    assert layout is not None
    for register, offset, element in registers(layout):
        access, value = element.findtext("access") or "read-write", ctypes.c_uint32()
        if access != "write-only":
            assert chip.call("bus_read", base + offset, ctypes.addressof(value), 4) == 0, f"{name}.{register} cannot be read"
            expected = OTHERWISE.get((name, register), number(element, "resetValue"))
            assert value.value == expected, f"{name}.{register} reads 0x{value.value:x} after reset, not 0x{expected:x}"
            seen += 1
        if access != "read-only" and not register.startswith("TASKS_") and (name, register) not in ACTS:
            assert chip.call("bus_write", base + offset, bytes(value), 4) == 0, f"{name}.{register} cannot be written"
    chip.close()
    assert seen > 0


READ = '#include "bare.h"\nint main(void) { return REG(*(volatile unsigned *)0x2003f000); }'
WRITE = '#include "bare.h"\nint main(void) { REG(*(volatile unsigned *)0x2003f000) = 5; return 0; }'


def absent(description: dict[str, ET.Element]) -> dict[str, int]:
    """Peripherals of the chip at addresses where nothing is modelled."""
    modelled = {number(description[name], "baseAddress") for name in [*PERIPHERALS, "FICR", "UICR"]}
    bases = {name: number(peripheral, "baseAddress") for name, peripheral in description.items()}
    return {name: base for name, base in bases.items() if base not in modelled}


@pytest.mark.parametrize("source, what", [(READ, "read of"), (WRITE, "write of 0x5 to")])
def test_an_access_to_a_peripheral_that_is_absent_stops_with_its_name(description, bench, source, what):
    missing = absent(description)
    assert {"RADIO", "USBD", "UARTE1", "PWM0", "QSPI", "CRYPTOCELL"} <= set(missing)
    for name, base in missing.items():
        board = bench("absent", source)
        board.chip.load(0x2003F000, (base + 0x500).to_bytes(4, "little"))
        assert board.run(50).name == "REPORT", name
        named = name if name != "CC_HOST_RGF" else "CRYPTOCELL"
        wanted = rf"{what} an unmodelled register: (\w+/)?{named}(/\w+)? \+ 0x500 \(0x{base + 0x500:08x}, 4 bytes\), PC near"
        assert re.search(wanted, board.chip.report), board.chip.report
