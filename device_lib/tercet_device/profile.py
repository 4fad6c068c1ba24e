# SPDX-License-Identifier: Apache-2.0
"""Runs operators one by one, each in a marked region, through the same steps that training takes.

A job is a JSON file; `plans` is a file of plans, `cases` says where each lies: [offset, length, arena bytes, integer
ranges], the ranges [first byte, bytes] of the arena that hold integers and are cleared before.
"""

import gc
import json
from array import array
from time import sleep_ms, sleep_us, ticks_diff, ticks_us

from tercet_device import kernels, trace
from tercet_device.arena import Arena, settle
from tercet_device.errors import DeviceError
from tercet_device.places import open_card, open_data, open_pager, open_store
from tercet_device.plan import Plan
from tercet_device.step import Step

_LINE_VALUES = 64


class _Case:
    def __init__(self, profile, plan, nbytes, integers):
        self.step = Step(plan, profile.arena, profile.data, profile.pager, profile.markers, kernels, profile.hyper)
        self.nbytes, self.integers = nbytes, integers

    def run(self, profile, marked):
        """Microseconds of one pass through the plan."""
        memory = profile.arena.memory
        profile.refill(self.nbytes)
        for first, nbytes in self.integers:
            kernels.fill(memoryview(memory)[first : first + nbytes], 0)
        samples = profile.batch(self.step.plan.batch)
        self.step.mark(marked)
        # as before each metered step: how long a call's frame is looked for depends on what was left behind
        gc.collect()
        if marked:
            sleep_us(profile.dither())
            profile.markers.region(True)
        begun = ticks_us()
        self.step.run(samples)
        time = ticks_diff(ticks_us(), begun)
        if marked:
            profile.markers.region(False)
        return time


class Profile:
    """A job made ready: arena filled with moderate numbers, plans loaded, data and page store open."""

    def __init__(self, job):
        self.job = job
        self.arena = Arena(job["arena_bytes"], kernels)
        self._block = self._pattern()
        self.hyper = array("f", job["hyper"])
        self.markers = trace.Markers(job.get("markers"))
        card = open_card(job["card"]) if job.get("card") else None
        self.data = open_data(job["data"], card) if job.get("data") else None
        if self.data:
            self.data.order.shuffle(1)
        self._at = 0
        self._chance = 1
        store = open_store(job.get("store"), job["page_blocks"], card)
        self.card = card or store and store.device
        self.pager = open_pager(store, job["pages"], job["encrypted"], job["overlap"])
        self._plans = open(job["plans"], "rb")

    def case(self, k):
        """Case `k`, its plan read anew: beside a large arena there is no room for all of them."""
        offset, length, nbytes, integers = self.job["cases"][k]
        self._plans.seek(0)  # see data.py
        self._plans.seek(offset)
        return _Case(self, Plan(self._plans.read(length), kernels), nbytes, integers)

    def _pattern(self):
        """A kilobyte of numbers between -1 and 1 that are neither zero nor regular."""
        row, state = bytearray(256), 1
        for i in range(256):
            state = 16380 * (state & 0xFFFF) + (state >> 16)
            row[i] = state & 0xFF
        block = bytearray(1024)
        kernels.u8_to_f32(block, 0, row, array("f", (1 / 128, -0.99)))
        return block

    def refill(self, nbytes):
        """Fills the first `nbytes` with the pattern: some operators take longer for some numbers, and each destroys its own."""
        memory, block = self.arena.memory, self._block
        for offset in range(0, nbytes, 1024):
            part = min(1024, nbytes - offset)
            memory[offset : offset + part] = block[:part] if part < 1024 else block

    def batch(self, size):
        """The next `size` samples in shuffled order."""
        if not self.data:
            return ()
        if self._at + size > self.data.training:
            self._at = 0
        self._at += size
        return [self.data.order[i] for i in range(self._at - size, self._at)]

    def dither(self):
        """0 to 99 microseconds by chance.

        Rounds of one length that is a multiple of the meter's sample would all be sampled at the same places, and their errors,
        being equal, would show in no interval.
        """
        self._chance = 75 * self._chance % 65537
        return self._chance % 100

    def rounds(self, rounds, marked):
        """Tells the microseconds of each case, `rounds` times over, the cases interleaved."""
        count = len(self.job["cases"])
        times = array("I", bytes(4 * rounds * count))
        idle = self.job.get("baseline_ms", 50)
        if marked:
            self.markers.preamble()
            sleep_ms(idle)
        for i in range(rounds):
            for k in range(count):
                times[i * count + k] = self.case(k).run(self, marked)
        if marked:
            sleep_ms(idle)
        for first in range(0, len(times), _LINE_VALUES):
            trace.emit("times", first=first, us=list(times[first : first + _LINE_VALUES]))


def main(path):
    """Runs the job in `path`; an error is its last line."""
    try:
        with open(path) as stream:
            job = json.load(stream)
        gc.collect()
        profile = Profile(job)
        settle()
        trace.emit("ready", heap_free=gc.mem_free())
        profile.rounds(job["rounds"], job["marked"])
        bytes_out, _, retries = profile.pager.tally()
        card_hz = profile.card.rate()[0] if profile.card else 0
        trace.emit("profiled", bytes_out=bytes_out, retries=retries, card_hz=card_hz)
    except DeviceError as error:
        trace.emit("error", kind=error.kind, text=error.text)
