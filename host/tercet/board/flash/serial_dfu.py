# SPDX-License-Identifier: Apache-2.0
"""Adafruit's serial DFU: `adafruit-nrfutil` makes the package and speaks to the bootloader."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from intelhex import IntelHex

from tercet.board.bench import Bench
from tercet.board.flash import tool
from tercet.board.flash.base import Job
from tercet.board.link import settle_port
from tercet.errors import BoardError
from tercet.targets import Target

_TOOL = "adafruit-nrfutil"
_DEADLINE_S = 180.0
_PORT_S = 15.0
# What the bootloader is told about the board: device type, and the SoftDevice that the application needs.
_DEVICE_TYPE = "0x0052"
_SOFTDEVICES = {"S140 7.3.0": "0x0123", "S140 6.1.1": "0x00B6"}


def obstacle(bench: Bench, target: Target) -> str:
    """The tool, and a bootloader that it knows."""
    if not target.uf2:
        return "the board has no Adafruit bootloader"
    if "://" in bench.serial:
        return "the bootloader needs a serial device, not a URL"
    return "" if tool.find(_TOOL) else f"{_TOOL} is not installed (pip install {_TOOL})"


def flash(job: Job) -> bool:
    """See `Strategy.flash`.

    The touch at 1200 baud asks a running firmware for its bootloader; its port comes back elsewhere.
    """
    with tempfile.TemporaryDirectory() as folder:
        package = _package(job, Path(folder))
        port = _bootloader_port(job.bench)
        job.progress("writing", 0.0)
        words = [tool.find(_TOOL), "dfu", "serial", "--package", str(package), "-p", port, "-b", "115200", "--singlebank"]
        if not job.bench.serial.startswith("usb:"):
            words += ["--touch", "1200"]  # the device keeps its name: the tool may touch it itself
        text = tool.run(words, job.bench.name, _DEADLINE_S)
        if "Device programmed" not in text:
            last = text.strip()[-200:]
            raise BoardError(f"{job.bench.name}: the bootloader did not take the image: {last}", hint="flash again")
    job.progress("writing", 1.0)
    return True


def _package(job: Job, folder: Path) -> Path:
    """The zip that the bootloader takes."""
    file = IntelHex()
    for address, data in job.image.segments:
        file.frombytes(data, address)
    file.write_hex_file(str(folder / "image.hex"))
    package = folder / "image.zip"
    softdevice = _SOFTDEVICES.get(job.target.uf2.get("softdevice", ""), "0xFFFE")
    tool.run(
        [tool.find(_TOOL), "dfu", "genpkg", "--dev-type", _DEVICE_TYPE, "--sd-req", softdevice, "--application",
         str(folder / "image.hex"), str(package)], job.bench.name, 30.0,
    )  # fmt: skip
    return package


def _bootloader_port(bench: Bench) -> str:
    """The port after the touch, found again by its USB serial number; a plain device name stays."""
    import serial

    port = settle_port(bench.serial)
    if not bench.serial.startswith("usb:"):
        return port
    with serial.Serial(port, 1200) as touched:
        touched.dtr = False
    end = time.monotonic() + _PORT_S
    while True:
        time.sleep(0.5)  # the port of the running firmware needs a moment to go away
        try:
            return settle_port(bench.serial)
        except BoardError:
            if time.monotonic() > end:
                raise
