# SPDX-License-Identifier: Apache-2.0
"""Flashing tools of others, run as processes with a deadline."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tercet.errors import BoardError, SetupError


def find(name: str) -> str:
    """The path of a tool, beside this Python or in the PATH; "" when it is not installed."""
    beside = Path(sys.executable).with_name(name)
    return str(beside) if beside.exists() else shutil.which(name) or ""


def run(words: list[str], who: str, deadline_s: float) -> str:
    """What a tool printed.

    Raises SetupError when it is missing, BoardError with its last words when it fails or hangs.
    """
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=deadline_s, check=False
        )
    except FileNotFoundError as error:
        raise SetupError(f"{words[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        raise BoardError(f"{who}: {Path(words[0]).name} did not end within {deadline_s:g} s", hint="flash again") from error
    text = done.stdout.decode(errors="replace")
    if done.returncode:
        last = [line.strip() for line in text.splitlines() if line.strip()][-3:]
        raise BoardError(f"{who}: {Path(words[0]).name} failed: {' / '.join(last) or done.returncode}", hint="flash again")
    return text
