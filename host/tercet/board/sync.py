# SPDX-License-Identifier: Apache-2.0
"""Files and buffers to and from a board, verified, over its console."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from tercet.board.base import Board
from tercet.board.frames import ANSWER_S, RECEIVER, finish, send
from tercet.errors import BoardError

_READ_PART_BYTES = 4096
_FILE_PART_BYTES = 16384

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
        board.exec(RECEIVER + _PUT_FILE)
    for path in changed:
        data = files[path]
        digest = hashlib.sha256(data).hexdigest()
        if not PurePosixPath(path).name:
            raise BoardError(f"{path!r} names no file on the board")
        send(board, data, f"_tercet_put({path!r}, {len(data)}, {digest!r})", path, progress)
    return changed


def put_buffer(board: Board, name: str, data: bytes) -> None:
    """Makes `data` the global bytearray `name` on the board."""
    code = (
        f"{name} = bytearray({len(data)}); _tercet_at = 0\n"
        "def _tercet_sink(part):\n"
        f" global _tercet_at\n {name}[_tercet_at:_tercet_at + len(part)] = part\n _tercet_at += len(part)"
    )
    board.exec(RECEIVER + code)
    send(board, data, f"_tercet_receive(_tercet_sink, {len(data)})", name, None)
    board.exec("del _tercet_at, _tercet_sink")


def get_buffer(board: Board, expression: str, *, setup: str = "") -> bytes:
    """The bytes of a buffer on the board, e.g. `open('a','rb').read()` or `memoryview(x)[:64]`, checked by CRC-32."""
    transport = board.transport
    transport.start(f"{setup}\n{_SENDER}\n_tercet_send(memoryview({expression}))")
    ended = False
    try:
        line = transport.link.read_until(b"\n", ANSWER_S * 5)
        if not line.startswith(b"size "):
            transport.link.push_back(line)
            finish(board)
            raise BoardError(f"{board.port}: the board does not send {expression}")
        size, check = (int(word) for word in line.split()[1:])
        data = transport.link.read_exactly(size, ANSWER_S * 5)
        finish(board)
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
    board.exec(f"_tercet_file = open({path!r}, 'rb')")
    data = get_stream(board, size)
    board.exec("_tercet_file.close(); del _tercet_file")
    return data


def get_stream(board: Board, size: int) -> bytes:
    """The next `size` bytes of the board's global `_tercet_file`, in parts that fit its heap."""
    data = b""
    while len(data) < size:
        data += get_buffer(board, f"_tercet_file.read({min(_FILE_PART_BYTES, size - len(data))})")
    return data


def put(board: Board, path: str, data: bytes) -> bool:
    """Brings one file onto the board; returns whether it had to be written. For several, `sync` asks once for all hashes."""
    return bool(sync(board, {path: data}))


get = get_file
