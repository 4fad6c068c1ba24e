# SPDX-License-Identifier: Apache-2.0
"""Our port on the virtual board, met by an unmodified mpremote."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import board_process
import pytest
import serial
from board_process import VirtualBoard

KERNELS = board_process.FIRMWARE / "natmod" / "armv7emsp" / "mlp" / "tercet_kernels.mpy"
NATIVE = """
import micropython
@micropython.viper
def total(n: int) -> int:
    s = 0
    for i in range(n):
        s += i
    return s
@micropython.native
def double(a):
    return a * 2
@micropython.asm_thumb
def triple(r0):
    add(r1, r0, r0)
    add(r0, r0, r1)
print(total(100), double(21), triple(7))
"""
LIBRARIES = """
import asyncio, binascii, deflate, hashlib, io, json, os, random, select, struct, sys, time
async def nap(ms): await asyncio.sleep_ms(ms)
async def main(): await asyncio.gather(nap(20), nap(30))
begun = time.ticks_ms()
asyncio.run(main())
assert 30 <= time.ticks_diff(time.ticks_ms(), begun) < 40
buffer = io.BytesIO()
with deflate.DeflateIO(buffer, deflate.ZLIB) as packer: packer.write(b'tercet' * 50)
assert deflate.DeflateIO(io.BytesIO(buffer.getvalue())).read() == b'tercet' * 50
assert binascii.hexlify(hashlib.sha256(b'abc').digest())[:8] == b'ba7816bf'
assert json.loads('[1.5]') == [1.5] and struct.unpack('<f', struct.pack('<f', 0.1))[0] == 0.1
assert os.urandom(16) != os.urandom(16) and random.getrandbits(30) != random.getrandbits(30)
assert not select.poll().poll(0)
print('fine', sys.implementation._machine)
"""
HARDWARE = """
import machine, time
pin = machine.Pin('P1.01', machine.Pin.OUT, value=1)
edges = []
pin.irq(edges.append, machine.Pin.IRQ_FALLING)
for _ in range(3): pin.off(); pin.on(); time.sleep_ms(1)
beats = []
timer = machine.Timer(-1, period=10, callback=lambda t: beats.append(time.ticks_us()))
time.sleep_ms(55)
timer.deinit()
gaps = [time.ticks_diff(b, a) for a, b in zip(beats, beats[1:])]
assert all(9800 < gap < 10200 for gap in gaps), gaps
assert machine.mem32[0x10000100] == 0x52840 and machine.freq() == 64000000 and len(machine.unique_id()) == 8
begun = time.ticks_us()
machine.lightsleep(100)
slept = time.ticks_diff(time.ticks_us(), begun)
assert 99900 < slept < 120000, slept
print(len(edges), len(beats), machine.Pin(33) is pin, pin)
"""
TICKS = """
import time
read = time.ticks_us
gaps = [-time.ticks_diff(read(), read()) for _ in range(200)]
cycles, us = time.ticks_cpu(), read()
while time.ticks_diff(read(), us) < 5000: pass
rate = time.ticks_diff(time.ticks_cpu(), cycles) / time.ticks_diff(read(), us)
print(min(gaps), max(gaps), rate)
"""

# what a debugger does when it leaves
WITHOUT_TRACE = """
from machine import mem32
from time import sleep_us, ticks_cpu, ticks_diff, ticks_us
mem32[0xE000EDFC] &= ~(1 << 24)
begun = ticks_us()
sleep_us(20)
slept = ticks_diff(ticks_us(), begun)
mem32[0xE000EDFC] &= ~(1 << 24)
cycles = ticks_cpu()
print(20 <= slept < 200, ticks_diff(ticks_cpu(), cycles) > 0)
"""


def test_names_itself(virtual_board: VirtualBoard) -> None:
    code = "import sys, gc; gc.collect(); print(sys.implementation._machine, sys.implementation._mpy, gc.mem_free())"
    *words, free = virtual_board.mpremote("exec", code).split()
    assert " ".join(words) == "tercet-nrf52840dk with nRF52840 7942"  # ABI 6.3, armv7emsp
    assert int(free) > 230 * 1024


def test_files_by_number_and_by_symlink(virtual_board: VirtualBoard, tmp_path: Path) -> None:
    data = os.urandom(9000)
    (tmp_path / "there.bin").write_bytes(data)
    link = tmp_path / "tty"
    link.symlink_to(virtual_board.serial)
    virtual_board.mpremote("fs", "cp", tmp_path / "there.bin", ":there.bin")
    virtual_board.mpremote("fs", "cp", ":there.bin", tmp_path / "back.bin", port=link)
    assert (tmp_path / "back.bin").read_bytes() == data
    assert "9000 there.bin" in virtual_board.mpremote("fs", "ls", port=link)
    assert hashlib.sha256(data).hexdigest() in virtual_board.mpremote("fs", "sha256sum", "there.bin")


@pytest.mark.parametrize("by_symlink", [False, True])
def test_soft_reset_keeps_files_and_forgets_names(virtual_board: VirtualBoard, tmp_path: Path, by_symlink: bool) -> None:
    link = tmp_path / "tty"
    link.symlink_to(virtual_board.serial)
    port = link if by_symlink else None
    virtual_board.mpremote("exec", "name = 1; open('kept.txt', 'w').write('here')")
    virtual_board.mpremote("soft-reset", port=port)
    assert virtual_board.run("print(open('kept.txt').read(), 'name' in globals())").split() == ["here", "False"]


def test_mounts_a_folder_of_the_host(virtual_board: VirtualBoard, tmp_path: Path) -> None:
    (tmp_path / "guest.py").write_text("VALUE = 42\n")
    code = "import guest; open('/remote/answer.txt', 'w').write(str(guest.VALUE))"
    virtual_board.mpremote("mount", tmp_path, "exec", code)
    assert (tmp_path / "answer.txt").read_text() == "42"


def test_emitters_and_native_module(virtual_board: VirtualBoard) -> None:
    assert virtual_board.mpremote("exec", NATIVE).split() == ["4950", "42", "21"]
    if not KERNELS.exists():
        pytest.skip(f"{KERNELS} is not built: make kernels")
    virtual_board.mpremote("fs", "cp", KERNELS, ":tercet_kernels.mpy")
    names = virtual_board.mpremote("exec", "import tercet_kernels; print(dir(tercet_kernels))")
    assert "run" in names


def test_libraries(virtual_board: VirtualBoard) -> None:
    assert virtual_board.mpremote("exec", LIBRARIES).startswith("fine tercet-nrf52840dk")


def test_pins_timers_and_sleep(virtual_board: VirtualBoard) -> None:
    assert virtual_board.mpremote("exec", HARDWARE).split() == ["3", "5", "True", "Pin('P1.01')"]


def test_ticks_are_true_microseconds(virtual_board: VirtualBoard) -> None:
    shortest, longest, rate = virtual_board.mpremote("exec", TICKS).split()
    assert int(shortest) > 0 and int(longest) < 25  # a clock of 32768 Hz would show 0, 30 or 31
    assert abs(float(rate) - 64) < 0.2  # the cycle counter counts the processor's cycles


def test_short_waits_end_also_where_a_debugger_turned_the_cycle_counter_off(virtual_board: VirtualBoard) -> None:
    assert virtual_board.mpremote("exec", WITHOUT_TRACE).split() == ["True", "True"]


def _raw_repl(port: serial.Serial) -> None:
    port.write(b"\r\x03\x03\x01")
    assert b"raw REPL" in port.read_until(b"CTRL-B to exit\r\n>")


def test_interrupt(virtual_board: VirtualBoard) -> None:
    with serial.Serial(virtual_board.serial, 115200, timeout=20) as port:
        _raw_repl(port)
        port.write(b"print('begun')\nwhile True: pass\x04")
        port.read_until(b"begun\r\n")
        port.write(b"\x03")
        assert b"KeyboardInterrupt" in port.read_until(b"\x04>")
        port.write(b"\x02")


def test_reception_loses_nothing_while_python_computes(virtual_board: VirtualBoard) -> None:
    """20,000 bytes at line speed, read in pieces with work between them."""
    program = b"""
