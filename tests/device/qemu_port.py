# SPDX-License-Identifier: Apache-2.0
"""Runs the device library with the Cortex-M4 kernels on MicroPython's own port for QEMU: a second opinion on both."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zlib
from binascii import b2a_base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tercet.train.job import Job

ROOT = Path(__file__).parents[2]
IMAGE = ROOT / "build" / "firmware" / "qemu" / "firmware.elf"
KERNELS = ROOT / "build" / "firmware" / "natmod" / "armv7emsp" / "mlp" / "tercet_kernels.mpy"
QEMU = "qemu-system-arm -machine mps2-an386 -display none -monitor none -semihosting -serial stdio -kernel"
DISK = """
import vfs
class Disk:
    def __init__(self): self.data = bytearray(512 * 1024)
    def readblocks(self, n, buffer, offset=0):
        at = n * 512 + offset
        buffer[:] = memoryview(self.data)[at : at + len(buffer)]
    def writeblocks(self, n, buffer, offset=0):
        at = n * 512 + offset
        self.data[at : at + len(buffer)] = buffer
    def ioctl(self, what, value): return {4: len(self.data) // 512, 5: 512, 6: 0}.get(what)
disk = Disk()
vfs.VfsLfs2.mkfs(disk)
vfs.mount(vfs.VfsLfs2(disk), '/')
"""


def _prepare() -> None:
    """Builds the image unless it is up to date; skips the test where QEMU or the kernels are missing."""
    if not KERNELS.exists():
        pytest.skip(f"{KERNELS} is not built: make kernels")
    if not shutil.which("qemu-system-arm"):
        pytest.skip("QEMU is not installed: scripts/setup-apt.sh")
    subprocess.run(["make", "-s", "-C", ROOT / "firmware", "qemu"], check=True)


@contextmanager
def machine() -> Iterator[Any]:
    """MicroPython's Pyboard client on a fresh machine with an empty RAM disk at `/`."""
    _prepare()
    sys.path.insert(0, str(ROOT / "build" / "micropython" / "tools"))
    try:
        from pyboard import Pyboard
    finally:
        sys.path.pop(0)
    board = Pyboard(f"exec:{QEMU} {IMAGE}")
    try:
        board.use_raw_paste = False  # its small window costs a round trip each; the machine takes bytes only as it reads them
        board.enter_raw_repl(soft_reset=False)
        board.exec(DISK)
        yield board
    finally:
        process = board.serial.subp
        board.close()
        process.communicate()  # the client kills it and neither waits nor closes


def _write(board: Any, path: str, data: bytes) -> None:
    # packed, since the machine's serial port takes some 7 KB a second
    packed = b2a_base64(zlib.compress(data, wbits=10), newline=False).decode()
    board.exec(
        "import binascii, deflate, io\n"
        f"packed = deflate.DeflateIO(io.BytesIO(binascii.a2b_base64('{packed}')))\n"
        f"with open({path!r}, 'wb') as file: file.write(packed.read())"
    )


def run_job(job: Job, **changes: Any) -> tuple[list[dict[str, Any]], bytes]:
    """The events of a job and the file of trained weights; `changes` replace settings of the job."""
    settings = {**job.settings, "markers": None, "store": {"kind": "file", "path": "/pages"}}
    for name in ("plan", "weights", "data", "result"):
        settings[name] = "/" + Path(settings[name]).name
    with machine() as board:
        board.exec("import os; os.mkdir('/tercet_device')")
        _write(board, "/time.py", Path(__file__).with_name("qemu_time.py").read_bytes())
        for path in sorted((ROOT / "device_lib" / "tercet_device").glob("*.py")):
            _write(board, f"/tercet_device/{path.name}", path.read_bytes())
        _write(board, "/tercet_kernels.mpy", KERNELS.read_bytes())
        for path, data in job.files.items():
            _write(board, "/" + Path(path).name, data)
        _write(board, "/job.json", json.dumps({**settings, **changes}).encode())
        told, error = board.exec_raw("from tercet_device import loop; loop.main('/job.json')", 120)
        assert not error, (told + error).decode()
        trained = bytes.fromhex(board.exec(f"print(open({settings['result']!r}, 'rb').read().hex())").decode())
    return [json.loads(line[8:]) for line in told.decode().splitlines() if line.startswith("@tercet ")], trained
