# SPDX-License-Identifier: Apache-2.0
"""A shuffled order of samples that takes no room: a permutation computed index by index; the host computes the same.

A Feistel network permutes the numbers below the smallest power of four that holds all samples; an index that falls outside goes
through it again until it falls inside (cycle walking). Every product stays below 2^30, so that no big integer is made.
"""

from array import array

# a such that a * 2^16 - 1 and a * 2^15 - 1 are prime: the longest period of multiply-with-carry (Marsaglia).
MULTIPLIER = 16380
MIXER = 14933
ROUNDS = 6


class Order:
    """The numbers below `count` in an order that a seed tells; `order[i]` is the i-th."""

    def __init__(self, count):
        self.count = count
        self._half = 1
        while 1 << 2 * self._half < count:
            self._half += 1
        self._keys = array("H", bytes(2 * ROUNDS))

    def shuffle(self, seed):
        """Takes the order of a seed and returns the generator's next state."""
        for i in range(ROUNDS):
            seed = MULTIPLIER * (seed & 0xFFFF) + (seed >> 16)
            self._keys[i] = seed & 0xFFFF
        return seed

    def __getitem__(self, index):
        half = self._half
        mask = (1 << half) - 1
        while True:
            left = index >> half
            right = index & mask
            for key in self._keys:
                index = left ^ ((right ^ key) * MIXER >> 9) & mask
                left = right
                right = index
            index = left << half | right
            if index < self.count:
                return index
