# SPDX-License-Identifier: GPL-2.0-or-later
"""A debug probe on a TCP port: JSON lines, served between two slices of the board's main loop."""

import contextlib
import json
import socket

from .requests import GENERAL_ERROR, RequestError, Requests
from .target import DebugTarget

_CHUNK_BYTES = 1 << 16
_MAX_LINE_BYTES = 1 << 22


class _Client:
    """One connection: its unread input and its unsent output."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection = connection
        self.received = bytearray()
        self.outgoing = bytearray()
        self.gone = False

    def receive(self) -> None:
        """Take what has arrived; an end of file or an overlong line ends the connection."""
        try:
            while chunk := self.connection.recv(_CHUNK_BYTES):
                self.received += chunk
                if len(self.received) > _MAX_LINE_BYTES and b"\n" not in self.received:
                    break
            self.gone = True
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True

    def send(self) -> None:
        """Send as much of the output as the socket takes."""
        try:
            while self.outgoing:
                del self.outgoing[: self.connection.send(self.outgoing)]
        except BlockingIOError:
            pass
        except OSError:
            self.gone = True


class ProbeServer:
    """Serves pyOCD clients (`-u remote:HOST:PORT`) without blocking.

    The main loop selects on `filenos()` and `write_filenos()` and calls `handle_ready()`, which never waits. A client
    that holds the probe's lock is served alone; requests of the others wait in their sockets.
    """

    def __init__(self, target: DebugTarget, name: str = "board", port: int = 0, host: str = "127.0.0.1") -> None:
        self._requests = Requests(target, name)
        self._listener = socket.create_server((host, port))
        self._listener.setblocking(False)
        self._clients: list[_Client] = []
        self._lock_owner: _Client | None = None
        self._lock_depth = 0

    @property
    def address(self) -> str:
        """Where clients connect, as `host:port`."""
        host, port = self._listener.getsockname()[:2]
        return f"{host}:{port}"

    def filenos(self) -> list[int]:
        """File descriptors on which something to read means work."""
        return [self._listener.fileno()] + [client.connection.fileno() for client in self._clients]

    def write_filenos(self) -> list[int]:
        """File descriptors with output that the socket has not taken yet."""
        return [client.connection.fileno() for client in self._clients if client.outgoing]

    def handle_ready(self) -> int:
        """The number of requests served now: all that have arrived completely."""
        self._accept()
        served = 0
        while progress := sum(self._serve_client(client) for client in list(self._clients)):
            served += progress  # once more: an unlock may have let other clients in
        return served

    def close(self) -> None:
        """Close every connection and the listening port."""
        for client in list(self._clients):
            self._drop(client)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                self._clients.append(_Client(self._listener.accept()[0]))

    def _drop(self, client: _Client) -> None:
        if self._lock_owner is client:
            self._lock_owner, self._lock_depth = None, 0
        self._clients.remove(client)
        client.connection.close()

    def _serve_client(self, client: _Client) -> int:
        client.receive()
        served = self._serve_lines(client)
        client.send()
        if client.gone:
            self._drop(client)
        return served

    def _serve_lines(self, client: _Client) -> int:
        served = 0
        while self._lock_owner in (None, client):
            line, newline, rest = client.received.partition(b"\n")
            if not newline:
                break
            client.received = rest
            client.outgoing += json.dumps(self._answer(client, bytes(line))).encode() + b"\n"
            served += 1
        return served

    def _answer(self, client: _Client, line: bytes) -> dict[str, object]:
        """The response to one line, an error response to anything malformed."""
        identifier: object = -1
        try:
            message = json.loads(line)
            identifier = message.get("id", -1)
            request, arguments = message["request"], message.get("arguments", [])
            if not isinstance(request, str) or not isinstance(arguments, list):
                raise RequestError("malformed request")
            result = self._serve(client, request, arguments)
        except RequestError as error:
            return {"id": identifier, "status": error.status, "error": str(error)}
        except (ValueError, KeyError, AttributeError):
            return {"id": identifier, "status": GENERAL_ERROR, "error": "malformed request"}
        answer: dict[str, object] = {"id": identifier, "status": 0}
        if result is not None:
            answer["result"] = result
        return answer

    def _serve(self, client: _Client, request: str, arguments: list) -> object:
        if request == "lock":
            self._lock_owner = client
            self._lock_depth += 1
        elif request == "unlock":
            self._lock_depth = max(0, self._lock_depth - 1)
            if not self._lock_depth:
                self._lock_owner = None
        else:
            return self._requests.serve(request, arguments)
        return None
