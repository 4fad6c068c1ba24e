# SPDX-License-Identifier: GPL-2.0-or-later
"""Hours of virtual time, outside CI, across the wraps of RTC (512 s), cycle counter (67 s) and ticks.

    make soak                                      # a day mostly asleep, two hours of training with pages on the card
    make soak SLEEP_HOURS=1 WORK_HOURS=0.1
    python hil/virtual_board/soak.py --image build/firmware/nrf52840/firmware.hex --sleep-hours 24
    python hil/virtual_board/soak.py --image FIRMWARE --work-hours 2 --client 'COMMAND --bench {bench}'

While the board sleeps, the soak reads its clock every five virtual seconds. While it works, a client of your choice does
whatever it does through the board's wires (a bench file names them) until it ends; it is started again until the hours
are over. The soak fails when the board's clock drifts from virtual time by more than a slice, when memory grows by more
than 8 MB, when the board is silent for ten virtual minutes, when it leaves a report, or when the client fails.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from tercet_virtual_board.options import Options
from tercet_virtual_board.process import BoardProcess

CYCLES_PER_MS = 64_000
CLOCK = "import time;print('@', time.time_ns() // 1000000)"
SLEEP = f"""import time
while True:
    {CLOCK.split(";")[1]}
    time.sleep_ms(4999)
"""
GROWTH_KB = 8192
SILENCE_MS = 600_000
BENCH = """[bench]
target = "nrf52840dk"
serial = "{serial}"
probe = "remote:{probe}"
[meter]
kind = "ppk2"
port = "{meter}"
volts = 3.0
card_on_rail = true
"""


def resident_kb() -> int:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4


class Soak:
    """A board at work and what is watched about it."""

    def __init__(self, firmware: Path, folder: Path, line: str):
        options = Options(name="soak", state=folder, image=firmware, pace="max", line=line)
        self.board = BoardProcess(options)
        if line == "direct":  # nobody waits at the other end: sleep takes no wall time, and slices may be long
            self.board.pace._alone = True
            self.board.slice_cycles = 100 * CYCLES_PER_MS
        self._heard = bytearray()
        self.board.serial.hear = self._hear
        self._resets, self._reset_ms = 0, 0.0
        self._boot_ms: float | None = None  # from reset to the start of the board's clock
        self._memory_kb = 0
        self._told_at = self._silent_since = 0.0
        self.drift_ms = 0.0
        self.run_ms(1000)

    @property
    def now_ms(self) -> float:
        """Virtual time."""
        return self.board.chip.view().cycle / CYCLES_PER_MS

    def _hear(self, data: bytes) -> None:
        if not data:
            return
        self._silent_since = self.now_ms
        self._heard = (self._heard + data)[-4096:]
        said = re.findall(rb"@ (\d+)\r\n", self._heard)
        if said:
            self._heard.clear()
            offset_ms = self.now_ms - self._reset_ms - int(said[-1])
            self._boot_ms = offset_ms if self._boot_ms is None else self._boot_ms
            self.drift_ms = offset_ms - self._boot_ms

    def slice(self) -> None:
        """One slice of the board's loop and a look at everything. Raises AssertionError."""
        assert self.board._slice() == 0, self.board.chip.report
        view = self.board.chip.view()
        if view.halted or view.reset_count != self._resets:  # a probe resets, halts, and lets the board go a while later
            self._resets, self._reset_ms = view.reset_count, self.now_ms
        assert abs(self.drift_ms) * CYCLES_PER_MS < 3 * self.board.slice_cycles, f"the clock drifted by {self.drift_ms} ms"
        assert self.now_ms - self._silent_since < SILENCE_MS, "the board fell silent"
        if self.now_ms - self._told_at > SILENCE_MS:
            self._told_at = self.now_ms
            memory = resident_kb()
            self._memory_kb = self._memory_kb or memory
            assert memory - self._memory_kb < GROWTH_KB, f"memory grew from {self._memory_kb} to {memory} KB"
            print(f"  {self.now_ms / 3600e3:.2f} h, drift {self.drift_ms:+.1f} ms, {memory} KB", file=sys.stderr)

    def run_ms(self, milliseconds: float) -> None:
        """Lets so much virtual time pass."""
        end = self.now_ms + milliseconds
        while self.now_ms < end:
            self.slice()

    def type(self, text: str) -> None:
        """Types at the board's console, past the line."""
        self.board.chip.serial_give(text.encode(), self.board.chip.view().cycle)
        self.run_ms(300)

    def serve(self, client: str) -> None:
        """Runs a client to its end. Raises AssertionError with its last words when it fails."""
        bench = self.board.state.folder / "bench.toml"
        wires = {"serial": self.board.serial.path, "meter": self.board.meter.path, "probe": self.board.probe.address}
        bench.write_text(BENCH.format(**wires))
        with tempfile.TemporaryFile() as words:
            process = subprocess.Popen(shlex.split(client.format(bench=bench)), stdout=words, stderr=words)
            try:
                while process.poll() is None:
                    self.slice()
            finally:
                process.kill()
            words.seek(0)
            assert process.returncode == 0, f"the client failed: {words.read()[-1000:].decode()}"


def sleeping(firmware: Path, folder: Path, hours: float) -> Soak:
    """A board that wakes every five seconds to tell its clock."""
    soak = Soak(firmware, folder, "direct")
    soak.type(f"\x05{SLEEP}\x04")
    soak.run_ms(hours * 3600e3)
    return soak


def working(firmware: Path, folder: Path, hours: float, client: str) -> Soak:
    """A board that a client keeps at work; its clock is read before and after."""
    soak = Soak(firmware, folder, "usb")
    while soak.now_ms < hours * 3600e3:
        soak.type(f"\r\x03\x03\x02{CLOCK}\r\n")
        soak.serve(client)
        soak.type(f"\r\x03\x03\x02{CLOCK}\r\n")
    return soak


def tell(what: str, soak: Soak, cpu_s: float) -> None:
    """Prints what was seen."""
    view = soak.board.chip.view()
    print(f"{what}: {soak.now_ms / 3600e3:.2f} h of virtual time in {cpu_s:.0f} s of CPU time; {view.instructions:.3e} "
          f"instructions, {view.exceptions_taken} exceptions, {view.slept_cycles / view.cycle:.1%} asleep, {view.reset_count} "
          f"resets; clock within {abs(soak.drift_ms):.1f} ms; memory {soak._memory_kb} -> {resident_kb()} KB")
    soak.board.close()


def main() -> None:
    """Runs what was asked for; an AssertionError is the verdict."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--sleep-hours", type=float, default=0)
    parser.add_argument("--work-hours", type=float, default=0)
    parser.add_argument("--client", default="", help="a command; {bench} stands for the bench file")
    given = parser.parse_args()
    for what, hours, start in (("asleep", given.sleep_hours, sleeping),
                               ("at work", given.work_hours, lambda *a: working(*a, given.client))):
        if hours:
            cpu = time.process_time()
            with tempfile.TemporaryDirectory() as folder:
                tell(what, start(given.image, Path(folder), hours), time.process_time() - cpu)


if __name__ == "__main__":
    main()
