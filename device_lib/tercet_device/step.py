# SPDX-License-Identifier: Apache-2.0
"""One training step: native kernels in runs, transfers and data in between."""

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
        self._args = array("I", (0, 0, plan.records, plan.operands, plan.dims) + markers.gpio + (0,))

    def run(self, samples, training=True):
        """Executes the plan for the batch of `samples` (indices) and returns (summed loss, number correct).

        Without `training` it infers: only records up to the loss run, with running statistics and without dropout.
        """
        self._args[8] = not training
        args, run, memory, hyper = self._args, self.kernels.run, self.arena.memory, self.hyper
        plan = self.plan
        end = plan.count if training else plan.loss_end
        index = 0
        while True:
            args[0], args[1] = index, end
            index = run(args, plan.data, memory, hyper)
            if index < 0:
                raise DeviceError("plan", "record %d cannot be executed" % (-index - 1))
            if index >= end:
                break
            self._record(index, samples, training)
            index += 1
        self.markers.phase(0)
        return struct.unpack_from("<ff", memory, self.metric_offset)

    def mark(self, on):
        """Whether the kernels show their phase on the marker pins."""
        for i in range(3):
            self._args[5 + i] = self.markers.gpio[i] if on else 0

    def _record(self, index, samples, training):
        """Executes a record that is not a kernel's."""
        plan, memory = self.plan, self.arena.memory
        opcode, phase, tensor, operand, dim = plan.record(index)
        if phase & f.TRAINING_ONLY and not training:
            return
        if self._args[5]:
            self.markers.phase(phase & 7)
        offset = plan.offset(operand)
        if opcode <= f.READ_TOKENS_ROWS:
            if opcode >= f.READ_INPUT_ROWS:
                opcode -= f.READ_INPUT_ROWS - f.READ_INPUT
                first = plan.dim(dim + 2)
                samples = samples[first : first + plan.dim(dim)]
            if opcode in (f.READ_LABELS, f.READ_TARGETS):
                item_bytes = 2 if opcode == f.READ_LABELS else 4
                self.data.read_labels(memory, offset, samples, plan.dim(dim + 1) * item_bytes)
            else:
                self.data.read_rows(memory, offset, samples, self.kernels)
        elif opcode == f.PAGE_OUT:
            self.pager.page_out(memory, tensor, plan.dim32(dim), offset, plan.dim32(dim + 2), plan.offset(operand + 1))
        elif opcode == f.PAGE_IN:
            self.pager.page_in(memory, tensor, plan.dim32(dim), offset, plan.dim32(dim + 2), plan.offset(operand + 1))
        elif opcode != f.WAIT:
            raise DeviceError("plan", "record %d has the unknown opcode %d" % (index, opcode))
