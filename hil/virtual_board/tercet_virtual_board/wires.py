# SPDX-License-Identifier: GPL-2.0-or-later
"""The ends of the board's wires on the host: pseudo-terminals and a TCP port for the console."""

import errno
import os
import pty
import select
import socket
import tty


class Pty:
    """A raw pseudo-terminal; others open `path`, the board reads and writes without blocking."""

    def __init__(self) -> None:
        self._master, slave = pty.openpty()
        tty.setraw(slave)
        self.path = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)

    def connected(self) -> bool:
        """True while a client has the terminal open."""
        return not any(event & select.POLLHUP for _, event in self._poll.poll(0))

    def filenos(self) -> list[int]:
        """For select(): nothing while nobody is there, since a hang-up would always be ready."""
        return [self._master] if self.connected() else []

    def read(self) -> bytes:
        """Bytes that have come in; b"" when there are none."""
        try:
            return os.read(self._master, 65536)
        except OSError:
            return b""

    def write(self, data: bytes) -> int:
        """Number of bytes that the terminal took."""
        try:
            return os.write(self._master, data)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EIO):
                return 0
            raise

    def close(self) -> None:
        """Closes the terminal; a client sees a hang-up."""
        os.close(self._master)


class TcpSerial:
    """The console on a TCP port of the loopback interface, for one client at a time."""

    def __init__(self, port: int):
        self._server = socket.create_server(("127.0.0.1", port))
        self._server.setblocking(False)
        self._client: socket.socket | None = None
        self.path = f"socket://127.0.0.1:{self._server.getsockname()[1]}"

    def connected(self) -> bool:
        """True while there is a client."""
        return self._client is not None

    def filenos(self) -> list[int]:
        """For select(): the client, or the listening socket."""
        return [(self._client or self._server).fileno()]

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
