# SPDX-License-Identifier: Apache-2.0
"""Boards behind a network: a raw TCP socket and RFC 2217; and a board that was unplugged and comes back under another name."""

import contextlib
import random
import socket
import threading
from types import SimpleNamespace

import pytest
import serial
import serial.rfc2217
from serial.tools import list_ports
from tercet.board import sync
from tercet.board.base import Board
from tercet.errors import BoardError

from .console import Console


class Lineless(serial.Serial):
    """A pseudo terminal has no modem lines."""

    cts = dsr = ri = cd = False

    def _update_dtr_state(self):
        pass

    _update_rts_state = _update_break_state = _update_dtr_state


class Server:
    """One client at a TCP port, bytes to and from a serial port; with `rfc2217` the port's settings travel too."""

    def __init__(self, port, rfc2217):
        self.serial = Lineless(port, timeout=0.02)
        self.rfc2217 = rfc2217
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.ended = threading.Event()
        self.baudrates = set()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def write(self, data):
        """What the port manager has to say to the client."""
        self.client.sendall(data)

    def serve(self):
        self.client, _ = self.listener.accept()
        self.client.settimeout(0.02)
        manager = serial.rfc2217.PortManager(self.serial, self) if self.rfc2217 else None
        with contextlib.suppress(OSError):
            while not self.ended.is_set():
                data = self.serial.read(self.serial.in_waiting or 1)
                if data:
                    self.client.sendall(b"".join(manager.escape(data)) if manager else data)
                with contextlib.suppress(TimeoutError):
                    received = self.client.recv(4096)
                    if not received:
                        return
                    self.serial.write(b"".join(manager.filter(received)) if manager else received)
                self.baudrates.add(self.serial.baudrate)

    def close(self):
        self.ended.set()
        self.thread.join(5)
        self.listener.close()
        with contextlib.suppress(AttributeError):
            self.client.close()
        self.serial.close()


@pytest.fixture(params=["socket", "rfc2217"])
def server(console, request):
    server = Server(console.port, request.param == "rfc2217")
    server.url = f"{request.param}://{server.address}"
    yield server
    server.close()


# pyserial's reader thread and socket are closed a moment after the port
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::DeprecationWarning")
def test_programs_and_files_go_through_the_network(server):
    content = random.Random(1).randbytes(9_000)
    with Board(server.url) as board:
        assert board.eval("6 * 7") == 42
        sync.put(board, "net.bin", content)
        assert sync.get(board, "net.bin") == content
    if server.rfc2217:
        assert 115200 in server.baudrates


def test_a_server_that_is_not_there_is_named():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(BoardError, match=f"socket://127.0.0.1:{port} cannot be opened"):
        Board(f"socket://127.0.0.1:{port}").eval("1")


def test_a_board_that_was_unplugged_is_found_again(console, tmp_path, monkeypatch):
    attached = [console.port]
    monkeypatch.setattr(
        list_ports, "comports",
        lambda: [SimpleNamespace(serial_number="683456789", device=port, location="1-1") for port in attached],
    )  # fmt: skip
    board = Board("usb:683456789")
    events = board.run("print('@tercet {}')\nwhile True:\n pass")
    next(events)
    attached.clear()
    console.unplug()
    with pytest.raises(BoardError, match="went away"):
        next(events)
    with pytest.raises(BoardError, match="683456789"):
        board.eval("1")
    (tmp_path / "again").mkdir()
    again = Console(tmp_path / "again")
    try:
        attached.append(again.port)
        assert board.eval("6 * 7") == 42
        board.close()
    finally:
        again.close()
