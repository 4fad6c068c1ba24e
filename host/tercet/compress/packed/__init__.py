# SPDX-License-Identifier: Apache-2.0
"""The compressed file: lossless coding of a model's weights, and the formats that kernels execute."""

from tercet.compress.packed.container import pack, read, unpack, write

__all__ = ["pack", "read", "unpack", "write"]
