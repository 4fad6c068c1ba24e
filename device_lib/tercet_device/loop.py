# SPDX-License-Identifier: Apache-2.0
"""The training loop. A job is a JSON file that the host wrote beside plan, weights and data."""

import gc
import json
import struct
from array import array
from time import sleep_ms, ticks_diff, ticks_us

from tercet_device import kernels, trace
from tercet_device.arena import Arena, reserved_bytes, settle
from tercet_device.curve import Curve
from tercet_device.errors import DeviceError
from tercet_device.places import once, open_card, open_data, open_pager, open_store, open_weights
from tercet_device.plan import Plan
from tercet_device.step import Step
from tercet_device.weights import Weights

# step, seed of the order, place in it, Adam's powers, and the learning curve's sums and best
_STATE = "<III2ddIdII"
# Between so many steps pages move elsewhere on the card.
WANDER_STEPS = 1024


class Training:
    """A job made ready: plan checked, arena allocated, data and page store open, weights loaded or those of the last
    checkpoint where the job is to `resume`.
    """

    def __init__(self, job, resume=False):
        self.job = job
        with open(job["plan"], "rb") as stream:
            plan = Plan(stream.read(), kernels, job.get("board_id"))
        gc.collect()
        self.plan = plan
        self.arena = Arena(plan.arena_bytes, kernels)
        card = self.card = open_card(job["card"]) if job.get("card") else None
        self.data = open_data(job["data"], card)
        store = open_store(job.get("store"), plan.page_blocks, card, job, plan, struct.calcsize(_STATE))
        self.bus = card or store and store.device
        self.pager = open_pager(store, job["tensors"], plan.encrypted, plan.overlap)
        self.weights = Weights(plan, self.arena, self.pager, kernels)
        self.markers = trace.Markers(job.get("markers"))
        self.step = Step(plan, self.arena, self.data, self.pager, self.markers, kernels, array("f", job["hyper"]))
        self._seed = self._order_seed = job["seed"]
        self._at = self.data.training
        self.count = 0
        self._samples = array("H", bytes(2 * plan.batch))
        self._plateaus = job.get("rates", [])
        self._adam = bool(self.step.hyper[3])
        self._powers = [1.0, 1.0]
        self.curve = Curve(job)
        self._state = bytearray(struct.calcsize(_STATE))
        self._log = None
        if job.get("checkpoint"):
            from tercet_device.checkpoint import open_log

            self._log = open_log(job, self._state, self.weights, card)
        if not (resume and self._continue()):
            with open_weights(job["weights"], card) as stream:
                self.weights.load(stream, "the weights file")
            if self._log:
                self._log.clear()

    def _continue(self):
        """Goes back to the last checkpoint; False when there is none."""
        if not self._log or not self._log.load():
            return False
        curve, powers = self.curve, self._powers
        (self.count, self._order_seed, self._at, powers[0], powers[1], curve.total, curve.count, curve.best,
         curve.best_step, curve.misses) = struct.unpack(_STATE, self._state)
        self._seed = self.data.order.shuffle(self._order_seed)
        trace.emit("resumed", step=self.count)
        return True

    def save(self):
        """Writes a checkpoint; a job without them raises DeviceError("checkpoint")."""
        if not self._log:
            raise DeviceError("checkpoint", "the job keeps none; `tercet deploy --checkpoint-every` makes one that does")
        curve, powers = self.curve, self._powers
        struct.pack_into(
            _STATE, self._state, 0, self.count, self._order_seed, self._at, powers[0], powers[1], curve.total, curve.count,
            curve.best, curve.best_step, curve.misses)
        trace.emit("checkpoint", step=self.count, crc=self._log.save())

    def batch(self):
        """The indices of the next batch; a new order when the samples left do not fill one."""
        size = self.plan.batch
        if self._at + size > self.data.training:
            self._order_seed = self._seed
            self._seed, self._at = self.data.order.shuffle(self._seed), 0
        order, samples, at = self.data.order, self._samples, self._at
        for i in range(size):
            samples[i] = order[at + i]
        self._at = at + size
        return samples

    def settings(self):
        """Sets the float settings of the coming step: the rate of its plateau, Adam's corrections."""
        hyper = self.step.hyper
        while self._plateaus and self._plateaus[0][0] <= self.count:
            hyper[0] = self._plateaus.pop(0)[1]
        if self._adam:
            powers = self._powers
            for i in range(2):
                powers[i] *= hyper[3 + i]
                hyper[6 + i] = 1.0 - powers[i]
        hyper[10] = self.count
        self.count += 1

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
            self.step.run(samples)
            times[i] = ticks_diff(ticks_us(), begun)
            self.markers.region(False)
            self.step.add_metric(losses, i, 1)
        sleep_ms(self.job.get("baseline_ms", 50))
        self.step.mark(False)
        losses = [loss / self.plan.batch for loss in losses]
        trace.emit("metered", losses=losses, times_us=list(times), digest=self.weights.digest())

    def plain(self, pause=None):
        """Runs the steps that are left, or until the curve is flat; False when `pause(step)` asked to stop before.

        Checkpoints lie between steps; a pause leaves one behind.
        """
        curve, size, last = self.curve, self.plan.batch, self.job["steps"]
        every = self.job["checkpoint"]["every"] if self._log else 0
        curve.restart_clock()
        while self.count < last and not curve.flat:
            self.settings()
            self.step.run(self.batch())
            self.step.add_metric(curve.sums, 0, 1)
            told = curve.add(self.count, size)
            if not self.count % WANDER_STEPS and not self.weights.ways:
                try:
                    once("wander", "move", self.pager)
                except MemoryError:
                    # they stay
                    pass
            if curve.due(self.count) and curve.judge(self.count, *self.evaluate()) and self.job.get("result"):
                self.weights.save(self.job["result"], self.card)
            paused = pause is not None and self.count < last and pause(self.count)
            if every and (self.count % every == 0 or self.count == last or curve.flat or paused):
                self.save()
            if paused:
                trace.emit("paused", step=self.count)
                return False
            if told:
                gc.collect()
                curve.restart_clock()
        return True

    def evaluate(self):
        """(mean loss, accuracy) over the samples that were held out.

        The last batch is filled with copies of its first sample; a batch of that sample alone tells what they added.
        """
        size, data = self.plan.batch, self.data
        loss = correct = 0
        for first in range(data.training, data.count, size):
            samples = list(range(first, min(first + size, data.count)))
            missing = size - len(samples)
            self.step.run(samples + samples[:1] * missing, False)
            batch_loss, batch_correct = self.step.metric()
            loss, correct = loss + batch_loss, correct + batch_correct
            if missing:
                self.step.run(samples[:1] * size, False)
                copy_loss, copy_correct = self.step.metric()
                loss -= copy_loss * missing / size
                correct -= copy_correct * missing / size
        held_out = data.count - data.training
        return loss / held_out, correct / held_out