import sys, hashlib, micropython, nrf
micropython.kbd_intr(-1)
print('go')
digest, count, piece = hashlib.sha256(), 0, bytearray(500)
while count < 20000:
    count += sys.stdin.buffer.readinto(piece)
    digest.update(piece)
    for i in range(400): pass
micropython.kbd_intr(3)
print(digest.digest().hex(), nrf.console_bytes_lost())
"""
    data = os.urandom(20000)
    with serial.Serial(virtual_board.serial, 115200, timeout=30) as port:
        _raw_repl(port)
        port.write(program + b"\x04")
        port.read_until(b"go\r\n")
        port.write(data)
        assert port.read_until(b"\r\n").split() == [hashlib.sha256(data).hexdigest().encode(), b"0"]
        port.write(b"\x02")


def test_hard_reset_keeps_files(virtual_board: VirtualBoard) -> None:
    virtual_board.mpremote("exec", "open('kept.txt', 'w').write('still')")
    virtual_board.mpremote("reset")
    deadline = time.monotonic() + 20
    while True:
        answer = virtual_board.run("import machine; print(open('kept.txt').read(), machine.reset_cause() == machine.SOFT_RESET)")
        if answer.split() == ["still", "True"] or time.monotonic() > deadline:
            break
    assert answer.split() == ["still", "True"]


def test_causes_of_reset(virtual_board: VirtualBoard) -> None:
    """What was printed before a reset arrives, and the next life knows why it began."""
    causes = []
    for program in (b"machine.reset()", b"machine.WDT(timeout=800)", b"machine.deepsleep(20)"):
        with serial.Serial(virtual_board.serial, 115200, timeout=20) as port:
            _raw_repl(port)
            port.write(b"import machine; print('last words ' * 20); " + program + b"\nwhile True: pass\x04")
            assert port.read_until(b"\r\nMicroPython").count(b"last words") == 20
            port.read_until(b">>> ")
        causes.append(int(virtual_board.run("import machine; print(machine.reset_cause())")))
    constants = virtual_board.run("print(machine.SOFT_RESET, machine.WDT_RESET)").split()
    assert causes == [int(constants[0]), int(constants[1]), int(constants[0])]


def test_deep_recursion_is_an_exception(virtual_board: VirtualBoard) -> None:
    code = "def deeper(): deeper()\ntry: deeper()\nexcept RuntimeError as error: print(error)"
    assert "maximum recursion depth" in virtual_board.mpremote("exec", code)


OVERFLOW = b"""@micropython.asm_thumb
def fill():
    label(AGAIN)
    push({r4})
    b(AGAIN)
fill()
"""


@pytest.mark.parametrize(
    ("program", "words"), [(b"import machine; machine.mem32[0x30000000]\n", b"bfar=30000000"), (OVERFLOW, b"stack overflow")],
    ids=["bus fault", "stack overflow"],
)
def test_a_fault_says_where_and_starts_anew(virtual_board: VirtualBoard, program: bytes, words: bytes) -> None:
    with serial.Serial(virtual_board.serial, 115200, timeout=20) as port:
        _raw_repl(port)
        port.write(program + b"\x04")
        assert words in port.read_until(b"\r\nMicroPython")
        assert b"tercet-nrf52840dk" in port.read_until(b">>> ")
