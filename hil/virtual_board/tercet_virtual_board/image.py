# SPDX-License-Identifier: GPL-2.0-or-later
"""Firmware images: Intel HEX, ELF and raw binaries as lists of (address, bytes)."""

import struct
from pathlib import Path

MEMORY = ((0, 1 << 20, "flash"), (0x10001000, 0x10002000, "UICR"))


class ImageError(ValueError):
    """The file is no firmware image for the nRF52840."""


def _hex(text: str, path: Path) -> list[tuple[int, bytes]]:
    parts: list[tuple[int, bytearray]] = []
    base = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            record = bytes.fromhex(line.strip().removeprefix(":"))
            if not line.startswith(":") or sum(record) & 0xFF or record[0] != len(record) - 5:
                raise ValueError
        except (ValueError, IndexError) as error:
            raise ImageError(f"{path}, line {number}: not an Intel HEX record") from error
        kind, data, address = record[3], record[4:-1], base + int.from_bytes(record[1:3], "big")
        if kind == 0 and parts and parts[-1][0] + len(parts[-1][1]) == address:
            parts[-1][1].extend(data)
        elif kind == 0:
            parts.append((address, bytearray(data)))
        elif kind == 1:
            break
        elif kind == 2:
            base = int.from_bytes(data, "big") << 4
        elif kind == 4:
            base = int.from_bytes(data, "big") << 16
    return [(address, bytes(data)) for address, data in parts]


def _elf(data: bytes, path: Path) -> list[tuple[int, bytes]]:
    if data[4:6] != b"\x01\x01" or struct.unpack_from("<H", data, 18)[0] != 40:
        raise ImageError(f"{path}: an ELF file, but not for a 32-bit little-endian ARM")
    offset, = struct.unpack_from("<I", data, 28)
    size, count = struct.unpack_from("<HH", data, 42)
    parts = []
    for i in range(count):
        kind, start, _, address, stored = struct.unpack_from("<5I", data, offset + i * size)
        if kind == 1 and stored:
            parts.append((address, data[start : start + stored]))
    return parts


def load(path: Path) -> list[tuple[int, bytes]]:
    """Pieces of the image as (address, bytes). Raises ImageError: unreadable, or outside the nRF52840's memory."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"{path}: {error.strerror}") from error
    if data.startswith(b"\x7fELF"):
        parts = _elf(data, path)
    elif path.suffix == ".bin":
        parts = [(0, data)]
    elif data.lstrip()[:1] == b":":
        parts = _hex(data.decode("ascii", "replace"), path)
    else:
        raise ImageError(f"{path}: neither ELF, Intel HEX nor .bin")
    for address, piece in parts:
        if not any(low <= address and address + len(piece) <= high for low, high, _ in MEMORY):
            raise ImageError(
                f"{path}: 0x{address:08x}..0x{address + len(piece):08x} is outside the nRF52840's flash (1 MB at 0) and "
                "UICR: an image for another memory map?"
            )
    if not parts:
        raise ImageError(f"{path}: the image is empty")
    return parts
