# SPDX-License-Identifier: GPL-2.0-or-later
"""How fast a card is and what it draws: three profiles, each number with its source.

Sources. [S] SD Physical Layer Simplified Specification 9.10: 4.6.2.1 read access at most 100 ms, 4.6.2.2 write busy at
most 250 ms, 4.2.3 initialisation at most 1 s, 6.6.2 standby and operating currents; [F] notes on card performance in the
SdFat library (file CardPerformance.txt): 850 us a block written in sequence over 8 MHz SPI, of which some 520 us are the
transfer, with busy times of 2 to 3 ms now and then; [A] histogram of single-block reads of a 2 GB card over 8 MHz SPI in
Arduino forum thread 169505: 1.2 to 1.3 ms a block, of which some 600 us are the transfer; [J] "MicroSD performance on
memory-constrained devices", jitter.company, 2019: busy times of seven cards, rare ones of tens to hundreds of ms; [C]
Arduino forum thread 261021 and its answers: 45 mA for cards of low current, 0.07 to 0.2 mA idle. What no source gives is
marked as an estimate. Real cards differ widely: measure yours.
"""

from typing import NamedTuple


class Profile(NamedTuple):
    """Times in us of virtual time, currents in nA."""

    name: str
    init_us: int  # ACMD41 answers "idle" for so long
    access_us: int  # first block of a read
    next_us: int  # each further block of a multiple read
    write_us: int  # busy after a block of a multiple write
    single_write_us: int  # busy after a single block
    stop_us: int  # busy after stop
    stall_every: int  # one block in so many takes long
    stall_us: int  # and how long at most
    erase_us: int
    accepts_switch: bool  # CMD6 in SPI mode
    idle_na: int
    read_na: int
    write_na: int


PROFILES = {
    "good": Profile(
        "good",
        init_us=20_000,  # estimate, [S] allows 1 s
        access_us=150,  # estimate: a quarter of [A]
        next_us=20,  # estimate
        write_us=330,  # [F]: 850 us less transfer
        single_write_us=700,  # estimate: twice [F]
        stop_us=400,  # estimate
        stall_every=2000,  # estimate
        stall_us=3_000,  # [F]
        erase_us=20_000,  # estimate, [S] allows 250 ms
        accepts_switch=True,
        idle_na=70_000,  # [C]
        read_na=30_000_000,  # estimate, below [C]
        write_na=45_000_000,  # [C]
    ),
    "ordinary": Profile(
        "ordinary",
        init_us=100_000,  # estimate
        access_us=600,  # [A]: 1.2 ms less transfer
        next_us=60,  # estimate
        write_us=600,  # estimate: twice [F]
        single_write_us=1_500,  # estimate
        stop_us=1_000,  # estimate
        stall_every=500,  # estimate
        stall_us=20_000,  # [J]
        erase_us=100_000,  # estimate
        accepts_switch=True,
        idle_na=150_000,  # [C]
        read_na=45_000_000,  # [C]
        write_na=60_000_000,  # estimate, [S] allows 100 mA
    ),
    "bad": Profile(
        "bad",
        init_us=500_000,  # estimate
        access_us=2_000,  # estimate, [S] allows 100 ms
        next_us=300,  # estimate
        write_us=1_500,  # estimate
        single_write_us=5_000,  # estimate
        stop_us=5_000,  # estimate
        stall_every=200,  # estimate
        stall_us=250_000,  # [S] the most that is allowed
        erase_us=250_000,  # [S]
        accepts_switch=False,
        idle_na=200_000,  # [C]
        read_na=80_000_000,  # estimate
        write_na=100_000_000,  # [S] the most that is allowed
    ),
}
