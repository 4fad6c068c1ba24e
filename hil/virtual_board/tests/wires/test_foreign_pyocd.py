# SPDX-License-Identifier: GPL-2.0-or-later
"""Unmodified pyOCD and gdb at the virtual debug probe."""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import time

import pytest
import serial

pytest.importorskip("pyocd", reason="pyOCD is not installed: pip install pyocd")

CONNECT_S = 120


def pyocd(board, *arguments, check: bool = True) -> str:
    """What pyOCD prints, standard error included."""
    command = [sys.executable, "-m", "pyocd", arguments[0], "-u", f"remote:{board.probe}", "-t", "nrf52840",
               *map(str, arguments[1:])]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=CONNECT_S,
                          check=False)
    assert done.returncode == 0 or not check, done.stdout
    return done.stdout


def commander(board, *commands: str) -> str:
    return pyocd(board, "commander", *(part for command in commands for part in ("-c", command)))


def dump(board, path: pathlib.Path, addr: int, size: int) -> bytes:
    commander(board, f"savemem 0x{addr:x} {size} {path}")
    return path.read_bytes()


def symbol(elf: pathlib.Path, name: str) -> int:
    table = subprocess.run(["arm-none-eabi-nm", elf], capture_output=True, text=True, check=True).stdout
    return int(re.search(rf"^(\w+) \w {name}$", table, re.MULTILINE).group(1), 16)


@pytest.fixture
def big_image(tmp_path) -> bytes:
    """Ten pages of flash of which none is blank."""
    state, image = 1, bytearray()
    while len(image) < 10 * 4096:
        state = state * 1103515245 + 12345 & 0x7FFFFFFF
        image.append(state >> 16 & 0xFF)
    return bytes(image)


def test_flash_programs_every_page_through_the_algorithm_on_the_core(start_board, tmp_path, big_image):
    board = start_board("--pace", "max")
    binary = tmp_path / "image.bin"
    binary.write_bytes(big_image)
    pyocd(board, "flash", "--base-address", "0x10000", binary)
    pyocd(board, "erase", "--sector", "0x12000")
    left = dump(board, tmp_path / "read.bin", 0x10000, len(big_image))
    assert left == big_image[:0x2000] + b"\xff" * 4096 + big_image[0x3000:]
    pyocd(board, "erase", "--chip")
    assert set(dump(board, tmp_path / "read.bin", 0, 0x20000)) == {0xFF}


def test_flashed_micropython_answers(start_board, firmware_hex):
    board = start_board("--pace", "max")
    assert "programmed" in pyocd(board, "flash", "-v", firmware_hex)
    with serial.Serial(board.serial, 115200, timeout=30) as console:
        console.write(b"\rprint(6 * 7)\r")
        assert console.read_until(b"\r\n42\r\n").endswith(b"\r\n42\r\n")


def test_commander_halts_steps_breaks_and_watches(start_board, pulses_hex, pulses_elf):
    board = start_board("--pace", "max")
    pyocd(board, "flash", pulses_hex)
    inner, rounds, watched = (symbol(pulses_elf, name) for name in ("inner", "rounds", "watched"))
    said = commander(board, "reset halt", "reg pc", f"break 0x{inner:x}", "continue", "sleep 200", "status", "reg pc",
                     "step", "reg pc", f"rmbreak 0x{inner:x}", f"watch 0x{watched:x} w 4", "continue", "sleep 200",
                     "status", "reg pc", f"rmwatch 0x{watched:x}", "continue", "sleep 300", "halt",
                     f"read32 0x{rounds:x}", "continue")
    program_counters = [int(value, 16) for value in re.findall(r"pc[^0-9\n]*0x0*([0-9a-f]+)", said)]
    assert program_counters[:3] == [symbol(pulses_elf, "reset") & ~1, inner, inner + 2], said
    middle, outer = symbol(pulses_elf, "middle"), symbol(pulses_elf, "outer")
    assert inner < program_counters[3] <= inner + 10 or middle < program_counters[3] < outer, said  # where the block ends
    assert said.count("Halted") >= 2, said
    assert int(re.search(rf"{rounds:08x}:\s+([0-9a-f]{{8}})", said).group(1), 16) >= 3, said


def test_reset_restarts_the_program(start_board, pulses_hex, pulses_elf):
    board = start_board("--image", pulses_hex, "--pace", "max")
    rounds = symbol(pulses_elf, "rounds")
    commander(board, "halt", f"write32 0x{rounds:x} 0x70000000", "continue")
    pyocd(board, "reset")
    said = commander(board, "halt", f"read32 0x{rounds:x}", "continue")
    assert int(re.search(rf"{rounds:08x}:\s+([0-9a-f]{{8}})", said).group(1), 16) < 0x1000000, said


