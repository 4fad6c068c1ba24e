# SPDX-License-Identifier: Apache-2.0
"""Firmware images: Intel HEX, ELF, UF2 or raw binary, as runs of bytes at addresses."""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from pathlib import Path

from tercet import artifacts
from tercet.errors import InputError
from tercet.targets import Region, Target

_UF2_MAGIC = (0x0A324655, 0x9E5D5157, 0x0AB16F30)
_UF2_NOT_FLASH, _UF2_HAS_FAMILY = 0x1, 0x2000
_UF2_BLOCK = struct.Struct("<IIIIIIII")


@dataclass(frozen=True)
class Image:
    """An image: `segments` are (address, bytes) in order and apart; `family` is a UF2 file's, if it says one."""

    path: Path
    segments: tuple[tuple[int, bytes], ...]
    family: int | None = None

    @property
    def nbytes(self) -> int:
        """The bytes in all segments."""
        return sum(len(data) for _, data in self.segments)

    @property
    def sha256(self) -> str:
        """The hash of addresses and contents, the same for each format of a file."""
        return artifacts.sha256_bytes(b"".join(struct.pack("<I", at) + data for at, data in self.segments))

    def at(self, address: int, count: int) -> bytes | None:
        """`count` bytes at an address, None where the image has none."""
        for start, data in self.segments:
            if start <= address and address + count <= start + len(data):
                return data[address - start : address - start + count]
        return None


def read(path: str | Path, *, base: int = 0) -> Image:
    """The image in a .hex, .elf, .uf2 or .bin file; a .bin lies at `base`.

    Raises InputError when the file is missing, empty or damaged.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such firmware image")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: the image is empty")
    family = None
    if data[:4] == b"\x7fELF":
        parts = _elf(path, data)
    elif data[:4] == struct.pack("<I", _UF2_MAGIC[0]):
        parts, family = _uf2(path, data)
    elif path.suffix.lower() in (".hex", ".ihex") or data[:1] == b":":
        parts = _hex(path, data)
    else:
        parts = {base: data}
    return Image(path, _joined(path, parts), family)


def _joined(path: Path, parts: dict[int, bytes]) -> tuple[tuple[int, bytes], ...]:
    """Neighbouring parts as one; overlapping ones are an error."""
    runs: list[tuple[int, bytearray]] = []
    for address in sorted(parts):
        end = runs[-1][0] + len(runs[-1][1]) if runs else -1
        if address < end:
            raise InputError(f"{path}: two parts of the image lie at {address:#x}")
        if address == end:
            runs[-1][1].extend(parts[address])
        else:
            runs.append((address, bytearray(parts[address])))
    if not runs:
        raise InputError(f"{path}: the image holds no bytes for flash")
    return tuple((address, bytes(data)) for address, data in runs)


def _hex(path: Path, data: bytes) -> dict[int, bytes]:
    from intelhex import IntelHex, IntelHexError

    try:
        file = IntelHex(io.StringIO(data.decode("ascii")))
    except (IntelHexError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: a damaged Intel HEX file: {error}") from error
    return {start: file.tobinstr(start=start, size=end - start) for start, end in file.segments()}


def _elf(path: Path, data: bytes) -> dict[int, bytes]:
    from elftools.common.exceptions import ELFError
    from elftools.elf.elffile import ELFFile

    try:
        segments = list(ELFFile(io.BytesIO(data)).iter_segments("PT_LOAD"))
        return {s["p_paddr"]: s.data() for s in segments if s["p_filesz"]}
    except ELFError as error:
        raise InputError(f"{path}: a damaged ELF file: {error}") from error


def _uf2(path: Path, data: bytes) -> tuple[dict[int, bytes], int | None]:
    """Payloads by address and the family. Source: the UF2 specification, github.com/microsoft/uf2."""
    parts: dict[int, bytes] = {}
    families = set()
    if len(data) % 512:
        raise InputError(f"{path}: a truncated UF2 file")
    for at in range(0, len(data), 512):
        first, second, flags, address, size, number, total, family = _UF2_BLOCK.unpack_from(data, at)
        last = struct.unpack_from("<I", data, at + 508)[0]
        if (first, second, last) != _UF2_MAGIC or size > 476 or number != at // 512 or total != len(data) // 512:
            raise InputError(f"{path}: block {at // 512} of the UF2 file is damaged")
        if flags & _UF2_NOT_FLASH:
            continue
        if flags & _UF2_HAS_FAMILY:
            families.add(family)
        parts[address] = data[at + 32 : at + 32 + size]
    if len(families) > 1:
        raise InputError(f"{path}: blocks for {len(families)} families in one UF2 file")
    return parts, families.pop() if families else None


def to_uf2(image: Image, family: int, page_bytes: int = 256) -> bytes:
    """The image as a UF2 file; pages are filled with 0xFF."""
    pages: dict[int, bytearray] = {}
    for start, data in image.segments:
        for offset, byte in enumerate(data):
            page = (start + offset) // page_bytes * page_bytes
            pages.setdefault(page, bytearray(b"\xff" * page_bytes))[start + offset - page] = byte
    blocks = []
    for number, (address, page_data) in enumerate(sorted(pages.items())):
        head = _UF2_BLOCK.pack(*_UF2_MAGIC[:2], _UF2_HAS_FAMILY, address, page_bytes, number, len(pages), family)
        blocks.append((head + page_data).ljust(508, b"\0") + struct.pack("<I", _UF2_MAGIC[2]))
    return b"".join(blocks)


def preflight(image: Image, target: Target) -> None:
    """Raises InputError unless the image is one that this target can start.

    Every byte must lie in a region where images may (application, uicr), the vector table at the application's start, its
    stack pointer in RAM and its reset handler in the image.
    """
    allowed = [region for region in target.regions if region.use in ("application", "uicr")]
    for start, data in image.segments:
        if not any(region.holds(start, start + len(data)) for region in allowed):
            raise InputError(
                f"{image.path}: bytes {start:#x} to {start + len(data):#x} are outside what {target.title} has for images "
                f"({', '.join(f'{r.start:#x} to {r.end:#x}' for r in allowed)}): made for another memory map",
                hint=_whose(start, target) or "tercet targets lists memory maps",
            )
    application = target.application
    table = image.at(application.start, 8)
    if table is None:
        lowest = min(start for start, _ in image.segments)
        raise InputError(
            f"{image.path}: begins at {lowest:#x}, {target.title} starts images at {application.start:#x}: made for another "
            "memory map (a bootloader's?)", hint="take the image that was built for this board",
        )  # fmt: skip
    stack, reset = struct.unpack("<II", table)
    ram = target.region("ram")
    if ram is None or not ram.start < stack <= ram.end:
        raise InputError(f"{image.path}: its stack begins at {stack:#x}, outside RAM: not an image for {target.title}")
    if not reset & 1 or image.at(reset & ~1, 2) is None:
        raise InputError(f"{image.path}: its reset handler {reset:#x} lies outside the image: not an image for {target.title}")
    expected = target.uf2.get("family")
    if image.family is not None and image.family != expected:
        wanted = f"{expected:#x}" if expected else "none"
        raise InputError(f"{image.path}: UF2 family {image.family:#x}, {target.title} takes {wanted}")


def _whose(start: int, target: Target) -> str:
    inside: Region | None = next((r for r in target.regions if r.start <= start < r.end), None)
    return f"{start:#x} is the board's {inside.name}, which tercet never overwrites" if inside else ""
