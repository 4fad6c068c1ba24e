# SPDX-License-Identifier: Apache-2.0
"""Bytes to a program on a board, verified, over its console.

A frame on the way to the board: sequence number and length (each uint16 little-endian), CRC-32 of the payload (uint32), payload.
At most two frames, 480 bytes, are under way: a console's ring holds 512 bytes and drops silently. The board acknowledges each
frame with one line; a frame that arrived damaged, or out of turn, is asked for again.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable

from tercet.board.base import Board
from tercet.errors import BoardError

_HEAD = struct.Struct("<HHI")
FRAME_BYTES = 240
PAYLOAD_BYTES = FRAME_BYTES - _HEAD.size
ANSWER_S = 2.0
_WINDOW_FRAMES = 2
_ATTEMPTS = 8

# Reads frames into `sink`; leaves by itself when nothing comes for 5 s. A frame that lost bytes ends in the filler
# that the host sends when no answer comes; whatever is left of it is thrown away before the frame is asked for again.
RECEIVER = """
def _tercet_receive(sink, total):
    import sys, micropython, select, struct
    from binascii import crc32
    stream, out = sys.stdin.buffer, sys.stdout
    poll = select.poll(); poll.register(sys.stdin, 1)
    head, body = bytearray(8), memoryview(bytearray(PAYLOAD))
    done = turn = 0
    micropython.kbd_intr(-1)
    try:
        out.write('ready\\n')
        while done < total:
            if not poll.poll(5000): raise OSError('nothing came for 5 s')
            stream.readinto(head)
            number, size, check = struct.unpack('<HHI', head)
            good = number == turn & 0xffff and 0 < size <= len(body)
            if good:
                part = body[:size]
                stream.readinto(part)
                good = crc32(part) & 0xffffffff == check
            if good:
                sink(part)
                done += size; turn += 1
                out.write('+%d\\n' % turn)
            else:
                while poll.poll(30): stream.read(1)
                out.write('-%d\\n' % turn)
    finally:
        micropython.kbd_intr(3)
""".replace("PAYLOAD", str(PAYLOAD_BYTES))


def finish(board: Board) -> None:
    """Waits for the end of the program; raises ProgramError when it raised."""
    link = board.transport.link
    link.read_until(b"\x04", 30)
    trace = link.read_until(b"\x04", 30)
    if not trace.endswith(b"\x04"):
        raise BoardError(f"{board.port}: no answer after a transfer")
    if trace[:-1]:
        raise board.program_error(trace[:-1].decode(errors="replace"))


def send(
    board: Board, data: bytes, call: str, name: str, progress: Callable[[str, int, int], None] | None
) -> None:
    """Runs `call` on the board, which receives `data`."""
    board.transport.start(call)
    ended = False
    try:
        _Sender(board, data, name, progress).run()
        finish(board)
        ended = True
    finally:
        if not ended:
            board.interrupt()


class _Sender:
    """Sends frames until each is acknowledged."""

    def __init__(self, board: Board, data: bytes, name: str, progress: Callable[[str, int, int], None] | None) -> None:
        self._board, self._data, self._name = board, data, name
        self._link = board.transport.link
        self._progress = progress or (lambda *_: None)
        self._frames = -(-len(data) // PAYLOAD_BYTES)

    def run(self) -> None:
        """Returns when the board has all; raises BoardError after eight failures at one frame."""
        if self._answer() != "ready":
            raise BoardError(f"{self._board.port}: the board does not receive {self._name}")
        acknowledged = sent = failures = 0
        while acknowledged < self._frames:
            while sent < min(acknowledged + _WINDOW_FRAMES, self._frames):
                self._link.write(self._frame(sent))
                sent += 1
            answer = self._answer()
            if answer.startswith("+") and answer[1:].isdigit() and int(answer[1:]) > acknowledged:
                acknowledged, failures = int(answer[1:]), 0
                self._progress(self._name, min(acknowledged * PAYLOAD_BYTES, len(self._data)), len(self._data))
                continue
            failures += 1
            if failures >= _ATTEMPTS:
                raise BoardError(
                    f"{self._board.port}: {self._name}: frame {acknowledged} of {self._frames} does not arrive",
                    hint="check the cable; a slower baud rate may help",
                )
            if not answer:
                self._link.write(bytes(FRAME_BYTES))  # the board may be waiting for bytes that were lost
            # once the line is quiet the board has thrown away all that was under way
            self._link.drain(0.15, 3.0)
            sent = acknowledged

    def _frame(self, index: int) -> bytes:
        payload = self._data[index * PAYLOAD_BYTES : (index + 1) * PAYLOAD_BYTES]
        return _HEAD.pack(index & 0xFFFF, len(payload), zlib.crc32(payload)) + payload

    def _answer(self) -> str:
        """The next line, or "" when none comes in time; raises ProgramError when the program ended."""
        line = self._link.read_until(b"\n", ANSWER_S)
        if b"\x04" in line:
            self._link.push_back(line)
            finish(self._board)
            raise BoardError(f"{self._board.port}: the board ended the transfer of {self._name} too early")
        return line.decode(errors="replace").strip()
