# SPDX-License-Identifier: GPL-2.0-or-later
"""The debug probe on its own: protocol, debug port and access ports over a chip that only has memory."""

import json
import socket

import pytest
from tercet_virtual_board.probe import BusFault, ProbeServer

RAM = 0x20000000
CTRL_STAT, SELECT, ABORT = 0x4, 0x8, 0x0
CSW, TAR, DRW, BD1, BASE, IDR = 0x00, 0x04, 0x0C, 0x14, 0xF8, 0xFC
TRANSFER_FAULT = 12


class MemoryOnly:
    """A chip of 16 KB RAM and a few registers; anything else faults."""

    def __init__(self) -> None:
        self.ram = bytearray(0x4000)
        self.registers = {0xE000EDF0: 0, 0xE000EDFC: 0, 0x4001E400: 1}
        self.is_protected = False
        self.events: list[object] = []

    def read_memory(self, addr: int, size_bytes: int) -> bytes:
        if not RAM <= addr <= RAM + len(self.ram) - size_bytes:
            raise BusFault(addr)
        return bytes(self.ram[addr - RAM : addr - RAM + size_bytes])

    def write_memory(self, addr: int, data: bytes) -> None:
        self.read_memory(addr, len(data))
        self.ram[addr - RAM : addr - RAM + len(data)] = data

    def read_word(self, addr: int) -> int:
        if addr in self.registers:
            return self.registers[addr]
        return int.from_bytes(self.read_memory(addr, 4), "little")

    def write_word(self, addr: int, value: int) -> None:
        if addr in self.registers:
            self.registers[addr] = value
        else:
            self.write_memory(addr, value.to_bytes(4, "little"))

    def reset(self, halt_on_vector: bool, reason: int = 1) -> None:
        self.events.append(("reset", halt_on_vector, reason))
        if halt_on_vector:
            self.registers[0xE000EDFC] |= 1

    def erase_all(self) -> None:
        self.is_protected = False
        self.events.append("erase_all")


class Client:
    """A blocking client that pumps the server it talks to."""

    def __init__(self, server: ProbeServer) -> None:
        host, port = server.address.split(":")
        self.socket = socket.create_connection((host, int(port)), timeout=5)
        self.server = server
        self.selected = None

    def send(self, request: str, *arguments) -> None:
        message = {"id": 5, "request": request, "arguments": arguments}
        self.socket.sendall(json.dumps(message).encode() + b"\n")

    def answer(self) -> dict | None:
        """The next answer, None if the server has none to give."""
        self.server.handle_ready()
        self.socket.settimeout(0.05)
        line = b""
        try:
            while not line.endswith(b"\n"):
                line += self.socket.recv(1 << 16)
                self.server.handle_ready()
        except TimeoutError:
            return None
        return json.loads(line)

    def call(self, request: str, *arguments):
        self.send(request, *arguments)
        answer = self.answer()
        assert answer["status"] == 0, answer
        return answer.get("result")

    def ap(self, port: int, register: int, value: int | None = None):
        """Read, or write, an access port register the way a debugger does."""
        self.call("write_dp", SELECT, port << 24 | register & 0xF0)
        if value is None:
            return self.call("read_ap", port << 24 | register)
        return self.call("write_ap", port << 24 | register, value)


@pytest.fixture
def chip():
    return MemoryOnly()


@pytest.fixture
def server(chip):
    server = ProbeServer(chip)
    yield server
    server.close()


@pytest.fixture
def client(server):
    client = Client(server)
    client.call("hello", 1)
    client.call("connect", "SWD")
    client.call("write_dp", CTRL_STAT, 0x50000000)
    yield client
    client.socket.close()


def test_the_debug_port_names_itself_and_acknowledges_power(client):
    assert client.call("read_dp", 0) == 0x2BA01477
    assert client.call("read_dp", CTRL_STAT) & 0xF0000000 == 0xF0000000
    assert client.call("readprop", "wire_protocol") == "SWD"
    client.call("write_dp", SELECT, 1)
    client.call("write_dp", CTRL_STAT, 0x40)
    assert client.call("read_dp", CTRL_STAT) == 0x40
    client.call("write_dp", SELECT, 0)
    assert client.call("read_dp", CTRL_STAT) & 0xF0000000 == 0xF0000000


def test_both_access_ports_and_no_third(client):
    assert client.ap(0, IDR) == 0x24770011
    assert client.ap(1, IDR) & 0x0FFFFFFF == 0x02880000
    assert client.ap(2, IDR) == 0
    assert client.ap(0, BASE) == 0xE00FF003


def test_access_without_debug_power_faults(client):
    client.call("write_dp", CTRL_STAT, 0)
    client.send("read_ap", IDR)
    assert client.answer()["status"] == TRANSFER_FAULT


