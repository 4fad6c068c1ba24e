# SPDX-License-Identifier: Apache-2.0
"""A board's serial port for tests."""

import pytest

from .console import UNIX_PORT, Console


@pytest.fixture
def console(tmp_path):
    if not UNIX_PORT.exists():
        pytest.skip("MicroPython's unix port is not built: run `make -C firmware unix`")
    console = Console(tmp_path)
    yield console
    console.close()
