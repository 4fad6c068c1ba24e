# SPDX-License-Identifier: GPL-2.0-or-later
"""The meter's command bytes, which arrive without framing and in arbitrary pieces."""

import struct
from collections.abc import Iterator

START, STOP, POWER, VOLTAGE, MODE = 0x06, 0x07, 0x0C, 0x0D, 0x11
SPIKES_ON, SPIKES_OFF, METADATA, RESET, USER_GAIN = 0x15, 0x16, 0x19, 0x20, 0x25

#: Argument bytes that follow each command; any other byte stands alone and means nothing.
_ARGUMENT_BYTES = {START: 0, STOP: 0, POWER: 1, VOLTAGE: 2, MODE: 1, SPIKES_ON: 0, SPIKES_OFF: 0, METADATA: 0,
                   RESET: 0, USER_GAIN: 5}


class CommandReader:
    """Cuts a byte stream into commands."""

    def __init__(self) -> None:
        self._pending = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """(command, argument bytes) of each command that is now complete."""
        self._pending += data
        while self._pending:
            length = 1 + _ARGUMENT_BYTES.get(self._pending[0], 0)
            if len(self._pending) < length:
                return
            command, argument = self._pending[0], bytes(self._pending[1:length])
            del self._pending[:length]
            yield command, argument


def user_gain(argument: bytes) -> tuple[int, float]:
    """(range, gain) of a user gain command's argument."""
    return argument[0], struct.unpack("<f", argument[1:])[0]
