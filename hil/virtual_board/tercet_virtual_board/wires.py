# SPDX-License-Identifier: GPL-2.0-or-later
"""The ends of the board's wires on the host: pseudo-terminals and a TCP port for the console."""

import errno
import fcntl
import os
import pty
import select
import socket
import struct
import termios
import tty


class Pty:
    """A raw pseudo-terminal; others open `path`, the board reads and writes without blocking."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        # A slave that stays open keeps the master from reporting a hang-up whenever a client leaves.
        self._slave = slave
        os.set_blocking(self._master, False)

    def fileno(self) -> int:
        """For select()."""
        return self._master

    def read(self) -> bytes:
        """Bytes that have come in; b"" when there are none."""
        try:
            return os.read(self._master, 65536)
        except BlockingIOError:
            return b""

    def write(self, data: bytes) -> int:
        """Number of bytes that the terminal took."""
        try:
            return os.write(self._master, data)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):
                return 0
            raise

    def unread_bytes(self) -> int:
        """Bytes that were written and that no client has read yet."""
        return struct.unpack("i", fcntl.ioctl(self._slave, termios.FIONREAD, b"\0" * 4))[0]

    def discard_unread(self) -> None:
        """Forgets what no client has read, as an unconnected wire does."""
        termios.tcflush(self._slave, termios.TCIFLUSH)

    def close(self) -> None:
        """Closes both ends."""
        os.close(self._master)
        os.close(self._slave)


class TcpSerial:
    """The console on a TCP port of the loopback interface, for one client at a time."""

    def __init__(self, port: int):
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.setblocking(False)
        self._client: socket.socket | None = None
        self.path = f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def fileno(self) -> int:
        """For select(): the client, or the listening socket."""
        return (self._client or self._server).fileno()

    def read(self) -> bytes:
        """Bytes that have come in; accepts a new client as a side effect."""
        if self._client is None:
            if select.select([self._server], [], [], 0)[0]:
                self._client, _ = self._server.accept()
                self._client.setblocking(False)
            return b""
        try:
            data = self._client.recv(65536)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._client.close()
            self._client = None
        return data

    def write(self, data: bytes) -> int:
        """Number of bytes taken; without a client everything is dropped."""
        if self._client is None:
            return len(data)
        try:
            return self._client.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return len(data)

    def close(self) -> None:
        """Closes client and port."""
        if self._client:
            self._client.close()
        self._server.close()
