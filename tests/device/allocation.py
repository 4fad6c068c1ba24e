# SPDX-License-Identifier: Apache-2.0
"""A program for the board that tells how many bytes of heap three steps of a job allocate."""

from __future__ import annotations

_STEPS = """
import gc, json, sys
if '/lib' not in sys.path: sys.path.append('/lib')
{first}from tercet_device import loop, trace
from tercet_device.arena import settle
training = loop.Training(json.load(open({path!r})))
settle()
def steps(count):
    for _ in range(count):
        training.settings()
        training.step.run(training.batch())
        training.step.add_metric(training.curve.sums, 0, 1)
before = after = 0  # a new name could make the dictionary of names grow
steps(2)
gc.collect()
gc.disable()
before = gc.mem_alloc()
steps(3)
after = gc.mem_alloc()
gc.enable()
trace.emit("allocated", bytes=after - before, paged=training.pager.tally()[0])
"""


def program(path: str, first: str = "") -> str:
    """The program for the job in `path`; `first` runs before the library is loaded. It emits an "allocated" event."""
    return _STEPS.format(path=path, first=first)
