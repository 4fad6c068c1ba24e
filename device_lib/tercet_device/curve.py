# SPDX-License-Identifier: Apache-2.0
"""The learning curve: what a run tells of its progress, and when there is no more to gain."""

from array import array
from time import ticks_diff, ticks_us

from tercet_device import trace


class Curve:
    """Mean losses every `report_every` steps; every `validate_every` steps the loss and accuracy of what was held out.

    With `patience` the curve is `flat` after so many validations in a row that were no better than the best.
    """

    def __init__(self, job):
        self._report, self._steps = job.get("report_every", 10), job["steps"]
        self._validate, self._patience = job.get("validate_every", 0), job.get("patience", 0)
        # the summed loss since the last report: native code adds to it
        self.sums, self.count = array("f", (0.0,)), 0
        self.best, self.best_step, self.misses = float("inf"), 0, 0
        self._begun, self._timed = ticks_us(), 0

    @property
    def flat(self):
        return self._patience > 0 and self.misses >= self._patience

    @property
    def total(self):
        return self.sums[0]

    @total.setter
    def total(self, value):
        self.sums[0] = value

    def add(self, step, samples):
        """Takes note of a step; tells the mean over a report's steps at its end, and returns True then."""
        self.count += samples
        self._timed += 1
        if step % self._report and step != self._steps:
            return False
        spent_ms = ticks_diff(ticks_us(), self._begun) / 1000
        trace.emit("step", step=step, loss=self.total / self.count, ms=spent_ms / self._timed)
        self.total, self.count = 0.0, 0
        return True

    def restart_clock(self):
        self._begun, self._timed = ticks_us(), 0

    def due(self, step):
        """Whether the coming validation belongs to this step."""
        return self._validate > 0 and step % self._validate == 0

    def judge(self, step, loss, accuracy):
        """Tells a validation and returns whether it was the best so far."""
        trace.emit("validated", step=step, loss=loss, accuracy=accuracy)
        if loss < self.best:
            self.best, self.best_step, self.misses = loss, step, 0
            return True
        self.misses += 1
        return False
