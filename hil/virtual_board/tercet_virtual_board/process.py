# SPDX-License-Identifier: GPL-2.0-or-later
"""The board process: one loop that runs the chip in slices and serves its wires in between.

Bytes of the outside enter at the end of a slice, at a virtual time that the wall clock decides; a run repeats exactly
when its input comes from a script (`--input`), whose bytes carry their times.
"""

import json
import os
import select
import signal
import sys
import time

from tercet_virtual_board import crash, faults, image
from tercet_virtual_board.card_slot import CardSlot
from tercet_virtual_board.debug import DebugPort
from tercet_virtual_board.engine import Chip, Stop
from tercet_virtual_board.faults import Faults
from tercet_virtual_board.meter_wire import MeterWire
from tercet_virtual_board.options import Options
from tercet_virtual_board.pace import Pace
from tercet_virtual_board.probe.server import ProbeServer
from tercet_virtual_board.serial_wire import SerialWire
from tercet_virtual_board.state import State
from tercet_virtual_board.supply import Supply
from tercet_virtual_board.truth import Truth

SLICE_CYCLES = 128_000  # 2 ms
SAVE_S = 1.0
CYCLES_PER_MS = 64_000
LOCKUP_BIT = 8


class BoardProcess:
    """One board with its wires. `run()` returns the exit code of the process."""

    def __init__(self, options: Options):
        self.options = options
        self.state = State(options.state)
        self.chip = Chip(options.ram_kb, options.seed, options.cycle_model)
        if options.spim3_errata:
            self.chip.call("spim3_errata")
        self.state.restore(self.chip)
        if options.image:
            for address, data in image.load(options.image):
                self.chip.load(address, data)
        self.card_slot = CardSlot(self.chip, options)
        self.serial = SerialWire(self.chip, options)
        self.supply = Supply(self.chip, self.card_slot)
        self.meter = MeterWire(self.chip, options, self.supply)
        self.probe = ProbeServer(DebugPort(self.chip), options.name)
        self.pace = Pace(options.pace == "realtime", options.stop_at_ms is not None)
        self.slice_cycles = SLICE_CYCLES  # how late the outside may be noticed
        self.truth = Truth(options.truth, self.chip, self.meter) if options.truth else None
        self._stopping = False
        self._saved_at = time.monotonic()
        self._lockups = 0
        self.chip.call("reset", 0)
        self.first_reset = self.chip.view().reset_count
        self.faults = Faults(self, faults.load(options.faults) if options.faults else [])
        self._end = int(options.stop_at_ms * CYCLES_PER_MS) if options.stop_at_ms is not None else None

    def run(self) -> int:
        """Announces the board, runs it until SIGTERM or SIGINT, and keeps its flash."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(self, "_stopping", True))
        self._announce()
        code = 0
        try:
            while not self._stopping and code == 0:
                code = self._slice()
        finally:
            self.state.save(self.chip)
            if self._end is not None:
                (self.state.folder / "digest.json").write_text(json.dumps(self.chip.digest()) + "\n")
            if self.options.faults:
                (self.state.folder / "faults.json").write_text(json.dumps(self.faults.report()) + "\n")
            self._tell_violations()
            self.close()
        return code

    def _tell_violations(self) -> None:
        count = self.chip.view().spim3_violations
        if count:
            print(f"{self.options.name}: {count} SPIM3 transfers were corrupted (erratum 198): the CPU touched the 8 KB of "
                  "RAM that held what was sent", file=sys.stderr)

    def close(self) -> None:
        """Gives all wires back."""
        if self.truth:
            self.truth.close()
        self.card_slot.close()
        self.probe.close()
        self.serial.close()
        self.meter.close()
        self.chip.close()

    def _announce(self) -> None:
        ready = {
            "name": self.options.name, "pid": os.getpid(), "serial": self.serial.path, "meter": self.meter.path,
            "probe": self.probe.address, "sd": self.card_slot.path,
        }
        print(json.dumps(ready), flush=True)

    def _slice(self) -> int:
        cycle = self.chip.view().cycle
        if self.serial.receive(cycle):
            self.pace.exchanged(cycle)
        if not self.meter.blocked():
            end = cycle + self.slice_cycles
            stop = self.chip.run(end if self._end is None else min(end, self._end))
            if stop == Stop.REPORT:
                return self._crashed()
            self.faults.apply_due()
            self.faults.check_counters()
        view = self.chip.view()
        if self.truth:
            self.truth.note(view.cycle, None)
        self._stopping |= self._end is not None and view.cycle >= self._end
        if self.serial.send(view.cycle) or self.card_slot.was_used():
            self.pace.exchanged(view.cycle)
        self.meter.serve()
        self._wait(self.pace.wait_s(view.cycle, view.slept_cycles))
        if time.monotonic() - self._saved_at > SAVE_S:
            self.state.save(self.chip)
            self._saved_at = time.monotonic()
        return 0

    def _wait(self, seconds: float) -> None:
        """Waits for time to pass or for a wire to bring something; serves the probe."""
        if self.meter.blocked():
            seconds = max(seconds, 0.001)
        readable = [*self.probe.filenos(), *self.serial.filenos(), *self.meter.filenos()]
        ready, _, _ = select.select(readable, self.probe.write_filenos(), [], min(seconds, 0.01))
        while ready and self.probe.handle_ready():
            self.pace.exchanged(self.chip.view().cycle)
            if not self.chip.view().halted:
                break
            ready, _, _ = select.select(self.probe.filenos(), [], [], 0.0005)

    def _crashed(self) -> int:
        view = self.chip.view()
        path = self.state.write_report(crash.describe(self.chip))
        print(f"{self.options.name}: {self.chip.report}\nreport: {path}", file=sys.stderr, flush=True)
        if not view.locked_up:
            return 1
        # The chip resets itself after a lock-up. One that locks up again and again is left standing for the probe.
        self._lockups += 1
        if self._lockups < 3:
            self.chip.call("reset", LOCKUP_BIT)
        return 0
