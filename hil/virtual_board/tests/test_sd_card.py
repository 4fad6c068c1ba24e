# SPDX-License-Identifier: GPL-2.0-or-later
"""The SD card against a small host driver that only knows the specification."""

import pytest
from sd_host import FAST, started
from tercet_virtual_board.sd import PROFILES, Medium
from tercet_virtual_board.sd.registers import crc7, crc16


def pattern(block: int) -> bytes:
    return bytes((block * 7 + i * 13) & 0xFF for i in range(512))


def test_known_checksums():
    assert crc7(bytes([0x40, 0, 0, 0, 0])) << 1 | 1 == 0x95
    assert crc7(bytes([0x48, 0, 0, 1, 0xAA])) << 1 | 1 == 0x87
    assert crc16(b"\xff" * 512) == b"\x7f\xa1"


@pytest.mark.parametrize("high_capacity", [True, False])
def test_single_and_multiple_blocks(medium, high_capacity):
    host = started(medium, high_capacity=high_capacity)
    unit = 1 if high_capacity else 512
    assert host.command(24, 5 * unit) == b"\x00"
    assert host.write_data(pattern(5)) == 5
    host.ready()
    assert host.command(25, 6 * unit) == b"\x00"
    for block in range(6, 10):
        assert host.write_data(pattern(block), 0xFC) == 5
        host.ready()
    host.clock(b"\xfd\xff")
    host.ready()
    assert host.command(18, 5 * unit) == b"\x00"
    for block in range(5, 10):
        assert host.read_data() == pattern(block)
    assert host.command(12) == b"\x00"
    host.ready()
    assert host.command(17, 7 * unit) == b"\x00"
    assert host.read_data() == pattern(7)
    assert host.command(13, extra=1) == b"\x00\x00"
    assert medium.read(9) == pattern(9)
    assert medium.wear[0] == 5


def test_time_is_taken(medium):
    host = started(medium, "ordinary")
    before = host.cycle
    host.command(24, 0)
    host.write_data(pattern(0))
    host.ready()
    assert host.cycle - before >= PROFILES["ordinary"].single_write_us * 64
    before = host.cycle
    host.command(17, 0)
    host.read_data()
    assert host.cycle - before >= PROFILES["ordinary"].access_us * 64


def test_refusals(medium):
    host = started(medium)
    assert host.command(17, medium.blocks) == b"\x40"
    assert host.command(13, extra=1) == b"\x00\x80"
    assert host.command(5) == b"\x04"
    assert host.command(59, 1) == b"\x00"
    assert host.command(17, 0, crc=1) == b"\x08"
    host.command(24, 0)
    assert host.write_data(pattern(1), crc=b"\0\0") == 0x0B
    assert medium.read(0) == bytes(512)


def test_write_protection_and_end_of_card(medium):
    host = started(medium, write_protected=True)
    host.command(24, 0)
    assert host.write_data(pattern(1)) == 0x0D
    assert host.command(13, extra=1) == b"\x00\x20"
    host = started(medium)
    host.command(25, medium.blocks - 1)
    assert host.write_data(pattern(1), 0xFC) == 5
    host.ready()
    assert host.write_data(pattern(2), 0xFC) == 0x0D
    assert host.command(12) == b"\x00"
    host.ready()
    assert host.command(13, extra=1) == b"\x00\x80"
    host.command(18, medium.blocks - 1)
    assert host.read_data() == pattern(1)
    assert host.wait_for(0xFF) == 0x08


@pytest.mark.parametrize("megabytes, high_capacity", [(8, True), (64, True), (8, False), (1024, False), (2048, False)])
def test_csd_tells_the_capacity(tmp_path, megabytes, high_capacity):
    medium = Medium(tmp_path / "sd.img", megabytes)
    host = started(medium, high_capacity=high_capacity)
    host.command(9)
    csd = host.read_data(16)
    assert crc7(csd[:15]) << 1 | 1 == csd[15]
    word = int.from_bytes(csd, "big")

    def field(high, low):
        return word >> low & ((1 << (high - low + 1)) - 1)

    if high_capacity:
        assert field(127, 126) == 1
        assert (field(69, 48) + 1) * 512 * 1024 == megabytes << 20
    else:
        assert (field(73, 62) + 1) * (1 << field(49, 47) + 2) * (1 << field(83, 80)) == megabytes << 20
    host.command(58, extra=4)
    medium.close()


def test_high_speed_has_to_be_switched_on(medium):
    host = started(medium)
    host.per_byte = 16  # 32 MHz
    host.command(24, 3)
    assert host.write_data(pattern(3)) == 0x0B
    host.per_byte = FAST
    assert host.command(6, 0x80FFFFF1) == b"\x00"
    status = host.read_data(64)
    assert status[16] & 0xF == 1
    host.per_byte = 16
    host.command(24, 3)
    assert host.write_data(pattern(3)) == 5
    host.ready()
    host.command(17, 3)
    assert host.read_data() == pattern(3)
    assert started(medium, "bad").command(6, 0x80FFFFF1) == b"\x04"


def test_injected_faults_happen_once(medium):
    host = started(medium)
    host.command(24, 2)
    host.write_data(pattern(2))
    host.ready()
    host.card.injected.read_flips.append((2, 100))
    host.command(17, 2)
    with pytest.raises(ValueError, match="CRC16"):
        host.read_data()
    host.card.injected.silent_flips.append((2, 100))
    host.command(17, 2)
    damaged = host.read_data()
    assert [i for i in range(512) if damaged[i] != pattern(2)[i]] == [12]
    host.command(17, 2)
    assert host.read_data() == pattern(2)
    host.card.injected.refuse_writes = 1
    host.command(24, 2)
    assert host.write_data(pattern(9)) == 0x0D
    host.command(24, 2)
    assert host.write_data(pattern(9)) == 5


def test_registers_are_readable(medium):
    host = started(medium)
    host.command(10)
    assert len(host.read_data(16)) == 16
    host.command(55)
    host.command(51)
    assert host.read_data(8)[1] & 0x0F == 0x05
    host.command(55)
    host.command(13, extra=1)
    assert len(host.read_data(64)) == 64


def test_erase(medium):
    medium.write(4, pattern(4))
    medium.write(5, pattern(5))
    host = started(medium)
    host.command(32, 4)
    host.command(33, 4)
    assert host.command(38) == b"\x00"
    host.ready()
    assert medium.read(4) == bytes(512) and medium.read(5) == pattern(5)
