# SPDX-License-Identifier: Apache-2.0
"""What a page carries with it so that another one is not taken for it: a seal, or a checksum. Both are kept in RAM.

A guard passes over the pieces of a page in order: `protect` gives what goes to the store, `reveal` undoes it in place.
"""

from array import array

from tercet_device.chance import random_bytes

_PIECE_BYTES = 2048
KEY_BYTES = 32


class Checksum:
    """CRC-32: notices accidents only, hides nothing."""

    PIECE_BYTES = 1 << 30

    def __init__(self, kernels, pages):
        self._crc32 = kernels.crc32
        self._kept = array("I", bytes(4 * pages))
        self._crc = 0

    def begin(self, index, block, writing):
        self._crc = 0

    def protect(self, piece):
        self._crc = self._crc32(piece, self._crc)
        return piece

    def reveal(self, piece):
        self._crc = self._crc32(piece, self._crc)

    def keep(self, index):
        self._kept[index] = self._crc

    def right(self, index):
        return self._crc == self._kept[index]


class Seal:
    """ChaCha20-Poly1305 (RFC 8439) under a key of this run from the hardware generator, which never leaves RAM.

    Each write of a page has its own nonce: the page's first block and a counter of all writes. The tag covers the tensor's
    number, block, counter and data, and stays in RAM: a page that was changed, exchanged or is older fails.
    """

    PIECE_BYTES = _PIECE_BYTES

    def __init__(self, pages):
        import tercet_cipher

        self._cipher = tercet_cipher
        self._key = random_bytes(KEY_BYTES)
        self._state = bytearray(tercet_cipher.STATE_BYTES)
        self._page = array("I", (0, 0, 0, 0))
        self._count = array("I", (0, 0))
        self._written = array("I", bytes(8 * pages))
        self._tags = bytearray(16 * pages)
        self._piece = memoryview(bytearray(_PIECE_BYTES))

    def begin(self, index, block, writing):
        count, written, page = self._count, self._written, self._page
        if writing:
            # two halves of 30 bits: MicroPython's small integers
            count[0] = (count[0] + 1) & 0x3FFFFFFF
            if not count[0]:
                count[1] += 1
            written[2 * index], written[2 * index + 1] = count[0], count[1]
        page[0], page[1], page[2], page[3] = index, block, written[2 * index], written[2 * index + 1]
        self._cipher.begin(self._state, self._key, page)

    def protect(self, piece):
        sealed = self._piece[: len(piece)]
        self._cipher.seal(self._state, sealed, piece)
        return sealed

    def reveal(self, piece):
        self._cipher.open(self._state, piece)

    def keep(self, index):
        self._cipher.tag(self._state, self._tags, index)

    def right(self, index):
        return self._cipher.matches(self._state, self._tags, index)
