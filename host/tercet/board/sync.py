# SPDX-License-Identifier: Apache-2.0
"""Files and buffers to and from a board, verified, over its console.

A frame on the way to the board: sequence number and length (each uint16 little-endian), CRC-32 of the payload
(uint32), payload. At most two frames, 480 bytes, are under way: a console's ring holds 512 bytes and drops silently.
The board acknowledges each frame with one line; a frame that arrived damaged, or out of turn, is asked for again.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from tercet.board.base import Board
from tercet.errors import BoardError

_HEAD = struct.Struct("<HHI")
FRAME_BYTES = 240
PAYLOAD_BYTES = FRAME_BYTES - _HEAD.size
_WINDOW_FRAMES = 2
_ATTEMPTS = 8
_ANSWER_S = 2.0
_READ_PART_BYTES = 4096

# Reads frames into `sink`; leaves by itself when nothing comes for 5 s. A frame that lost bytes ends in the filler
# that the host sends when no answer comes; whatever is left of it is thrown away before the frame is asked for again.
_RECEIVER = """
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

_PUT_FILE = """
import os, hashlib
def _tercet_put(path, total, digest):
    parts = path.split('/')[:-1]
    for i in range(1, len(parts) + 1):
        folder = '/'.join(parts[:i])
        if folder:
            try: os.mkdir(folder)
            except OSError as e:
                if e.args[0] != 17: raise
    check = hashlib.sha256()
    with open(path + '.part', 'wb') as f:
        def sink(part):
            if f.write(part) != len(part): raise OSError(28)
            check.update(part)
        try:
            _tercet_receive(sink, total)
        except OSError:
            f.close(); os.remove(path + '.part'); raise
    if check.digest().hex() != digest: raise OSError('what arrived has another hash')
    try: os.remove(path)
    except OSError: pass
    os.rename(path + '.part', path)
"""

_HASHES = """
def _tercet_hashes(paths):
    import hashlib
    buffer = memoryview(bytearray(512)); found = {}
    for path in paths:
        try:
            with open(path, 'rb') as f:
                check = hashlib.sha256()
                while True:
                    n = f.readinto(buffer)
                    if not n: break
                    check.update(buffer[:n])
            found[path] = check.digest().hex()
        except OSError: pass
    return found
"""

_SENDER = """
def _tercet_send(view):
    import sys
    from binascii import crc32
    sys.stdout.write('size %d %d\\n' % (len(view), crc32(view) & 0xffffffff))
    for i in range(0, len(view), %(part)d):
        sys.stdout.buffer.write(view[i:i+%(part)d])
""".replace("%(part)d", str(_READ_PART_BYTES))


def hashes(board: Board, paths: list[str]) -> dict[str, str]:
    """path -> SHA-256 (hexadecimal) of the files that exist on the board."""
    found: dict[str, str] = {}
    for first in range(0, len(paths), 16):
        part = paths[first : first + 16]
        found |= dict(eval_dict(board, _HASHES, f"_tercet_hashes({part!r})"))
    return found


def eval_dict(board: Board, definitions: str, expression: str) -> dict[str, str]:
    """The dictionary that an expression gives after its definitions were executed."""
    board.exec(definitions)
    value = board.eval(expression, silence_s=60)
    if not isinstance(value, dict):
        raise BoardError(f"{board.port}: a dictionary was expected, {value!r} came")
    return value


def sync(
    board: Board, files: Mapping[str, bytes], *, progress: Callable[[str, int, int], None] | None = None
) -> list[str]:
    """Brings `files` (path on the board -> content) onto the board; returns the paths that had to be written.

    A file whose SHA-256 matches is left alone. Each is written beside its place and renamed when its hash matches.
    `progress` is called with (path, bytes done, bytes in all). Raises BoardError; a full filesystem says so.
    """
    present = hashes(board, list(files))
    changed = [path for path, data in files.items() if present.get(path) != hashlib.sha256(data).hexdigest()]
    if changed:
        board.exec(_RECEIVER + _PUT_FILE)
    for path in changed:
        data = files[path]
        digest = hashlib.sha256(data).hexdigest()
        if not PurePosixPath(path).name:
            raise BoardError(f"{path!r} names no file on the board")
        _send(board, data, f"_tercet_put({path!r}, {len(data)}, {digest!r})", path, progress)
    return changed


def put_buffer(board: Board, name: str, data: bytes) -> None:
    """Makes `data` the global bytearray `name` on the board."""
    code = (
        f"{name} = bytearray({len(data)}); _tercet_at = 0\n"
        "def _tercet_sink(part):\n"
        f" global _tercet_at\n {name}[_tercet_at:_tercet_at + len(part)] = part\n _tercet_at += len(part)"
    )
    board.exec(_RECEIVER + code)
    _send(board, data, f"_tercet_receive(_tercet_sink, {len(data)})", name, None)
    board.exec("del _tercet_at, _tercet_sink")


def get_buffer(board: Board, expression: str, *, setup: str = "") -> bytes:
    """The bytes of a buffer on the board, e.g. `open('a','rb').read()` or `memoryview(x)[:64]`, checked by CRC-32."""
    transport = board.transport
    transport.start(f"{setup}\n{_SENDER}\n_tercet_send(memoryview({expression}))")
    ended = False
    try:
        line = transport.link.read_until(b"\n", _ANSWER_S * 5)
        if not line.startswith(b"size "):
            transport.link.push_back(line)
            _finish(board)
            raise BoardError(f"{board.port}: the board does not send {expression}")
        size, check = (int(word) for word in line.split()[1:])
        data = transport.link.read_exactly(size, _ANSWER_S * 5)
        _finish(board)
        ended = True
    finally:
        if not ended:
            board.interrupt()
    if zlib.crc32(data) != check:
        raise BoardError(f"{board.port}: {size} bytes arrived damaged", hint="check the cable, then try again")
    return data


def get_file(board: Board, path: str) -> bytes:
    """The content of a file on the board, in parts that fit its heap; raises BoardError when it does not exist."""
    size = board.eval(f"__import__('os').stat({path!r})[6]")
    part, data = 16384, b""
    board.exec(f"_tercet_file = open({path!r}, 'rb')")
    while len(data) < size:
        data += get_buffer(board, f"_tercet_file.read({part})")
    board.exec("_tercet_file.close(); del _tercet_file")
    return data


def _finish(board: Board) -> None:
    """Waits for the end of the program; raises ProgramError when it raised."""
    link = board.transport.link
    link.read_until(b"\x04", 30)
    trace = link.read_until(b"\x04", 30)
    if not trace.endswith(b"\x04"):
        raise BoardError(f"{board.port}: no answer after a transfer")
    if trace[:-1]:
        raise board.program_error(trace[:-1].decode(errors="replace"))


def _send(
    board: Board, data: bytes, call: str, name: str, progress: Callable[[str, int, int], None] | None
) -> None:
    """Runs `call` on the board, which receives `data`."""
    board.transport.start(call)
    ended = False
    try:
        _Sender(board, data, name, progress).run()
        _finish(board)
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
        line = self._link.read_until(b"\n", _ANSWER_S)
        if b"\x04" in line:
            self._link.push_back(line)
            _finish(self._board)
            raise BoardError(f"{self._board.port}: the board ended the transfer of {self._name} too early")
        return line.decode(errors="replace").strip()


def put(board: Board, path: str, data: bytes) -> bool:
    """Brings one file onto the board; returns whether it had to be written. For several, `sync` asks once for all hashes."""
    return bool(sync(board, {path: data}))


get = get_file