def test_bursts_wrap_at_4_kb(client, chip):
    client.ap(0, CSW, 0x23000052)
    client.ap(0, TAR, RAM + 0x0FF8)
    client.call("write_ap_multiple", DRW, [0x11111111, 0x22222222, 0x33333333])
    assert chip.ram[0x0FF8:0x1000] == bytes.fromhex("1111111122222222")
    assert chip.ram[0:4] == bytes.fromhex("33333333"), "the carry out of 4 KB must be lost"
    client.ap(0, TAR, RAM + 0x0FF8)
    assert client.call("read_ap_multiple", DRW, 3) == [0x11111111, 0x22222222, 0x33333333]
    assert client.ap(0, TAR) == RAM + 4
    assert client.call("read_dp", 0xC) == RAM + 4


def test_narrow_and_banked_accesses_use_their_byte_lanes(client, chip):
    client.ap(0, CSW, 0x23000050)
    client.ap(0, TAR, RAM + 6)
    client.ap(0, DRW, 0x00AB0000)
    assert chip.ram[4:8] == bytes.fromhex("0000ab00")
    client.ap(0, CSW, 0x23000052)
    client.ap(0, TAR, RAM)
    assert client.ap(0, BD1) == 0x00AB0000
    client.ap(0, CSW, 0x23000050)
    client.ap(0, TAR, RAM + 6)
    assert client.ap(0, DRW) >> 16 & 0xFF == 0xAB


def test_an_unsupported_size_is_not_taken_over(client):
    client.ap(0, CSW, 0x23000051)
    client.ap(0, CSW, 0x23000053)
    assert client.ap(0, CSW) & 7 == 1


def test_a_bus_fault_sticks_until_it_is_cleared(client):
    client.ap(0, TAR, 0x60000000)
    client.send("read_ap", DRW)
    assert client.answer()["status"] == TRANSFER_FAULT
    assert client.call("read_dp", CTRL_STAT) & 0x20
    client.send("read_ap", TAR)
    assert client.answer()["status"] == TRANSFER_FAULT, "every access fails while the error sticks"
    client.call("write_dp", ABORT, 0x1E)
    assert client.ap(0, TAR) == 0x60000000


def test_a_protected_chip_opens_only_by_erasing_it(client, chip):
    chip.is_protected = True
    assert client.ap(1, 0x0C) == 0 and not client.ap(0, CSW) & 0x40
    client.ap(0, TAR, RAM)
    client.send("read_ap", DRW)
    assert client.answer()["status"] == TRANSFER_FAULT
    client.call("write_dp", ABORT, 0x1E)
    client.ap(1, 0x04, 1)
    client.ap(1, 0x04, 1)
    assert client.ap(1, 0x08) == 0 and client.ap(1, 0x0C) == 1
    client.ap(1, 0x04, 0)
    client.ap(1, 0x00, 1)
    client.ap(1, 0x00, 0)
    assert chip.events == ["erase_all", ("reset", False, 4)]


def test_reset_honours_the_vector_catch(client, chip):
    client.call("reset")
    chip.registers.update({0xE000EDF0: 1, 0xE000EDFC: 1})
    client.call("reset")
    assert chip.events == [("reset", False, 1), ("reset", True, 1)]


def test_a_held_reset_line_borrows_the_vector_catch_only(client, chip):
    chip.registers[0xE000EDF0] = 1
    client.call("assert_reset", True)
    assert client.call("is_reset_asserted") is True
    client.call("assert_reset", False)
    client.call("assert_reset", True)
    chip.registers[0xE000EDFC] |= 1  # a debugger that connects under reset
    client.call("assert_reset", False)
    assert [halts for _, halts, _ in chip.events] == [True, False, True, True]


@pytest.mark.parametrize("line", [b"what\n", b"[1]\n", b'{"id": 1}\n', b'{"id": 1, "request": "read_dp"}\n',
                                  b'{"id": 1, "request": "connect", "arguments": ["JTAG"]}\n',
                                  b'{"id": 1, "request": "read_dp", "arguments": ["x"]}\n',
                                  b'{"id": 1, "request": "hello", "arguments": [2]}\n'])
def test_malformed_requests_get_an_error_and_the_connection_lives(client, line):
    client.socket.sendall(line)
    assert client.answer()["status"] != 0
    assert client.call("read_dp", 0) == 0x2BA01477


def test_the_lock_keeps_other_clients_waiting(server, client):
    other = Client(server)
    client.call("lock")
    client.call("lock")
    other.send("read_dp", 0)
    assert other.answer() is None
    client.call("unlock")
    assert other.answer() is None
    client.call("unlock")
    assert other.answer()["result"] == 0x2BA01477
    client.call("lock")
    client.socket.close()
    assert other.call("read_dp", 0) == 0x2BA01477, "a lock ends with its owner's connection"
    other.socket.close()
