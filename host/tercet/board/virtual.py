# SPDX-License-Identifier: Apache-2.0
"""Starts, stops and lists virtual boards:

separate processes, started by their command line and spoken to on their wires.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tercet import artifacts, resources
from tercet.board import signals
from tercet.errors import BoardError, InputError, SetupError

_MODULE = "tercet_virtual_board"
_START_S = 60.0
_STOP_S = 10.0
# processes that this one started: they are its to reap
_children: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class RunningBoard:
    """A virtual board at work:

    process id, pty paths of console and meter, `host:port` of the probe, path of the SD image.
    """

    name: str
    pid: int
    serial: str
    meter: str
    probe: str
    sd: str
    pace: str = "realtime"
    state: str = ""

    def to_json(self) -> dict[str, Any]:
        """What `tercet board start --json` prints."""
        return {key: getattr(self, key) for key in ("name", "pid", "serial", "meter", "probe", "sd")}


def state_folder() -> Path:
    """Where the user's running boards are registered."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "tercet" / "boards"


def start(
    name: str | None = None, *, image: Path | None = None, sd: Path | None = None, faults: Path | None = None,
    pace: str = "realtime", state: Path | None = None, options: tuple[str, ...] = (),
) -> RunningBoard:  # fmt: skip
    """Starts a virtual board that runs on in the background until `stop`, and returns its wires.

    `pace` is `realtime` or `max`; without `name` the first free of board0, board1, ... Without `image` it has what
    its flash kept, at the first start our own firmware. `options` are further words of its command line. Raises
    InputError for a missing file or a name in use,
    SetupError when the virtual board is not installed, BoardError when it does not start.
    """
    for path in (image, sd if sd and not sd.parent.is_dir() else None, faults):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: no such file")
    running = {board.name for board in boards()}
    name = name or next(free for i in range(1000) if (free := f"board{i}") not in running)
    if name in running:
        raise InputError(f"a board called {name} is running", hint=f"tercet board stop {name}")
    if not name.replace("-", "").replace("_", "").isalnum():
        raise InputError(f"{name!r} is no name for a board", hint="use letters, digits, - and _")
    folder = state or state_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    if image is None and not (folder / "flash.bin").exists():
        image = resources.firmware("nrf52840dk")
    command = [sys.executable, "-m", _MODULE, "run", "--name", name, "--state", str(folder), "--pace", pace]
    for option, value in (("--image", image), ("--sd", sd), ("--faults", faults)):
        if value is not None:
            command += [option, str(value)]
    command += options
    board = RunningBoard(**_launch(command, folder), pace=pace, state=str(folder))
    artifacts.write_bytes(_record(name), (json.dumps(asdict(board), indent=1) + "\n").encode())
    return board


def _record(name: str) -> Path:
    return state_folder() / f"{name}.json"


def _launch(command: list[str], folder: Path) -> dict[str, Any]:
    """Starts the process and waits for its ready line."""
    log = folder / "log.txt"
    with open(log, "wb") as errors:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
        )
    assert process.stdout is not None
    _children[process.pid] = process
    try:
        line = _ready_line(process)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        process.stdout.close()
    try:
        ready = json.loads(line)
        return {key: ready[key] for key in ("name", "pid", "serial", "meter", "probe", "sd")}
    except (ValueError, KeyError, TypeError) as error:
        process.kill()
        process.wait()
        text = log.read_text(errors="replace").strip()
        if f"No module named {_MODULE}" in text or f"No module named '{_MODULE}'" in text:
            raise SetupError("the virtual board is not installed", hint="pip install hil/virtual_board") from error
        last = text.splitlines()[-1] if text else repr(line)
        raise BoardError(f"the board did not start: {last}", hint=f"the rest is in {log}") from error


def _ready_line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    handle, data, end = process.stdout.fileno(), b"", time.monotonic() + _START_S
    while not data.endswith(b"\n"):
        if not select.select([handle], [], [], max(0.0, end - time.monotonic()))[0]:
            raise BoardError(f"the board did not get ready within {_START_S:g} s")
        part = os.read(handle, 4096)
        if not part:
            break
        data += part
    return data


def boards() -> list[RunningBoard]:
    """The virtual boards that run, sorted by name; records of dead ones are removed."""
    found = []
    for path in sorted(state_folder().glob("*.json")):
        try:
            board = RunningBoard(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError, OSError):
            path.unlink(missing_ok=True)
            continue
        if _alive(board):
            found.append(board)
        else:
            path.unlink(missing_ok=True)
    return found


def _alive(board: RunningBoard) -> bool:
    """Whether the process lives and is this board: process ids are used again."""
    if not lives(board.pid):
        return False
    arguments = Path(f"/proc/{board.pid}/cmdline")
    if not arguments.exists():
        return os.path.exists(board.serial)
    words = arguments.read_bytes().split(b"\0")
    return _MODULE.encode() in b" ".join(words) and board.name.encode() in words


def adopt(process: subprocess.Popen[bytes]) -> None:
    """Takes a process that stays into the list of those to reap."""
    _children[process.pid] = process


def lives(pid: int) -> bool:
    """Whether a process runs."""
    if pid in _children and _children[pid].poll() is not None:
        return False
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True


def find(name: str) -> RunningBoard | None:
    """The running board of that name."""
    return next((board for board in boards() if board.name == name), None)


def stop(name: str | None = None) -> list[str]:
    """Ends the board of that name, or all, and returns the names; raises InputError when there is none."""
    running = boards()
    chosen = running if name is None else [board for board in running if board.name == name]
    if name is not None and not chosen:
        known = ", ".join(board.name for board in running) or "none"
        raise InputError(f"no board called {name} is running", hint=f"running: {known}")
    for board in chosen:
        _end(board)
        _record(board.name).unlink(missing_ok=True)
    return [board.name for board in chosen]


def _end(board: RunningBoard) -> None:
    for number, patience_s in ((signal.SIGTERM, _STOP_S), (signal.SIGKILL, _STOP_S)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(board.pid, number)
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            if not _alive(board):
                return
            time.sleep(0.02)
    raise BoardError(f"the board {board.name} (process {board.pid}) does not end")


@contextlib.contextmanager
def temporary(**options: Any) -> Iterator[RunningBoard]:
    """A board for the duration of a command: it ends with it, also on Ctrl-C or an error.

    With `state` its flash is kept there for the next time.
    """
    name = options.pop("name", None) or f"{os.getpid()}-{time.monotonic_ns() % 10**9}"
    with tempfile.TemporaryDirectory(prefix="tercet-board-") as folder, signals.termination_as_exit():
        board = None
        try:
            # an interrupt between the start of the process and the knowledge of it would leave it alone
            with signals.later_interrupt():
                board = start(name, **{"state": Path(folder), **options})
            yield board
        finally:
            with signals.later_interrupt():
                if board is not None:
                    _end(board)
                _record(name).unlink(missing_ok=True)
