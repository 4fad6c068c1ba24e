# SPDX-License-Identifier: Apache-2.0
"""How a checkpoint is kept: under a checksum, or sealed by a key of the device that outlives every run.

A guard passes over the pieces of a body in order, between `begin` and `end` or `right`. `bound` are 64 bytes that name the
checkpoint; they are no part of the body. The proof of a body has 28 bytes.
"""

import os
import struct

from tercet_device.chance import random_bytes

_NONCE_BYTES, _TAG_BYTES = 12, 16
KEY_BYTES = 32


class Checked:
    """CRC-32: notices accidents only, hides nothing."""

    NUMBER = 0

    def begin(self, bound, proof=None):
        pass

    def protect(self, piece):
        pass

    def reveal(self, piece):
        pass

    def end(self, crc):
        return struct.pack("<24xI", crc)

    def right(self, proof, crc):
        return proof == self.end(crc)


class Sealed:
    """ChaCha20-Poly1305 (RFC 8439) under the device's key; each checkpoint has a random nonce of its own."""

    NUMBER = 1

    def __init__(self, key_path):
        import tercet_cipher

        self._cipher, self._key = tercet_cipher, device_key(key_path)
        self._state = bytearray(tercet_cipher.STATE_BYTES)
        self._proof = bytearray(_NONCE_BYTES + _TAG_BYTES)
        self._tag = memoryview(self._proof)[_NONCE_BYTES:]

    def begin(self, bound, proof=None):
        self._proof[:_NONCE_BYTES] = proof[:_NONCE_BYTES] if proof else random_bytes(_NONCE_BYTES)
        self._cipher.begin(self._state, self._key, b"TCKP" + self._proof[:_NONCE_BYTES])
        # both sides run the name through the cipher: a body under another name has another tag
        self._cipher.seal(self._state, bytearray(len(bound)), bound)

    def protect(self, piece):
        self._cipher.seal(self._state, piece, piece)

    def reveal(self, piece):
        self._cipher.open(self._state, piece)

    def end(self, crc):
        self._cipher.tag(self._state, self._tag, 0)
        return bytes(self._proof)

    def right(self, proof, crc):
        self._tag[:] = proof[_NONCE_BYTES:]
        return self._cipher.matches(self._state, self._tag, 0)


def open_guard(key_path):
    """A seal where the job names a key file, else a checksum."""
    return Sealed(key_path) if key_path else Checked()


def device_key(path):
    """The key in a file of the board's own flash, drawn from the hardware generator at its first use."""
    try:
        with open(path, "rb") as stream:
            key = stream.read()
        if len(key) == KEY_BYTES:
            return key
    except OSError:
        pass
    key = random_bytes(KEY_BYTES)
    # whole or not at all: power may go at any instant
    with open(path + ".new", "wb") as stream:
        stream.write(key)
    os.rename(path + ".new", path)
    return key
