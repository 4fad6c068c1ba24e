# SPDX-License-Identifier: GPL-2.0-or-later
"""Hours of virtual time, outside CI: a day of mostly sleeping, and hours of work, across the wraps of RTC and CYCCNT.

    python hil/virtual_board/soak.py --image build/firmware/nrf52840/firmware.hex --sleep-hours 24 --work-hours 2

Fails when the board's clock drifts from virtual time by more than 102 ms (it is read every 100), when memory grows by more
than 8 MB, or when the board says nothing for ten virtual minutes.
"""

import argparse
import re
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tercet_virtual_board import image
from tercet_virtual_board.engine import Chip, Stop

MS = 64_000
SLICE_MS = 100
SLEEP = """
import time
for i in range(10**9):
    time.sleep_ms(4999)
    print('@', time.time_ns() // 1000000)
"""
WORK = """
import time, os
def work(n):
    x, d = 0.5, {}
    for i in range(n):
        x = x * 3.7 * (1 - x)
        d[i & 63] = bytearray(40)
    return x
for i in range(10**9):
    work(20000)
    if i % 50 == 0:
        with open('soak.bin', 'wb') as f:
            f.write(os.urandom(600))
    print('@', time.time_ns() // 1000000)
"""


def rss_kb() -> int:
    """Largest resident memory so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def soak(firmware: Path, program: str, hours: float) -> None:
    """Runs one program for so many virtual hours. Raises AssertionError."""
    chip = Chip()
    for address, data in image.load(firmware):
        chip.load(address, data)
    chip.call("reset", 0)
    chip.run(chip.view().cycle + 500 * MS)
    chip.serial_give(b"\x05" + program.encode() + b"\x04", chip.view().cycle)
    end, offset, heard, last = int(hours * 3600e3) * MS, None, b"", chip.view().cycle
    memory, started = None, time.monotonic()
    while chip.view().cycle < end:
        stop = chip.run(chip.view().cycle + SLICE_MS * MS)
        assert stop == Stop.SLICE, chip.report
        heard += chip.serial_take()
        said = re.findall(rb"@ (\d+)\r\n", heard)
        now = chip.view().cycle
        assert now - last < 600_000 * MS, "the board fell silent"
        if said:
            heard, last = b"", now
            difference = now / MS - int(said[-1])
            offset = difference if offset is None else offset
            assert abs(difference - offset) < SLICE_MS + 2, f"the clock drifted by {difference - offset} ms"
            memory = memory or rss_kb()
    assert rss_kb() - memory < 8192, "memory grew"
    view = chip.view()
    print(f"{hours} h virtual in {time.monotonic() - started:.0f} s: {view.instructions} instructions, clock within "
          f"{abs(difference - offset):.1f} ms, memory {memory} -> {rss_kb()} KB")
    chip.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--sleep-hours", type=float, default=24)
    parser.add_argument("--work-hours", type=float, default=2)
    given = parser.parse_args()
    for program, hours in ((SLEEP, given.sleep_hours), (WORK, given.work_hours)):
        if hours:
            soak(given.image, program, hours)
