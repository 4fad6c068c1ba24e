# SPDX-License-Identifier: GPL-2.0-or-later
"""The console: UARTE0 on a pseudo-terminal or TCP port, through the serial line's habits."""

from collections.abc import Callable

from tercet_virtual_board.engine import Chip
from tercet_virtual_board.options import Options
from tercet_virtual_board.script import Script
from tercet_virtual_board.uart_line import UartLine
from tercet_virtual_board.wires import Pty, TcpSerial

BACKLOG_BYTES = 4096


class SerialWire:
    """Moves bytes between the chip and whoever opened the console.

    What the board says before the first client comes is kept (4 KB); later, without a client, it is lost, as on a
    cable that is not plugged in.
    """

    def __init__(self, chip: Chip, options: Options):
        self._chip = chip
        self._line = UartLine(options.seed, options.line == "direct")
        self._wire = Pty() if options.tcp_serial is None else TcpSerial(options.tcp_serial)
        self._unsent = bytearray()
        self._waiting: list[tuple[int, bytes]] = []
        self._met_client = False
        self._script = Script(options.input)
        self._damage = {"board": [0, 0], "host": [0, 0]}  # bytes to lose, bits to flip in the next one
        self.bytes_sent = 0
        self.hear: Callable[[bytes], object] = lambda data: None  # sees what the host is sent
        self.path = self._wire.path

    def filenos(self) -> list[int]:
        """Descriptors worth waiting for."""
        return self._wire.filenos()

    def damage(self, to: str, lost: int = 0, flip: int = 0) -> None:
        """Loses the next bytes, or flips bits of the next byte, on the way to "board" or "host"."""
        self._damage[to][0] += lost
        self._damage[to][1] ^= flip

    def _damaged(self, to: str, data: bytes) -> bytes:
        lost, flip = self._damage[to]
        if not data or not (lost or flip):
            return data
        dropped = min(lost, len(data))
        self._damage[to][0] -= dropped
        data = data[dropped:]
        if flip and data:
            self._damage[to][1] = 0
            data = bytes([data[0] ^ flip]) + data[1:]
        return data

    def receive(self, cycle: int) -> bool:
        """Takes bytes from the host into the line, and from the line into the chip. True when there were any."""
        data = self._wire.read()
        if data:
            self._line.from_host(data, cycle)
        self._waiting += self._script.take(4096 - self._chip.call("serial_queued"))
        self._waiting += [(due, self._damaged("board", packet)) for due, packet in self._line.to_board()]
        while self._waiting:
            due, packet = self._waiting[0]
            taken = self._chip.serial_give(packet, due)
            if taken < len(packet):
                self._waiting[0] = (due, packet[taken:])
                break
            self._waiting.pop(0)
        return bool(data)

    def send(self, cycle: int) -> bool:
        """Takes what the chip has sent and gives the host what has arrived. True when there was anything."""
        data = self._damaged("host", self._chip.serial_take())
        self.bytes_sent += len(data)
        self.hear(data)
        self._line.from_board(data, cycle)
        self._unsent += self._line.to_host(cycle)
        connected = self._wire.connected()
        self._met_client |= connected
        if connected and self._unsent:
            del self._unsent[: self._wire.write(bytes(self._unsent))]
        elif not connected and self._met_client:
            self._unsent.clear()
        elif len(self._unsent) > BACKLOG_BYTES:
            del self._unsent[:-BACKLOG_BYTES]
        return bool(data)

    def close(self) -> None:
        """Closes the wire."""
        self._wire.close()
