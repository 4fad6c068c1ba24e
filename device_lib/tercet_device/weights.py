# SPDX-License-Identifier: Apache-2.0
"""Weights and optimizer state on the board.

    "TWTS" | graph identity, 8 bytes | u32 bytes | tensors in the plan's order | CRC-32
"""

import hashlib
import struct

from tercet_device.errors import DeviceError

_HEADER_BYTES = 16


def load(path, plan, arena, kernels):
    """Reads a weights file into the arena; DeviceError("weights") when it is of another model, truncated or damaged."""
    read(path, plan.graph_id, [(arena.view(at, nbytes), nbytes) for _, at, nbytes in plan.persistents()], kernels)


def read(path, graph_id, places, kernels):
    """Reads the tensors of a weights file into `places`, a view and its bytes each; where the view is None one is passed over."""
    try:
        stream = open(path, "rb")
    except OSError:
        raise DeviceError("weights", "%s: no such file" % path)
    with stream:
        head = stream.read(_HEADER_BYTES)
        if len(head) < _HEADER_BYTES or head[:4] != b"TWTS":
            raise DeviceError("weights", "%s: not a weights file" % path)
        if head[4:12] != graph_id:
            raise DeviceError("weights", "%s: of another model than the plan" % path)
        total, crc = struct.unpack_from("<I", head, 12)[0], kernels.crc32(head)
        for view, nbytes in places:
            for part in (view,) if view is not None else _passed(nbytes):
                if stream.readinto(part) != len(part):
                    raise DeviceError("weights", "%s: truncated" % path)
                crc = kernels.crc32(part, crc)
            total -= nbytes
        if total or stream.read(4) != struct.pack("<I", crc):
            raise DeviceError("weights", "%s: damaged" % path)


def _passed(nbytes):
    """Pieces of a buffer that add up to `nbytes`."""
    buffer = memoryview(bytearray(min(nbytes, 256)))
    while nbytes:
        part = buffer[: min(nbytes, 256)]
        nbytes -= len(part)
        yield part


def identity(path):
    """The last four bytes of a weights file, its CRC-32: they name its content."""
    with open(path, "rb") as stream:
        stream.seek(-4, 2)
        return stream.read(4)


def save(path, plan, arena, kernels):
    """Writes the arena's weights and state in the same form."""
    total = sum(nbytes for _, _, nbytes in plan.persistents())
    with open(path, "wb") as stream:
        head = b"TWTS" + plan.graph_id + struct.pack("<I", total)
        stream.write(head)
        crc = kernels.crc32(head)
        for _, offset, nbytes in plan.persistents():
            view = arena.view(offset, nbytes)
            stream.write(view)
            crc = kernels.crc32(view, crc)
        stream.write(struct.pack("<I", crc))


def digest(plan, arena):
    """The hexadecimal SHA-256 over weights and state in the plan's order."""
    sha = hashlib.sha256()
    for _, offset, nbytes in plan.persistents():
        sha.update(arena.view(offset, nbytes))
    return "".join("%02x" % byte for byte in sha.digest())
