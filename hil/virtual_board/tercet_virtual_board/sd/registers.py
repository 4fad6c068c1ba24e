# SPDX-License-Identifier: GPL-2.0-or-later
"""The card's registers and checksums. SD Physical Layer Simplified Specification, chapters 4.3.10, 4.5, 5."""

import binascii


def crc7(data: bytes) -> int:
    """CRC7 of a command or register, generator x^7 + x^3 + 1; the result is 7 bits."""
    crc = 0
    for byte in data:
        for bit in range(8):
            crc <<= 1
            if (byte << bit ^ crc) & 0x80:
                crc ^= 0x09
            crc &= 0xFF
    return crc & 0x7F


def crc16(data: bytes) -> bytes:
    """The two CRC16 bytes of a data block, generator x^16 + x^12 + x^5 + 1."""
    return binascii.crc_hqx(data, 0).to_bytes(2, "big")


def _pack(fields: list[tuple[int, int, int]], size_bits: int = 128) -> bytes:
    """A register from (highest bit, lowest bit, value)."""
    word = 0
    for high, low, value in fields:
        assert value < 1 << (high - low + 1)
        word |= value << low
    return word.to_bytes(size_bits // 8, "big")


def _sealed(register: bytes) -> bytes:
    return register[:-1] + bytes([crc7(register[:-1]) << 1 | 1])


def csd(blocks: int, high_capacity: bool, write_protected: bool) -> bytes:
    """CSD, 16 bytes: version 2 for high capacity, version 1 (at most 2 GB) otherwise."""
    common = [(119, 112, 0x0E), (103, 96, 0x32), (95, 84, 0x5B5), (46, 46, 1), (45, 39, 0x7F), (28, 26, 2),
              (12, 12, int(write_protected))]
    if high_capacity:
        return _sealed(_pack([(127, 126, 1), *common, (83, 80, 9), (69, 48, blocks // 1024 - 1), (25, 22, 9)]))
    shift = 2
    while blocks >> shift > 4096:
        shift += 1
    block_bits = 9
    while shift > 9:
        shift, block_bits = shift - 1, block_bits + 1
    size = (blocks * 512 >> block_bits >> shift) - 1
    return _sealed(_pack([*common, (83, 80, block_bits), (73, 62, size), (61, 59, 5), (58, 56, 5), (55, 53, 5),
                          (52, 50, 5), (49, 47, shift - 2), (25, 22, block_bits)]))


def cid(serial: int) -> bytes:
    """CID, 16 bytes, with a manufacturer id that belongs to nobody."""
    name = int.from_bytes(b"TRCET", "big")
    return _sealed(_pack([(127, 120, 0xFE), (119, 104, 0x5456), (103, 64, name), (63, 56, 0x10),
                          (55, 24, serial & 0xFFFFFFFF), (19, 8, 0x181)]))


def scr() -> bytes:
    """SCR, 8 bytes: specification 3.0, data 0 after erase, 1- and 4-bit bus."""
    return _pack([(59, 56, 2), (54, 52, 3), (51, 48, 5), (47, 47, 1)], 64)


def sd_status() -> bytes:
    """SD status, 64 bytes: speed class 4, allocation unit 4 MB."""
    return _pack([(447, 440, 2), (439, 432, 1), (431, 428, 9), (423, 408, 8), (407, 402, 1)], 512)


def switch_status(argument: int, fast: bool, accepts: bool) -> bytes:
    """Answer to CMD6, 64 bytes: access mode high speed can be selected if the card accepts it."""
    wanted = argument & 0xF
    supported = 0x8003 if accepts else 0x8001
    if wanted == 0xF:
        wanted = int(fast)
    selected = wanted if wanted < 16 and supported >> wanted & 1 else 0xF
    return _pack([(511, 496, 100), (415, 400, supported), (431, 416, 0x8001), (447, 432, 0x8001), (463, 448, 0x8001),
                  (479, 464, 0x8001), (495, 480, 0x8001), (379, 376, selected)], 512)
