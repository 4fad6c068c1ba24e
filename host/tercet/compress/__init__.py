# SPDX-License-Identifier: Apache-2.0
"""Compression: five published methods, their joint choice, and the file that ships."""

from tercet.compress.run import METHODS, run

__all__ = ["METHODS", "run"]
