# SPDX-License-Identifier: Apache-2.0
"""The bytes of plan.bin: the only truth of the format. The device's constants are generated from here.

    header | records | operands | dims | persistent table | CRC-32 of everything before it

All integers are little-endian. A record has 8 bytes: opcode, phase code (bit 7: a repeated execution, bit 6: left out
when a batch is evaluated, bit 5: only then), index of its node (or paged tensor), index of its first operand, index of its
first dimension. Operands are arena offsets in units of 16 bytes, in the kernel table's order, followed by the workspace's
offset where the node has one. Equal runs of operands or dimensions are stored once.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

from tercet.errors import ArtifactError

MAGIC = b"TPLN"
VERSION = 1
ALIGNMENT = 16
BLOCK_BYTES = 512
HEADER = struct.Struct("<4sBBHI8sIIIIIHHHHHH")
RECORD = struct.Struct("<BBHHH")
PERSISTENT = struct.Struct("<HHI")

# Opcodes of the runtime itself; those of kernels are in the kernel table (1..239).
PAGE_OUT, PAGE_IN, WAIT = 240, 241, 242
# Phase codes, as they stand in a record and on the marker pins D1..D3 (0: between steps).
PHASES = {"input": 1, "forward": 2, "loss": 3, "backward": 4, "update": 5, "recompute": 6, "paging": 7}
REPEATED, TRAINING_ONLY, EVALUATION_ONLY = 0x80, 0x40, 0x20

# Pages are sealed; transfers run beside computation, and WAIT records say where one must have ended.
FLAG_ENCRYPTED, FLAG_OVERLAP = 1, 2
# The offset of an operand that a record leaves out (a dense layer without bias): no arena reaches it.
ABSENT = 0xFFFF * ALIGNMENT


@dataclass(frozen=True)
class Record:
    """One step of the device. `index` is that of the node or, for a transfer, of the tensor; offsets in bytes."""

    opcode: int
    phase: int
    index: int
    offsets: tuple[int, ...]
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Persistent:
    """Where a weight or state tensor lives: index of the tensor, byte offset in the arena, size in bytes.

    The offset ABSENT says that it lives on the card: those take the first page blocks, one after the other in this order.
    """

    index: int
    offset: int
    nbytes: int


@dataclass(frozen=True)
class Plan:
    """A decoded plan. `loss_end` is the number of leading records that evaluate a batch."""

    graph_id: bytes
    board_id: int
    arena_bytes: int
    peak_bytes: int
    budget_bytes: int
    page_blocks: int
    batch: int
    loss_end: int
    records: tuple[Record, ...]
    persistents: tuple[Persistent, ...]
    flags: int = 0
    # operand and dimension counts of each record are not in the bytes: the kernel table knows them


def board_id(target: str) -> int:
    """The 32-bit identity of a target by its name, e.g. `nrf52840dk`."""
    return zlib.crc32(target.encode())


class _Pool:
    """u16 values in which a run that is already there is found again."""

    def __init__(self) -> None:
        self.values: list[int] = []

    def add(self, run: tuple[int, ...], what: str) -> int:
        for value in run:
            if not 0 <= value <= 0xFFFF:
                raise ArtifactError(f"plan: {what} {value} does not fit 16 bits")
        length = len(run)
        for start in range(len(self.values) - length + 1):
            if tuple(self.values[start : start + length]) == run:
                return start
        # the end of the pool may already be the beginning of the run
        for shared in range(min(length, len(self.values)), -1, -1):
            if shared == 0 or tuple(self.values[-shared:]) == run[:shared]:
                start = len(self.values) - shared
                self.values.extend(run[shared:])
                return start
        raise AssertionError("unreachable")

    def data(self) -> bytes:
        return struct.pack(f"<{len(self.values)}H", *self.values)


def encode(plan: Plan) -> bytes:
    """The bytes of `plan`; raises ArtifactError when a value does not fit its field."""
    operands, dims, records = _Pool(), _Pool(), b""
    # longer runs first, so that shorter ones are found inside them
    for record in sorted(plan.records, key=lambda r: -len(r.offsets)):
        operands.add(tuple(offset // ALIGNMENT for offset in record.offsets), "arena offset / 16")
    for record in sorted(plan.records, key=lambda r: -len(r.dims)):
        dims.add(record.dims, "dimension")
    for record in plan.records:
        if any(offset % ALIGNMENT for offset in record.offsets):
            raise ArtifactError(f"plan: offsets {record.offsets} are not multiples of {ALIGNMENT}")
        first = operands.add(tuple(offset // ALIGNMENT for offset in record.offsets), "arena offset / 16")
        records += RECORD.pack(record.opcode, record.phase, record.index, first, dims.add(record.dims, "dimension"))
    table = b"".join(PERSISTENT.pack(p.index, p.offset // ALIGNMENT, p.nbytes) for p in plan.persistents)
    body = records + operands.data() + dims.data() + table
    total = HEADER.size + len(body) + 4
    head = HEADER.pack(
        MAGIC, VERSION, plan.flags, HEADER.size, total, plan.graph_id, plan.board_id, plan.arena_bytes, plan.peak_bytes,
        plan.budget_bytes, plan.page_blocks, plan.batch, len(plan.records), plan.loss_end, len(operands.values),
        len(dims.values), len(plan.persistents),
    )
    return head + body + struct.pack("<I", zlib.crc32(head + body))


def decode(data: bytes, counts: dict[int, tuple[int, int]]) -> Plan:
    """The plan in `data`. `counts` gives (operands, dims) by opcode.

    Raises ArtifactError on a wrong magic or version, a truncated file, a flipped bit or an index out of range.
    """
    if len(data) < HEADER.size + 4 or data[:4] != MAGIC:
        raise ArtifactError("plan: not a plan, or truncated before its header ends")
    (_, version, flags, header_bytes, total, graph_id, board, arena, peak, budget, blocks, batch, n_records, loss_end,
     n_operands, n_dims, n_persistents) = HEADER.unpack_from(data)
    if version != VERSION or header_bytes != HEADER.size:
        raise ArtifactError(f"plan: version {version}, this tercet reads {VERSION}", hint="run `tercet plan` again")
    if total != len(data):
        raise ArtifactError(f"plan: {len(data)} bytes, its header says {total}: truncated or extended")
    if zlib.crc32(data[:-4]) != struct.unpack_from("<I", data, total - 4)[0]:
        raise ArtifactError("plan: its checksum does not match: a bit was flipped")
    at = HEADER.size
    raw = [RECORD.unpack_from(data, at + i * RECORD.size) for i in range(n_records)]
    at += n_records * RECORD.size
    operands = struct.unpack_from(f"<{n_operands}H", data, at)
    dims = struct.unpack_from(f"<{n_dims}H", data, at + 2 * n_operands)
    at += 2 * (n_operands + n_dims)
    table = [PERSISTENT.unpack_from(data, at + i * PERSISTENT.size) for i in range(n_persistents)]
    records: list[Record] = []
    for opcode, phase, index, first, first_dim in raw:
        if opcode not in counts:
            raise ArtifactError(f"plan: record {len(records)}: unknown opcode {opcode}")
        n, d = counts[opcode]
        if first + n > n_operands or first_dim + d > n_dims:
            raise ArtifactError(f"plan: record {len(records)}: operand index out of range")
        records.append(
            Record(
                opcode, phase, index, tuple(v * ALIGNMENT for v in operands[first : first + n]),
                dims[first_dim : first_dim + d],
            )
        )
    persistents = tuple(Persistent(i, offset * ALIGNMENT, nbytes) for i, offset, nbytes in table)
    return Plan(graph_id, board, arena, peak, budget, blocks, batch, loss_end, tuple(records), persistents, flags)


def constants() -> dict[str, int]:
    """The names and numbers that the device and the kernels need."""
    return {
        "VERSION": VERSION, "ALIGNMENT": ALIGNMENT, "BLOCK_BYTES": BLOCK_BYTES, "HEADER_BYTES": HEADER.size,
        "RECORD_BYTES": RECORD.size, "PERSISTENT_BYTES": PERSISTENT.size,
        "PAGE_OUT": PAGE_OUT, "PAGE_IN": PAGE_IN, "WAIT": WAIT,
        "REPEATED": REPEATED, "TRAINING_ONLY": TRAINING_ONLY, "EVALUATION_ONLY": EVALUATION_ONLY,
        "FLAG_ENCRYPTED": FLAG_ENCRYPTED, "FLAG_OVERLAP": FLAG_OVERLAP, "ABSENT": ABSENT,
        **{f"PHASE_{name.upper()}": code for name, code in PHASES.items()},
    }
