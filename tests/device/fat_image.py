# SPDX-License-Identifier: Apache-2.0
"""Images of FAT cards, made cluster by cluster: also such as no driver would leave behind."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

BLOCK_BYTES = 512
# the card of a program on the unix port
OPEN_IMAGE = """
class Image:
    retries = 0
    def __init__(self, path):
        self._file = open(path, "r+b")
        self.blocks = self._file.seek(0, 2) // 512
    def rate(self):
        return 0, False
    def ioctl(self, what, argument):
        return self.blocks if what == 4 else 512 if what == 5 else 0
    def readblocks(self, block, buffer, offset=0):
        self._file.seek(512 * block + offset)
        assert self._file.readinto(buffer) == len(buffer)
    def writeblocks(self, block, buffer, offset=0):
        self._file.seek(512 * block + offset)
        assert self._file.write(buffer) == len(buffer)
"""


@dataclass
class File:
    """A file in the root: its clusters in order, what the table says behind the last one, its size, attributes."""

    clusters: list[int]
    content: bytes = b""
    nbytes: int | None = None
    end: int = 0x0FFFFFFF
    attributes: int = 0x20


@dataclass
class FatCard:
    """A card with one FAT volume of `wide` (32) or 16-bit entries; `first` is its block: 0 without a partition table."""

    wide: bool
    clusters: int
    per_cluster: int = 1
    first: int = 2048
    files: dict[str, File] = field(default_factory=dict)
    reserved: int = 32
    root_blocks: int = 32

    @property
    def fat_blocks(self) -> int:
        return -(-(self.clusters + 2) * (4 if self.wide else 2) // BLOCK_BYTES)

    @property
    def data(self) -> int:
        """The block of cluster 2."""
        return self.first + self.reserved + 2 * self.fat_blocks + (0 if self.wide else self.root_blocks)

    @property
    def end(self) -> int:
        return self.data + self.clusters * self.per_cluster

    def block(self, cluster: int) -> int:
        return self.data + (cluster - 2) * self.per_cluster

    def write(self, path: Path) -> Path:
        """Writes the image, a whole number of 512 KB, sparse where nothing lies."""
        with path.open("wb") as stream:
            stream.truncate(-(-self.end // 1024) * 1024 * BLOCK_BYTES)
            for block, data in self._parts():
                stream.seek(block * BLOCK_BYTES)
                stream.write(data)
        return path

    def _parts(self) -> list[tuple[int, bytes]]:
        table = self._table()
        parts = [(self.first, self._boot())] + [
            (self.first + self.reserved + copy * self.fat_blocks, table) for copy in range(2)
        ]  # fmt: skip
        if self.first:
            kind = 0x0C if self.wide else 0x06
            entry = struct.pack("<B3sB3sII", 0, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", self.first, self.end - self.first)
            parts.append((0, bytes(446) + entry + bytes(48) + b"\x55\xaa"))
        if self.wide:
            unknown = 0xFFFFFFFF  # how much is free, and where
            parts.append((self.first + 1, struct.pack("<I480xIII12xI", 0x41615252, 0x61417272, unknown, unknown, 0xAA550000)))
        root = self.block(2) if self.wide else self.data - self.root_blocks
        parts.append((root, b"".join(self._entry(name, file) for name, file in self.files.items())))
        cluster_bytes = self.per_cluster * BLOCK_BYTES
        for file in self.files.values():
            for i, cluster in enumerate(file.clusters):
                parts.append((self.block(cluster), file.content[i * cluster_bytes : (i + 1) * cluster_bytes]))
        return [(block, data) for block, data in parts if data]

    def _boot(self) -> bytes:
        total = self.end - self.first
        small = total if total < 65536 and not self.wide else 0
        boot = struct.pack(
            "<3s8sHBHBHHBHHHII", b"\xeb\x58\x90", b"MSDOS5.0", BLOCK_BYTES, self.per_cluster, self.reserved, 2,
            0 if self.wide else self.root_blocks * 16, small, 0xF8, 0 if self.wide else self.fat_blocks, 63, 255, self.first,
            0 if small else total,
        )  # fmt: skip
        if self.wide:
            boot += struct.pack("<IHHIHH12x", self.fat_blocks, 0, 0, 2, 1, 0)
        boot += struct.pack("<BBBI11s8s", 0x80, 0, 0x29, 1, b"NO NAME    ", b"FAT32   " if self.wide else b"FAT16   ")
        return boot.ljust(510, b"\0") + b"\x55\xaa"

    def _table(self) -> bytes:
        entries = [0] * (self.clusters + 2)
        entries[0], entries[1] = 0x0FFFFFF8, 0x0FFFFFFF
        if self.wide:
            entries[2] = 0x0FFFFFFF
        for file in self.files.values():
            for cluster, following in zip(file.clusters, [*file.clusters[1:], file.end], strict=False):
                entries[cluster] = following
        if self.wide:
            return struct.pack(f"<{len(entries)}I", *entries)
        return struct.pack(f"<{len(entries)}H", *(entry & 0xFFFF for entry in entries))

    def _entry(self, name: str, file: File) -> bytes:
        stem, _, ending = name.partition(".")
        start = file.clusters[0] if file.clusters else 0
        nbytes = len(file.content) if file.nbytes is None else file.nbytes
        return struct.pack(
            "<11sB8xH4xHI", (stem.ljust(8) + ending.ljust(3)).encode(), file.attributes, start >> 16, start & 0xFFFF, nbytes
        )


def pages(first: int, count: int, cluster_bytes: int = BLOCK_BYTES, **changes: object) -> File:
    """A page file of so many clusters in a row."""
    return File(list(range(first, first + count)), nbytes=count * cluster_bytes, **changes)  # type: ignore[arg-type]
