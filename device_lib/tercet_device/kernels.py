# SPDX-License-Identifier: Apache-2.0
"""The native kernels: from the firmware where they are built in, otherwise from the `.mpy` beside this package."""

try:
    from tercet_kernels import *  # noqa: F403
except ImportError:
    raise ImportError("tercet_kernels.mpy is not on the board; `tercet deploy` copies it")
