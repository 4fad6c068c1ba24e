# SPDX-License-Identifier: Apache-2.0
"""A plan as it lies in flash: checked once, then read in place."""

import struct

from tercet_device import _format as f
from tercet_device.errors import DeviceError

_HEADER = "<4sBBHI8sIIIIIHHHHHH"


class Plan:
    """A checked plan.

    Raises DeviceError("plan") when it is truncated, damaged, of another version or for another board or model.
    """

    def __init__(self, data, kernels, board_id=None, graph_id=None):
        if len(data) < f.HEADER_BYTES + 4 or data[:4] != b"TPLN":
            raise DeviceError("plan", "not a plan, or truncated before its header ends")
        head = struct.unpack_from(_HEADER, data)
        version, self.flags, _, total, self.graph_id, board = head[1:7]
        self.arena_bytes, self.peak_bytes, self.budget_bytes, self.page_blocks, self.batch = head[7:12]
        self.count, self.loss_end, operands, dims, self.n_persistent = head[12:]
        if version != f.VERSION:
            raise DeviceError("plan", "version %d, this board reads %d" % (version, f.VERSION))
        if total != len(data):
            raise DeviceError("plan", "truncated: %d bytes of %d" % (len(data), total))
        if kernels.crc32(memoryview(data)[:-4]) != struct.unpack_from("<I", data, total - 4)[0]:
            raise DeviceError("plan", "its checksum does not match: a bit was flipped")
        if board_id is not None and board != board_id:
            raise DeviceError("plan", "made for another board (%08x, this is %08x)" % (board, board_id))
        if graph_id is not None and self.graph_id != graph_id:
            raise DeviceError("plan", "made for another model")
        self.data = data
        self.encrypted = bool(self.flags & f.FLAG_ENCRYPTED)
        self.overlap = bool(self.flags & f.FLAG_OVERLAP)
        self.records = f.HEADER_BYTES
        self.operands = self.records + self.count * f.RECORD_BYTES
        self.dims = self.operands + 2 * operands
        self.persistent = self.dims + 2 * dims

    def record(self, index):
        """(opcode, phase, tensor or node index, first operand, first dimension)"""
        return struct.unpack_from("<BBHHH", self.data, self.records + index * f.RECORD_BYTES)

    def offset(self, operand):
        """The arena offset in bytes of an operand."""
        return struct.unpack_from("<H", self.data, self.operands + 2 * operand)[0] * f.ALIGNMENT

    def dim(self, index):
        at = self.dims + 2 * index
        return self.data[at] | self.data[at + 1] << 8

    def dim32(self, index):
        """A 32-bit dimension: two entries, low half first."""
        return self.dim(index) | self.dim(index + 1) << 16

    def persistents(self):
        """(tensor index, byte offset, bytes) of each weight and state tensor."""
        for i in range(self.n_persistent):
            index, units, nbytes = struct.unpack_from("<HHI", self.data, self.persistent + i * f.PERSISTENT_BYTES)
            yield index, units * f.ALIGNMENT, nbytes
