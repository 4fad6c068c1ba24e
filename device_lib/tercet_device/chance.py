# SPDX-License-Identifier: Apache-2.0
"""Random bytes for keys and nonces."""

import os

from tercet_device.errors import DeviceError


def random_bytes(count):
    """Bytes of the hardware generator; DeviceError("random") on a board that offers none."""
    if not hasattr(os, "urandom"):
        raise DeviceError("random", "this firmware has no os.urandom to draw a key from")
    return os.urandom(count)
