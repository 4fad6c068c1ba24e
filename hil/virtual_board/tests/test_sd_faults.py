# SPDX-License-Identifier: GPL-2.0-or-later
"""What injected faults do to a card."""

import pytest
from sd_host import started
from tercet_virtual_board.sd.sampling import seen, shift


def test_a_block_that_power_interrupts_is_torn(medium):
    host = started(medium)
    host.command(24, 5)
    assert host.write_data(b"\x11" * 512) == 5
    host.ready()
    host.card.power_off(host.cycle)
    assert medium.read(5) == b"\x11" * 512  # it was programmed
    host.initialise()
    host.command(24, 5)
    assert host.write_data(b"\x22" * 512) == 5
    host.card.power_off(host.cycle)
    torn = medium.read(5)
    assert torn == b"\x22" * torn.count(0x22) + b"\x11" * torn.count(0x11)
    assert torn.count(0x11) > 0


@pytest.mark.parametrize("bit", range(0, 48, 5))
def test_a_command_with_a_flipped_bit_is_never_obeyed(medium, bit):
    medium.write(9, b"\x33" * 512)
    host = started(medium)
    assert host.command(59, 1) == b"\x00"
    host.card.injected.command_flips.append(bit)
    host.card.select(0)
    try:
        assert host.command(17, 9) == b"\x08"
    except TimeoutError:
        assert bit in (6, 7)  # no start bit, no command
    host.card.select(1)
    assert host.card.injected.flips_met == 1
    assert host.command(17, 9) == b"\x00"
    assert host.read_data() == b"\x33" * 512


def test_a_block_that_is_damaged_on_its_way_is_refused(medium):
    host = started(medium)
    host.command(59, 1)
    host.card.injected.write_flips.append((None, 4099))
    host.command(24, 5)
    assert host.write_data(b"\x44" * 512) == 0x0B
    assert medium.read(5) == bytes(512)
    host.command(24, 5)
    assert host.write_data(b"\x44" * 512) == 5


def test_noise_of_a_fast_clock_spares_a_slow_one(medium):
    medium.write(9, b"\x55" * 512)
    host = started(medium)
    host.command(59, 1)
    host.command(6, 0x80FFFFF1)
    assert host.read_data(64)[16] & 0xF == 1
    host.card.injected.fast_noise_every = 2
    slow = host.per_byte
    host.per_byte = 16  # 32 MHz
    assert host.command(17, 9) == b"\x00"
    assert host.read_data() == b"\x55" * 512
    host.command(17, 9)
    with pytest.raises(ValueError, match="CRC16"):
        host.read_data()
    for answer in (5, 0x0B):
        host.command(24, 5)
        assert host.write_data(b"\x66" * 512) == answer
        host.ready()
    host.per_byte = slow
    for _ in range(4):
        host.command(17, 9)
        assert host.read_data() == b"\x55" * 512
    assert host.card.injected.flips_met == 2


def test_what_a_bus_sees_depends_on_when_it_samples():
    at = {hz: 64_000_000 * 8 // hz for hz in (250_000, 8_000_000, 16_000_000, 32_000_000)}
    assert {shift(per_byte, False, delay) for hz, per_byte in at.items() if hz < 32_000_000 for delay in (0, 1, 2)} == {0}
    # at high speed the line moves at the edge at which it is sampled
    assert [shift(at[hz], True, 0) for hz in at] == [0, 0, 0, 0]
    assert [shift(at[hz], True, 2) for hz in at] == [1, 1, 1, 1]
    # at default speed there is one moment at 32 MHz, which no card warrants
    assert [shift(at[32_000_000], False, delay) for delay in (0, 1, 2)] == [-1, 0, 1]
    assert seen(b"\xfe\x81", at[32_000_000], True, 0) == b"\xfe\x81"
    assert seen(b"\xfe\x81", at[32_000_000], True, 1) == b"\xfd\x03"