def test_a_protected_chip_is_recovered_by_mass_erase(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "max")
    commander(board, "halt", "write32 0x4001e504 1", "write32 0x10001208 0xffffff00", "write32 0x4001e504 0", "reset")
    closed = pyocd(board, "commander", "-O", "auto_unlock=false", "-c", "read32 0x10000100", check=False)
    assert "APPROTECT enabled" in closed and "00052840" not in closed
    pyocd(board, "erase", "--mass")
    opened = commander(board, "read32 0x10000100", "read32 0x0")
    assert "00052840" in opened and "ffffffff" in opened


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def gdbserver():
    """`gdbserver(board)` -> port of a running `pyocd gdbserver`."""
    servers = []

    def start(board) -> int:
        port = free_port()
        command = [sys.executable, "-m", "pyocd", "gdbserver", "-u", f"remote:{board.probe}", "-t", "nrf52840",
                   "-p", str(port), "-T", str(free_port())]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        servers.append(server)
        for line in server.stdout:
            if "GDB server listening" in line or "GDB server started" in line:
                return port
        raise AssertionError("pyocd gdbserver did not start")

    yield start
    for server in servers:
        server.terminate()
        server.communicate(timeout=20)


def gdb_command(elf: pathlib.Path, port: int, *commands: str) -> list[str]:
    """The command line of gdb-multiarch for a batch of commands at the target on `port`."""
    script = ["set confirm off", "set pagination off", f"target remote 127.0.0.1:{port}", *commands]
    return ["gdb-multiarch", "-nx", "-batch", *(part for command in script for part in ("-ex", command)), str(elf)]


def gdb(elf: pathlib.Path, port: int, *commands: str) -> str:
    """What gdb prints for a batch of commands."""
    done = subprocess.run(gdb_command(elf, port, *commands), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=CONNECT_S, check=False)
    return done.stdout


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="apt-get install gdb-multiarch")
def test_gdb_breaks_in_a_function_shows_its_callers_and_goes_on(start_board, gdbserver, pulses_hex, pulses_elf):
    board = start_board("--image", pulses_hex, "--pace", "max")
    said = gdb(pulses_elf, gdbserver(board), "monitor reset halt", "break inner", "continue", "backtrace", "finish",
               "delete", "watch watched", "continue", "print watched", "delete", "stepi", "detach")
    frames = re.findall(r"^#(\d+)\s+(?:0x\w+ in )?(\w+) \(", said, re.MULTILINE)
    assert frames[:4] == [("0", "inner"), ("1", "middle"), ("2", "outer"), ("3", "main")], said
    assert "Value returned is $1 = 2" in said, said
    # pyOCD reports a watchpoint as a plain trap, on every chip.
    assert "SIGTRAP" in said and "$2 = 3" in said, said


@pytest.mark.skipif(shutil.which("gdb-multiarch") is None, reason="apt-get install gdb-multiarch")
def test_gdb_breaks_in_micropython_and_the_prompt_lives_on(start_board, gdbserver, firmware_elf):
    board = start_board("--image", firmware_elf, "--pace", "max")
    with serial.Serial(board.serial, 115200, timeout=30) as console:
        console.write(b"\r")
        assert console.read_until(b">>> ").endswith(b">>> ")
        command = gdb_command(firmware_elf, gdbserver(board), "break mp_obj_list_sort", "echo goes on\\n", "continue",
                              "backtrace", "delete", "detach")
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as debugger:
            said = ""
            while "goes on" not in said and (line := debugger.stdout.readline()):
                said += line
            console.write(b"a = [3, 1, 2]; a.sort(); print(a)\r")
            said += debugger.communicate(timeout=CONNECT_S)[0]
        frames = re.findall(r"^#\d+\s+(?:0x\w+ in )?(\w+) \(", said, re.MULTILINE)
        assert frames[:1] == ["mp_obj_list_sort"] and {"mp_execute_bytecode", "main"} <= set(frames), said
        assert console.read_until(b"[1, 2, 3]").endswith(b"[1, 2, 3]")


def test_a_debugger_that_vanishes_leaves_a_board_that_the_next_one_finds(start_board, pulses_hex):
    board = start_board("--image", pulses_hex, "--pace", "max")
    host, port = board.probe.split(":")
    with socket.create_connection((host, int(port))) as rude:
        rude.sendall(b'{"id": 0, "request": "lock"}\n{"id": 1, "requ')
        time.sleep(0.2)
    assert "0x52840" in commander(board, "read32 0x10000100").replace("00052840", "0x52840")
