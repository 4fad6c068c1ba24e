# SPDX-License-Identifier: Apache-2.0
"""The training loop. A job is a JSON file that the host wrote beside plan, weights and data."""

import gc
import json
import struct
from array import array
from time import sleep_ms, ticks_diff, ticks_us

from tercet_device import kernels, trace, weights
from tercet_device.arena import Arena, settle
from tercet_device.data import DataSet
from tercet_device.errors import DeviceError
from tercet_device.pager import Pager
from tercet_device.plan import Plan
from tercet_device.step import Step
from tercet_device.store import BLOCK_BYTES, DATA_BLOCK, BlockFile, BlockStore, FileStore, find_partition, prepare


def open_card(settings):
    """The card of a job's `store` entry."""
    from machine import SPI, Pin

    from tercet_device.sd import SDCard

    pins = {name: Pin(settings[name]) for name in ("sck", "mosi", "miso")}
    wires = SPI(settings["spi"], **pins), Pin(settings["cs"], Pin.OUT), kernels, settings["baudrate"]
    if settings.get("native"):
        try:
            from tercet_device.native_card import NativeCard

            return NativeCard(*wires, settings["native"])
        except ImportError:
            pass
    return SDCard(*wires)


def open_store(settings, blocks, card=None):
    """The page store that a job asks for, at least `blocks` large; None when the plan pages nothing.

    `card` is the open card when it holds the data set as well.
    """
    if not blocks:
        return None
    if settings is None:
        raise DeviceError("card_missing", "the plan pages %d blocks and the board has no page store" % blocks)
    if settings["kind"] == "file":
        return FileStore(settings["path"], blocks)
    data_too = card is not None
    card = card or open_card(settings)
    first, found = prepare(card, blocks)
    return BlockStore(card, first, min(found, DATA_BLOCK) if data_too else found)


def open_data(place, card):
    """The data set in a file, or behind the pages of the card: `place` is then [bytes, CRC-32], and both must be right."""
    if isinstance(place, str):
        return DataSet(place)
    stream = card_data(card, place)
    if stream is None:
        raise DeviceError("data", "the card does not hold this data set; `tercet deploy` writes it")
    return DataSet("the card's data set", stream)


