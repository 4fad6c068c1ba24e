# SPDX-License-Identifier: Apache-2.0
"""Data sets: what ships, what installs from a package, what the user brings; every file's hash is checked."""

from tercet.datasets.dataset import Dataset
from tercet.datasets.registry import NAMES, load

__all__ = ["NAMES", "Dataset", "load"]
