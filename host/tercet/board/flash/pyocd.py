# SPDX-License-Identifier: Apache-2.0
"""SWD through pyOCD:

any CMSIS-DAP probe, a J-Link where SEGGER's library is installed, or a probe on a network port.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from tercet.board.bench import Bench
from tercet.board.flash.base import Job
from tercet.board.flash.image import Image
from tercet.errors import BoardError
from tercet.targets import Target

_READ_BYTES = 4096


def obstacle(bench: Bench, target: Target) -> str:
    """A remote probe is taken at its word; others must be attached."""
    if not target.pyocd_target:
        return "pyOCD does not know this chip"
    if bench.probe.startswith("remote:"):
        return ""
    from pyocd.core.helpers import ConnectHelper

    with _quiet():
        probes = [probe.unique_id for probe in ConnectHelper.get_all_connected_probes(blocking=False)]
    if not probes:
        return "no debug probe is attached (for the J-Link on a DK pyOCD needs SEGGER's library)"
    if bench.probe and bench.probe not in probes:
        return f"probe {bench.probe} is not attached, {', '.join(probes)} is"
    return ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """pyOCD tells on its loggers what is also raised."""
    logger = logging.getLogger("pyocd")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _session(job: Job) -> Any:
    from pyocd.core.helpers import ConnectHelper

    options = {
        "target_override": job.target.pyocd_target, "auto_unlock": job.unlock, "no_config": True, "frequency": 4_000_000,
        "resume_on_disconnect": True,
    }  # fmt: skip
    session = ConnectHelper.session_with_chosen_probe(
        blocking=False, return_first=not job.bench.probe, unique_id=job.bench.probe or None, options=options
    )
    if session is None:
        raise BoardError(f"{job.bench.name}: no debug probe {job.bench.probe}", hint="is it plugged in, and used by nobody else?")
    return session


def flash(job: Job) -> bool:
    """See `Strategy.flash`. What flash holds is compared first; only pages that differ are written."""
    from pyocd.core import exceptions

    try:
        with _quiet(), _session(job) as session:
            if not job.force and _matches(session.board.target, job.image, job.progress):
                session.board.target.reset()
                return False
            _program(session, job)
            if not _matches(session.board.target, job.image, job.progress):
                raise BoardError(f"{job.bench.name}: flash does not hold what was written", hint="flash again with --force")
            session.board.target.reset()
            return True
    except exceptions.TargetError as error:
        raise BoardError(f"{job.bench.name}: {error}", hint=_hint(str(error), job)) from error
    except (exceptions.Error, OSError) as error:
        raise BoardError(f"{job.bench.name}: the probe {job.bench.probe} failed: {error}", hint="flash again") from error


def _hint(text: str, job: Job) -> str:
    locked = any(word in text.lower() for word in ("approtect", "locked", "protect"))
    if locked and not job.unlock:
        return "the chip is locked: --unlock erases all of it, bootloader and SoftDevice too, and then flashes"
    return "flash again"


def _program(session: Any, job: Job) -> None:
    from pyocd.flash.loader import FlashLoader

    session.board.target.reset_and_halt()  # whatever ran must not run while its flash changes
    loader = FlashLoader(session, progress=lambda share: job.progress("writing", float(share)), chip_erase="sector")
    for address, data in job.image.segments:
        loader.add_data(address, data)
    loader.commit()


def _matches(target: Any, image: Image, progress: Any) -> bool:
    """Whether the flash holds the image already."""
    done = 0
    for start, data in image.segments:
        for offset in range(0, len(data), _READ_BYTES):
            part = data[offset : offset + _READ_BYTES]
            if bytes(target.read_memory_block8(start + offset, len(part))) != part:
                return False
            done += len(part)
            progress("comparing", done / image.nbytes)
    return True