def card_data(card, place):
    """The data set [bytes, CRC-32] on the card as a stream; None when the card does not hold it.

    The host writes both numbers in a block of their own before the data, as the last thing.
    """
    found = find_partition(card)
    if not found or found[1] < DATA_BLOCK + 1 + -(-place[0] // BLOCK_BYTES):
        return None
    label = bytearray(BLOCK_BYTES)
    card.readblocks(found[0] + DATA_BLOCK, label)
    if label[:12] != struct.pack("<4sII", b"TDSC", *place):
        return None
    return BlockFile(card, found[0] + DATA_BLOCK + 1, place[0])


class Training:
    """A job made ready: plan checked, arena allocated, weights loaded, data and page store open."""

    def __init__(self, job):
        self.job = job
        with open(job["plan"], "rb") as stream:
            plan = Plan(stream.read(), kernels, job.get("board_id"))
        gc.collect()
        self.plan = plan
        self.arena = Arena(plan.arena_bytes, kernels)
        card = open_card(job["card"]) if job.get("card") else None
        self.data = open_data(job["data"], card)
        weights.load(job["weights"], plan, self.arena, kernels)
        store = open_store(job.get("store"), plan.page_blocks, card)
        self.pager = Pager(store, kernels, job["tensors"])
        self.markers = trace.Markers(job.get("markers"))
        self.step = Step(plan, self.arena, self.data, self.pager, self.markers, kernels, array("f", job["hyper"]))
        self._seed, self._at = job["seed"], self.data.training
        self._count = 0
        self._plateaus = job.get("rates", [])
        self._powers = [1.0, 1.0]

    def batch(self):
        """The indices of the next batch; a new order when the samples left do not fill one."""
        size = self.plan.batch
        if self._at + size > self.data.training:
            self._seed, self._at = self.data.shuffle(self._seed), 0
        self._at += size
        return self.data.order[self._at - size : self._at]

    def settings(self):
        """Sets the float settings of the coming step: the rate of its plateau, Adam's corrections."""
        hyper = self.step.hyper
        while self._plateaus and self._plateaus[0][0] <= self._count:
            hyper[0] = self._plateaus.pop(0)[1]
        if hyper[3]:
            powers = self._powers
            for i in range(2):
                powers[i] *= hyper[3 + i]
                hyper[6 + i] = 1.0 - powers[i]
        hyper[10] = self._count
        self._count += 1

    def metered(self, steps):
        """Runs `steps` steps with markers and a silent console and tells their losses and times afterwards."""
        losses, times = array("f", bytes(4 * steps)), array("I", bytes(4 * steps))
        self.step.mark(True)
        self.markers.preamble()
        sleep_ms(self.job.get("baseline_ms", 50))
        for i in range(steps):
            samples = self.batch()
            self.settings()
            gc.collect()
            self.markers.region(True)
            begun = ticks_us()
            losses[i] = self.step.run(samples)[0] / self.plan.batch
            times[i] = ticks_diff(ticks_us(), begun)
            self.markers.region(False)
        sleep_ms(self.job.get("baseline_ms", 50))
        self.step.mark(False)
        trace.emit("metered", losses=list(losses), times_us=list(times), digest=weights.digest(self.plan, self.arena))

    def plain(self, first, last):
        """Runs steps `first` to `last` - 1 and tells the mean loss of each report's steps."""
        every, size = self.job.get("report_every", 10), self.plan.batch
        total = count = 0
        begun = ticks_us()
        for i in range(first, last):
            self.settings()
            total += self.step.run(self.batch())[0]
            count += size
            if (i + 1) % every == 0 or i + 1 == last:
                spent_ms = ticks_diff(ticks_us(), begun) / 1000
                trace.emit("step", step=i + 1, loss=total / count, ms=spent_ms * size / count)
                total = count = 0
                gc.collect()
                begun = ticks_us()

    def evaluate(self):
        """(mean loss, accuracy) over the samples that were held out.

        The last batch is filled with copies of its first sample; a batch of that sample alone tells what they added.
        """
        size, data = self.plan.batch, self.data
        loss = correct = 0
        for first in range(data.training, data.count, size):
            samples = list(range(first, min(first + size, data.count)))
            missing = size - len(samples)
            batch_loss, batch_correct = self.step.run(samples + samples[:1] * missing, False)
            loss, correct = loss + batch_loss, correct + batch_correct
            if missing:
                copy_loss, copy_correct = self.step.run(samples[:1] * size, False)
                loss -= copy_loss * missing / size
                correct -= copy_correct * missing / size
        held_out = data.count - data.training
        return loss / held_out, correct / held_out


def main(path):
    """Runs the job in `path`; everything that happens is told in tagged lines, an error as its last."""
    try:
        with open(path) as stream:
            job = json.load(stream)
        gc.collect()
        free = gc.mem_free()
        training = Training(job)
        settle()
        trace.emit("ready", arena_bytes=training.arena.nbytes, heap_free_before=free, heap_free=gc.mem_free())
        metered = min(job.get("metered_steps", 0), job["steps"])
        if metered:
            training.metered(metered)
        training.plain(metered, job["steps"])
        if job.get("evaluate", True):
            loss, accuracy = training.evaluate()
            trace.emit("evaluated", loss=loss, accuracy=accuracy)
        if job.get("result"):
            weights.save(job["result"], training.plan, training.arena, kernels)
        pager = training.pager
        trace.emit(
            "done", steps=job["steps"], peak_arena_bytes=training.arena.high_water(),
            digest=weights.digest(training.plan, training.arena),
            bytes_out=pager.bytes_out, bytes_in=pager.bytes_in, retries=pager.retries,
        )
    except DeviceError as error:
        trace.emit("error", kind=error.kind, text=error.text)
