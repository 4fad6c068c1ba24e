# SPDX-License-Identifier: GPL-2.0-or-later
"""The process as others start it: ready line, flash that stays, reports, and refusals."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parents[1]
ECHO = """
#include "bare.h"
int main(void)
{
    REG(0x4001e504) = 1;
    REG(0x80000) = REG(0x80000) >> 1;
    REG(0x4001e504) = 0;
    put_hex(REG(0x80000));
    return 0;
}"""


@pytest.fixture
def start(tmp_path):
    """Starts `run` with options; gives the process and its ready line (or None when it ended)."""
    running = []

    def go(*options):
        command = [sys.executable, "-m", "tercet_virtual_board", "run", "--name", "t", "--state", tmp_path / "state", *options]
        process = subprocess.Popen([str(part) for part in command], cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True)
        running.append(process)
        line = process.stdout.readline()
        return process, json.loads(line) if line else None

    yield go
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def listen(path: str, wanted: bytes, seconds: float = 60) -> bytes:
    """What the console says until `wanted` has come."""
    console = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard, end = b"", time.monotonic() + seconds
    while wanted not in heard and time.monotonic() < end:
        try:
            heard += os.read(console, 4096)
        except BlockingIOError:
            time.sleep(0.01)
    os.close(console)
    return heard


def test_flash_stays_and_sigterm_ends(start, build_image, tmp_path):
    process, ready = start("--image", build_image("keeps", ECHO), "--pace", "max")
    assert set(ready) == {"name", "pid", "serial", "meter", "probe", "sd"}
    assert ready["pid"] == process.pid and Path(ready["sd"]).stat().st_size == 64 << 20
    assert listen(ready["serial"], b"\n") == b"7fffffff\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    process, ready = start("--pace", "max")
    assert listen(ready["serial"], b"\n") == b"3fffffff\n"
    process.send_signal(signal.SIGINT)
    assert process.wait(30) == 0


def test_erased_board_runs_and_waits(start):
    process, ready = start("--pace", "max", "--sd-profile", "none")
    assert ready["sd"] is None
    time.sleep(0.3)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_console_on_tcp(start, build_image):
    import socket

    process, ready = start("--image", build_image("keeps", ECHO), "--tcp-serial", "0")
    port = int(ready["serial"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=30) as console:
        heard = b""
        while b"\n" not in heard:
            heard += console.recv(100)
    assert heard == b"7fffffff\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0


def test_crash_leaves_a_report(start, build_image, tmp_path):
    source = """
#include "bare.h"
static __attribute__((noinline)) unsigned deep(unsigned n) { return n ? deep(n - 1) + n : REG(0x40001700); }
int main(void) { for (volatile int i = 0; i < 2000; i++) { } return deep(5); }"""
    process, ready = start("--image", build_image("crash", source), "--pace", "max")
    assert process.wait(60) == 1
    report, = (tmp_path / "state").glob("crash-*.txt")
    text = report.read_text()
    assert "RADIO + 0x700 (0x40001700" in text and str(report) in process.stderr.read()
    assert "  pc " in text and "last blocks" in text
    assert len(text.split("oldest first:")[1].split()) == 1000


@pytest.mark.parametrize("content, name, complaint", [
    (b"", "empty.hex", "neither"), (b":00000001FE\n", "bad.hex", "line 1"), (b"\x7fELF" + bytes(60), "odd.elf", "ELF"),
    (b":020000042000DA\n:0400000001020304F2\n:00000001FF\n", "ram.hex", "another memory map"),
])
def test_images_for_something_else_are_refused(start, tmp_path, content, name, complaint):
    path = tmp_path / name
    path.write_bytes(content)
    process, ready = start("--image", path)
    assert ready is None and process.wait(30) == 2
    assert complaint in process.stderr.read()
