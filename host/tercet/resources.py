# SPDX-License-Identifier: Apache-2.0
"""Where the files are that go onto a board: beside the package in a wheel, in the checkout for developers."""

from __future__ import annotations

from pathlib import Path

from tercet.errors import SetupError

_PACKAGED = Path(__file__).parent / "_board"
CHECKOUT = Path(__file__).parents[2]


def _find(packaged: str, built: str, what: str, mend: str) -> Path:
    for path in (_PACKAGED / packaged, CHECKOUT / built):
        if path.exists():
            return path
    raise SetupError(f"{what} is not here", hint=mend)


def device_library() -> Path:
    """The folder of the MicroPython package `tercet_device`."""
    return _find("tercet_device", "device_lib/tercet_device", "the device library", "install the tercet wheel again")


def kernels(architecture: str, operators: str = "mlp") -> Path:
    """The native module for an architecture (x64, armv6m, armv7m, armv7emsp) and a set of operators (mlp, cnn, all)."""
    name = f"{architecture}/{operators}/tercet_kernels.mpy"
    built = f"build/firmware/natmod/{name}"
    return _find(f"natmod/{name}", built, f"the kernel module for {architecture}", "make kernels")


def packed_kernels(architecture: str) -> Path:
    """The native module for compressed networks for an architecture."""
    name = f"{architecture}/packed/tercet_packed.mpy"
    built = f"build/firmware/natmod/{name}"
    return _find(f"natmod/{name}", built, f"the packed kernels for {architecture}", "make kernels")


def card_driver(architecture: str) -> Path | None:
    """The native card driver for an architecture, or None where there is none: the portable one then serves."""
    name = f"{architecture}/card/tercet_card.mpy"
    try:
        return _find(f"natmod/{name}", f"build/firmware/natmod/{name}", "the card driver", "make kernels")
    except SetupError:
        return None


def cipher(architecture: str) -> Path:
    """The native module that seals pages for an architecture."""
    name = f"natmod/{architecture}/cipher/tercet_cipher.mpy"
    return _find(name, f"build/firmware/{name}", f"the cipher for {architecture}", "make kernels")


def firmware(target: str) -> Path:
    """The firmware image (Intel HEX) for a target."""
    folder = {"nrf52840dk": "nrf52840"}.get(target, target)
    return _find(
        f"firmware/{target}.hex", f"build/firmware/{folder}/firmware.hex", f"the firmware for {target}",
        "make firmware, or give --image FILE",
    )


def bench_image() -> Path:
    """The bare image (ELF) that times the kernels by the core's cycle counter."""
    return _find("bench/kernels.elf", "build/firmware/bench/kernels.elf", "the bench image of the kernels", "make kernels")
