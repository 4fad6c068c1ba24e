# SPDX-License-Identifier: GPL-2.0-or-later
"""Faults to inject, from a file of JSON lines.

Each line names one fault and when it happens: at a virtual time (`"at_ms": 12.5`) or when a counter reaches a value
(`"after": {"sd_blocks_written": 3}`; counters: sd_blocks_written, sd_blocks_read, console_bytes, resets). Both are
moments of virtual time, so a run with the same input meets the same fault at the same place. `"every_ms": 7` brings the fault
back for ever, so many milliseconds after each time (0.1 at least).

    {"fault": "power_cut", "at_ms": 500, "for_ms": 20}          supply of chip and card away; RAM is lost, a block that the
        card was programming is torn
    {"fault": "brown_out", "at_ms": 500}                        a dip: chip and card restart, RAM stays
    {"fault": "sd_bit_flip", "after": {"sd_blocks_read": 2}, "block": 7, "bit": 100}   block: any when left out;
        `"silent": true`: the CRC fits, as when the card itself forgot the bit; `"way": "write"`: in a block on its way to
        the card; `"way": "command"`: in a command's 48 bits
    {"fault": "sd_refuse_write", "at_ms": 1, "count": 1}
    {"fault": "sd_timeout", "at_ms": 1, "for_ms": 400}          the card answers no command
    {"fault": "sd_stall", "at_ms": 1, "for_ms": 250}            the next block takes so much longer
    {"fault": "sd_fast_noise", "at_ms": 1, "every": 3, "for_ms": 500}   above 25 MHz one block in so many has a wrong bit
    {"fault": "sd_removed", "at_ms": 1, "for_ms": 30}           for good without for_ms
    {"fault": "sd_swapped", "at_ms": 1, "image": "other.img"}
    {"fault": "uart_lost", "at_ms": 1, "to": "board", "count": 1}    to: board or host
    {"fault": "uart_flip", "at_ms": 1, "to": "host", "bit": 0}
    {"fault": "meter_lost", "at_ms": 1, "count": 64}
    {"fault": "meter_silent", "at_ms": 1, "for_ms": 500}        the meter neither obeys nor sends
    {"fault": "meter_overshoot", "at_ms": 1, "share": 2}        after range switches it shows more than the step, by this share
    {"fault": "meter_load", "at_ms": 1, "ua": 200, "for_ms": 5} something else on the rail draws so many microamperes
    {"fault": "marker_stuck", "at_ms": 1, "pin": 0, "level": 0, "for_ms": 1}   a logic input of the meter (D0..D7) is off its wire
    {"fault": "clock_drift", "at_ms": 0, "ppm": 40}             the meter's clock against the board's

What has come to pass stands in `faults.json` of the state folder once the board has stopped: a list of
`{"fault","at_ms","console_bytes"}`, and how many flips met a transfer.
"""

import bisect
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tercet_virtual_board.process import BoardProcess

CYCLES_PER_MS = 64_000
COUNTERS = {"sd_blocks_written", "sd_blocks_read", "console_bytes", "resets"}
FIELDS = {
    "power_cut": {"for_ms"}, "brown_out": set(), "sd_bit_flip": {"block", "bit", "silent", "way"}, "sd_refuse_write": {"count"},
    "sd_timeout": {"for_ms"}, "sd_stall": {"for_ms"}, "sd_fast_noise": {"every", "for_ms"},
    "sd_removed": {"for_ms"}, "sd_swapped": {"image"},
    "uart_lost": {"to", "count"}, "uart_flip": {"to", "bit"}, "meter_lost": {"count"}, "clock_drift": {"ppm"},
    "meter_silent": {"for_ms"}, "meter_overshoot": {"share"}, "meter_load": {"ua", "for_ms"},
    "marker_stuck": {"pin", "level", "for_ms"},
}


class FaultFileError(ValueError):
    """A line of the faults file is not understood."""


def load(path: Path) -> list[dict]:
    """The faults of a file. Raises FaultFileError with the line's number."""
    faults = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            fault = json.loads(line)
            fields = FIELDS[fault["fault"]]
            unknown = set(fault) - fields - {"fault", "at_ms", "after", "every_ms"}
            if unknown or ("at_ms" in fault) == ("after" in fault) or not set(fault.get("after", {})) <= COUNTERS:
                raise ValueError(f"unknown {sorted(unknown)}" if unknown else "one of at_ms and after is needed")
            if fault.get("every_ms", 1) < 0.1:
                raise ValueError("every_ms is at least 0.1")
        except (ValueError, KeyError, TypeError) as error:
            raise FaultFileError(f"{path}, line {number}: {error}") from error
        faults.append(fault)
    return faults