def main(path, resume=False, pause=None, heap_before=0):
    """Runs the job in `path` and returns "done", "paused" or "error".

    Everything that happens is told in tagged lines, an error as its last. With `resume` the job goes on from its last
    checkpoint; `pause(step)`, called after each step, may ask to stop. `heap_before`: the bytes that were free before the first
    import and reservation, by which the library's own cost is told.
    """
    gc.collect()
    library = heap_before and heap_before - gc.mem_free() - reserved_bytes()
    try:
        with open(path) as stream:
            job = json.load(stream)
        gc.collect()
        free = gc.mem_free()
        training = Training(job, resume)
        settle()
        trace.emit(
            "ready", arena_bytes=training.arena.nbytes, heap_free_before=free, heap_free=gc.mem_free(), library_bytes=library)
        return "done" if finish(training, pause) else "paused"
    except DeviceError as error:
        trace.emit("error", kind=error.kind, text=error.text)
        return "error"


def finish(training, pause=None):
    """Runs what is left of a training that was made ready, evaluates and saves it; False when `pause` stopped it before."""
    job, curve, first = training.job, training.curve, training.count
    metered = min(job.get("metered_steps", 0), job["steps"])
    if metered > training.count:
        training.metered(metered)
    if not training.plain(pause):
        return False
    if job.get("evaluate", True):
        loss, accuracy = training.evaluate()
        trace.emit("evaluated", loss=loss, accuracy=accuracy)
    if job.get("result") and not curve.best_step:
        training.weights.save(job["result"], training.card)
    if job.get("boot"):
        leave_boot(job["boot"])
    bytes_out, bytes_in, retries = training.pager.tally()
    card_hz, card_lowered = training.bus.rate() if training.bus else (0, False)
    trace.emit(
        "done", steps=training.count, steps_run=training.count - first, best_step=curve.best_step or training.count,
        peak_arena_bytes=training.arena.high_water(), digest=training.weights.digest(),
        bytes_out=bytes_out, bytes_in=bytes_in, retries=retries,
        card_retries=training.bus.retries if training.bus else 0, data_retries=training.data.retries,
        card_hz=card_hz, card_lowered=card_lowered,
    )
    return True


def leave_boot(path):
    """Removes the main.py that started the job: it is done."""
    from os import remove

    try:
        remove(path)
    except OSError:
        pass
