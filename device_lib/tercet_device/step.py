# SPDX-License-Identifier: Apache-2.0
"""One training step: native kernels in runs, transfers and data in between."""

import gc
import struct
from array import array

from tercet_device import _format as f
from tercet_device.errors import DeviceError


class Step:
    """A plan bound to an arena, a data set, a pager and the marker pins.

    `hyper` holds the float settings that kernels read at each step, the learning rate first.
    """

    def __init__(self, plan, arena, data, pager, markers, kernels, hyper):
        self.plan, self.arena, self.data, self.pager = plan, arena, data, pager
        self.markers, self.kernels, self.hyper = markers, kernels, hyper
        # a plan without a loss, as profiling makes, has no metric
        self.metric_offset = plan.offset(plan.record(plan.loss_end - 1)[3] + 1) if plan.loss_end else 0
        self._args = array("I", (0, 0, plan.records, plan.operands, plan.dims) + markers.gpio + (pager.hook if pager else 0, 0))
        # addresses of registers are no small integers: to look at them would allocate
        self._marked = bool(markers.gpio[0])
        self._reads = {}
        for index in range(plan.count):
            opcode, phase, _, operand, dim = plan.record(index)
            if opcode <= f.READ_TOKENS_ROWS:
                self._reads[index] = (opcode, phase & 7, plan.offset(operand), dim)
        # a portable pager, data on a card and parts of a batch leave views behind: with them the garbage collector stays on
        parts = any(read[0] >= f.READ_INPUT_ROWS for read in self._reads.values())
        self._quiet = (self._args[8] or not plan.page_blocks) and not parts and not getattr(data, "leaves_views", False)

    def run(self, samples, training=True):
        """Executes the plan for the batch of `samples` (indices); `metric` then tells how it went. Allocates nothing.

        Without `training` it infers: only records up to the loss run, with running statistics and without dropout.
        """
        if self._quiet:
            gc.disable()
        try:
            self._run(samples, training)
        finally:
            gc.enable()

    def _run(self, samples, training):
        args = self._args
        run = self.kernels.run
        memory = self.arena.memory
        data = self.plan.data
        hyper = self.hyper
        end = self.plan.count if training else self.plan.loss_end
        args[9] = not training
        index = 0
        while True:
            args[0] = index
            args[1] = end
            index = run(args, data, memory, hyper)
            if index < 0:
                raise DeviceError("plan", "record %d cannot be executed" % (-index - 1))
            if index >= end:
                break
            if index in self._reads:
                self._read(index, samples)
            else:
                self._page(index)
            index += 1
        self.markers.phase(0)

    def metric(self):
        """(summed loss, number correct) of the batch that ran last."""
        return struct.unpack_from("<ff", self.arena.memory, self.metric_offset)

    def add_metric(self, sums, first, count):
        """Adds the first `count` of them to `sums`, an array of floats, from `first` on; allocates nothing."""
        self.kernels.add(sums, first, self.arena.memory, self.metric_offset, count)

    def mark(self, on):
        """Whether the kernels show their phase on the marker pins."""
        self._marked = on
        for i in range(3):
            self._args[5 + i] = self.markers.gpio[i] if on else 0

    def _read(self, index, samples):
        """Reads a part of the samples into the arena."""
        opcode, phase, offset, dim = self._reads[index]
        plan = self.plan
        if self._marked:
            self.markers.phase(phase)
        if opcode >= f.READ_INPUT_ROWS:
            opcode -= f.READ_INPUT_ROWS - f.READ_INPUT
            first = plan.dim(dim + 2)
            samples = samples[first : first + plan.dim(dim)]
        if opcode == f.READ_LABELS or opcode == f.READ_TARGETS:
            self.data.read_labels(self.arena.memory, offset, samples, plan.dim(dim + 1) * (2 if opcode == f.READ_LABELS else 4))
        else:
            self.data.read_rows(self.arena.memory, offset, samples, self.kernels)

    def _page(self, index):
        """Executes a record of paging that is not native, or raises the error that ended a native one."""
        plan, pager, memory = self.plan, self.pager, self.arena.memory
        opcode, phase, tensor, operand, dim = plan.record(index)
        if pager.hook:
            pager.fail()
        if self._marked:
            self.markers.phase(phase & 7)
        if opcode == f.PAGE_OUT or opcode == f.PAGE_IN:
            move = pager.page_out if opcode == f.PAGE_OUT else pager.page_in
            move(memory, tensor, plan.dim32(dim), plan.offset(operand), plan.dim32(dim + 2), plan.offset(operand + 1))
        elif opcode != f.WAIT:
            raise DeviceError("plan", "record %d has the unknown opcode %d" % (index, opcode))