class Faults:
    """Applies faults to a board when their time has come."""

    def __init__(self, board: "BoardProcess", faults: list[dict]):
        self._board = board
        self._timed: list[tuple[int, Callable[[], None]]] = []
        self._waiting = [fault for fault in faults if "after" in fault]
        self._happened: list[dict] = []
        for fault in faults:
            if "at_ms" in fault:
                self._at(int(fault["at_ms"] * CYCLES_PER_MS), self._action(fault))
        if any(name.startswith("sd_blocks") for fault in self._waiting for name in fault["after"]):
            board.card_slot.on_block = self.check_counters

    def _action(self, fault: dict) -> Callable[[], None]:
        def act() -> None:
            self._apply(fault)
            if "every_ms" in fault:
                self._at(self._board.chip.view().cycle + int(fault["every_ms"] * CYCLES_PER_MS), act)

        return act

    def _apply(self, fault: dict) -> None:
        at_ms = self._board.chip.view().cycle / CYCLES_PER_MS
        self._happened.append({"fault": fault["fault"], "at_ms": at_ms, "console_bytes": self._board.serial.bytes_sent})
        getattr(self, f"_{fault['fault']}")(fault)

    def report(self) -> dict:
        """`{"happened": [{"fault","at_ms","console_bytes"}], "flips_met": n}`: flips met by transfers of the present card."""
        card = self._board.card_slot.card
        return {"happened": self._happened, "flips_met": card.injected.flips_met if card else 0}

    def _at(self, cycle: int, action: Callable[[], None]) -> None:
        bisect.insort(self._timed, (cycle, action), key=lambda entry: entry[0])
        self._board.chip.call("fault_at", self._timed[0][0])

    def _later(self, fault: dict, action: Callable[[], None]) -> None:
        if "for_ms" in fault:
            self._at(self._board.chip.view().cycle + int(fault["for_ms"] * CYCLES_PER_MS), action)

    def apply_due(self) -> None:
        """Applies what is due; the chip has stopped exactly then."""
        cycle = self._board.chip.view().cycle
        while self._timed and self._timed[0][0] <= cycle:
            self._timed.pop(0)[1]()
        if self._timed:
            self._board.chip.call("fault_at", self._timed[0][0])

    def check_counters(self) -> None:
        """Applies the faults whose counter has been reached."""
        if not self._waiting:
            return
        counters = {**self._board.card_slot.counters, "console_bytes": self._board.serial.bytes_sent,
                    "resets": self._board.chip.view().reset_count - self._board.first_reset}
        for fault in list(self._waiting):
            if all(counters[name] >= value for name, value in fault["after"].items()):
                self._waiting.remove(fault)
                self._action(fault)()

    def _power_cut(self, fault: dict) -> None:
        self._board.supply.switch(False)
        self._later({"for_ms": 10, **fault}, lambda: self._board.supply.switch(True))

    def _brown_out(self, fault: dict) -> None:
        del fault
        self._board.chip.call("brown_out")
        self._board.card_slot.power(True)

    def _sd_bit_flip(self, fault: dict) -> None:
        if not self._board.card_slot.card:
            return
        injected, bit = self._board.card_slot.card.injected, fault.get("bit", 0)
        if fault.get("way") == "command":
            injected.command_flips.append(bit % 48)
            return
        flips = {"write": injected.write_flips, "read": injected.read_flips}[fault.get("way", "read")]
        (injected.silent_flips if fault.get("silent") else flips).append((fault.get("block"), bit))

    def _sd_refuse_write(self, fault: dict) -> None:
        if self._board.card_slot.card:
            self._board.card_slot.card.injected.refuse_writes += fault.get("count", 1)

    def _sd_timeout(self, fault: dict) -> None:
        card = self._board.card_slot.card
        if card:
            card.timed_out = True
            self._later(fault, lambda: setattr(card, "timed_out", False))

    def _sd_stall(self, fault: dict) -> None:
        if self._board.card_slot.card:
            self._board.card_slot.card.injected.stall_us += int(fault.get("for_ms", 250) * 1000)

    def _sd_fast_noise(self, fault: dict) -> None:
        card = self._board.card_slot.card
        if card:
            card.injected.fast_noise_every = fault.get("every", 1)
            self._later(fault, lambda: setattr(card.injected, "fast_noise_every", 0))

    def _sd_removed(self, fault: dict) -> None:
        self._board.card_slot.remove()
        self._later(fault, self._board.card_slot.insert_image)

    def _sd_swapped(self, fault: dict) -> None:
        self._board.card_slot.insert_image(Path(fault["image"]))

    def _uart_lost(self, fault: dict) -> None:
        self._board.serial.damage(fault.get("to", "board"), lost=fault.get("count", 1))

    def _uart_flip(self, fault: dict) -> None:
        self._board.serial.damage(fault.get("to", "board"), flip=1 << fault.get("bit", 0))

    def _meter_lost(self, fault: dict) -> None:
        self._board.meter.meter.drop_samples(fault.get("count", 1))

    def _meter_silent(self, fault: dict) -> None:
        self._board.meter.silent = True
        self._later(fault, lambda: setattr(self._board.meter, "silent", False))

    def _meter_overshoot(self, fault: dict) -> None:
        self._board.meter.meter.front_end.overshoot = float(fault.get("share", 1.0))

    def _meter_load(self, fault: dict) -> None:
        self._set_load(float(fault.get("ua", 1000.0)))
        self._later(fault, lambda: self._set_load(0.0))

    def _set_load(self, microamperes: float) -> None:
        self._board.meter.take()  # what has flowed so far came without it
        self._board.meter.load_ua = microamperes

    def _marker_stuck(self, fault: dict) -> None:
        mask = 1 << fault.get("pin", 0)
        self._set_stuck((mask, mask if fault.get("level", 0) else 0))
        self._later(fault, lambda: self._set_stuck((0, 0)))

    def _set_stuck(self, mask_and_levels: tuple[int, int]) -> None:
        self._board.meter.take()
        self._board.meter.stuck = mask_and_levels

    def _clock_drift(self, fault: dict) -> None:
        self._board.meter.meter.drift_ppm = float(fault["ppm"])
