# SPDX-License-Identifier: Apache-2.0
"""A process beside this one that can be ended at any time: where solvers that cannot be interrupted run.

The two speak in pickles over pipes, each behind its length. A request is `(module:function, arguments)`; the function
gets `say`, with which it sends answers as it has them; `None` follows the last one.
"""

from __future__ import annotations

import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import IO, Any

LENGTH_BYTES = 8
SERVE = "from tercet.solve.helper import serve; serve()"


class Helper:
    """One process, started when first asked, ended by `close`, by `ask` when it is told to stop, or with this one."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def begin(self, function: str, **arguments: Any) -> None:
        """Sends a request; `answers` has what comes back."""
        if self._process is None or self._process.poll() is not None:
            self._start()
        assert self._process is not None and self._process.stdin is not None
        _write(self._process.stdin, (function, arguments))

    def answers(self) -> Iterator[Any]:
        """What has come back since the last call, without waiting."""
        while not self._answers.empty():
            yield self._answers.get()

    def ask(
        self, function: str, *, patience_s: float, stop: threading.Event | None = None,
        meanwhile: Callable[[], None] = lambda: None, **arguments: Any,
    ) -> Any:  # fmt: skip
        """The last answer to a request; None when it failed, did not come in time, or `stop` was set.

        The process is ended in the last two cases. `meanwhile` is called some fifty times a second.
        """
        self.begin(function, **arguments)
        ends, last = time.perf_counter() + patience_s, None
        while time.perf_counter() < ends and not (stop and stop.is_set()):
            meanwhile()
            try:
                answer = self._answers.get(timeout=0.02)
            except queue.Empty:
                continue
            if answer is None:
                return last
            last = answer
        self.close()
        return last

    def close(self) -> None:
        """Ends the process at once."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()

    def _start(self) -> None:
        self.close()
        self._answers = queue.SimpleQueue()
        # a session of its own: Ctrl-C in a terminal is for the command, which decides what becomes of its helpers
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0,
            start_new_session=True,
        )  # fmt: skip
        threading.Thread(target=_collect, args=(self._process.stdout, self._answers), daemon=True).start()


def _collect(stream: IO[bytes], answers: queue.SimpleQueue[Any]) -> None:
    """Reads answers until the process ends; a process that dies has answered for the last time."""
    try:
        while True:
            answers.put(_read(stream))
    except (EOFError, OSError, ValueError):
        answers.put(None)


def _write(stream: IO[bytes], value: Any) -> None:
    body = memoryview(len(pickled := pickle.dumps(value)).to_bytes(LENGTH_BYTES, "little") + pickled)
    while body:
        body = body[stream.write(body) :]


def _read(stream: IO[bytes]) -> Any:
    length = int.from_bytes(_exactly(stream, LENGTH_BYTES), "little")
    return pickle.loads(_exactly(stream, length))


def _exactly(stream: IO[bytes], count: int) -> bytes:
    parts = []
    while count:
        part = stream.read(count)
        if not part:
            raise EOFError
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def serve() -> None:
    """Serves requests until standard input ends, which also ends a request that is under way."""
    requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
    # what solvers print must not come between the answers
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def listen() -> None:
        try:
            while True:
                requests.put(_read(sys.stdin.buffer))
        except EOFError:
            os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        function, arguments = requests.get()
        module, _, name = function.partition(":")
        try:
            getattr(import_module(module), name)(say=lambda value: _write(answers, value), **arguments)
        finally:
            _write(answers, None)
