# SPDX-License-Identifier: Apache-2.0
"""The cost table: time and net energy of every operator and page transfer on one board."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.errors import ArtifactError, InputError

SCHEMA = "tercet-costs/1"
BLOCK_BYTES = 512


@dataclass(frozen=True)
class OpCost:
    """The cost of one run of an operator: microseconds, nanojoules net above the baseline, and where they come from."""

    time_us: float
    energy_nj: float
    provenance: str = "modelled"
    time_ci_us: float = 0.0
    energy_ci_nj: float = 0.0


@dataclass(frozen=True)
class PageCost:
    """The cost of a transfer: a fixed part and a part per 512-byte block.

    `fixed_us` and `per_block_us` occupy the bus; `cpu_fixed_us` and `cpu_us_per_block` (checksum, cipher) are CPU time: after it,
    or, where the table says `overlap`, in it. Energies are net above the baseline. A card stalls at a block with the probability
    `stall_chance`, for `stall_us` and `stall_nj` in the mean; `stall_ci_us` is half the 95 % interval of what that makes a block.
    """

    fixed_us: float = 0.0
    per_block_us: float = 0.0
    cpu_us_per_block: float = 0.0
    fixed_nj: float = 0.0
    per_block_nj: float = 0.0
    provenance: str = "modelled"
    cpu_fixed_us: float = 0.0
    stall_chance: float = 0.0
    stall_us: float = 0.0
    stall_nj: float = 0.0
    stall_ci_us: float = 0.0

    def bus_us(self, nbytes: int) -> float:
        """The time that a transfer of `nbytes` holds the bus, stalls in the mean of many."""
        return self.fixed_us + blocks(nbytes) * (self.per_block_us + self.stall_chance * self.stall_us)

    def cpu_us(self, nbytes: int) -> float:
        """The CPU time that a transfer of `nbytes` takes."""
        return self.cpu_fixed_us + blocks(nbytes) * self.cpu_us_per_block

    def energy_nj(self, nbytes: int) -> float:
        """The net energy of a transfer of `nbytes`."""
        return self.fixed_nj + blocks(nbytes) * (self.per_block_nj + self.stall_chance * self.stall_nj)

    def unstalled(self) -> PageCost:
        """The cost of a transfer that meets no stall, the usual one."""
        return replace(self, stall_chance=0.0, stall_us=0.0, stall_nj=0.0, stall_ci_us=0.0)


@dataclass(frozen=True)
class CostTable:
    """Costs of one board, firmware and meter.

    `fits` are models of families of shapes (`tercet.autodiff.shape_cost`); `model`, if there is one, answers for signatures that
    were never measured. `step` is what a step costs beside its operators and pages, `power_mw` the rail's power by the state of
    an idle board. `overlap`: transfers run beside the processor; `encrypted`: pages were sealed while they were timed. The
    card's bus ran at `card_hz` then (0: not known), with `card_max_hz` allowed (0: the target's own).
    """

    board: str
    ops: dict[str, OpCost]
    page_out: PageCost
    page_in: PageCost
    baseline_mw: float = 0.0
    overlap: bool = False
    firmware: str = ""
    meter: str = ""
    volts: float = 3.3
    inputs: dict[str, str] = field(default_factory=dict)
    model: Callable[[str], OpCost | None] | None = None
    fits: dict[str, Any] = field(default_factory=dict)
    power_mw: dict[str, float] = field(default_factory=dict)
    step: OpCost = field(default_factory=lambda: OpCost(0.0, 0.0))
    encrypted: bool = False
    card_hz: int = 0
    card_max_hz: int = 0

    def op(self, signature: str) -> OpCost:
        """The cost stored under a signature, or the model's answer; raises InputError when there is neither."""
        found = self.ops.get(signature) or (self.model(signature) if self.model else None)
        if found is None:
            raise InputError(
                f"costs of {self.board}: no entry for {signature}", hint="tercet profile measures it on the board"
            )
        return found

    def unstalled(self) -> CostTable:
        """The table of a card that does not stall, as it usually does not in a step."""
        return replace(self, page_out=self.page_out.unstalled(), page_in=self.page_in.unstalled())

    def require(self, signatures: Iterable[str]) -> None:
        """Raises InputError that names every missing signature."""
        missing = sorted({s for s in signatures if s not in self.ops and not (self.model and self.model(s))})
        if missing:
            shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise InputError(
                f"costs of {self.board}: no entry for {shown}", hint="tercet profile MODEL measures them on the board"
            )


def blocks(nbytes: int) -> int:
    """The number of 512-byte blocks that `nbytes` take."""
    return -(-nbytes // BLOCK_BYTES)


def to_body(table: CostTable) -> dict[str, Any]:
    """The JSON body of a cost table."""
    return {
        "board": table.board, "firmware": table.firmware, "meter": table.meter,
        "baseline_mw": table.baseline_mw, "volts": table.volts, "overlap": table.overlap, "encrypted": table.encrypted,
        "card_hz": table.card_hz, "card_max_hz": table.card_max_hz,
        "power_mw": table.power_mw, "step": vars(table.step), "page_out": vars(table.page_out), "page_in": vars(table.page_in),
        "ops": {name: vars(cost) for name, cost in table.ops.items()}, "fits": table.fits,
    }  # fmt: skip


def save(table: CostTable, path: str | Path) -> Path:
    """Writes costs.json and returns its path."""
    return artifacts.write_json(path, SCHEMA, to_body(table), table.inputs)


def load(path: str | Path) -> CostTable:
    """The cost table in a file; raises ArtifactError or InputError that names the faulty entry."""
    body = artifacts.read_json(path, SCHEMA)
    try:
        ops = {name: _cost(OpCost, entry, f"{path}: ops {name}") for name, entry in body["ops"].items()}
        page_out, page_in = (_cost(PageCost, body[side], f"{path}: {side}") for side in ("page_out", "page_in"))
        step = _cost(OpCost, body.get("step", {"time_us": 0.0, "energy_nj": 0.0}), f"{path}: step")
        board, overlap, encrypted = str(body["board"]), body.get("overlap", False), body.get("encrypted", False)
    except (KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(f"{path}: not a complete cost table: {error!r}") from error
    for name, value in (("overlap", overlap), ("encrypted", encrypted)):
        if not isinstance(value, bool):
            raise ArtifactError(f"{path}: {name} is {value!r}, true or false was expected")
    return CostTable(
        board, ops, page_out, page_in, artifacts.finite(body.get("baseline_mw", 0.0), f"{path}: baseline_mw"), overlap,
        str(body.get("firmware", "")), str(body.get("meter", "")),
        artifacts.finite(body.get("volts", 3.3), f"{path}: volts"), dict(body.get("inputs", {})),
        fits=dict(body.get("fits", {})), power_mw=dict(body.get("power_mw", {})), step=step,
        encrypted=encrypted, card_hz=_hertz(body, "card_hz", path), card_max_hz=_hertz(body, "card_max_hz", path),
    )  # fmt: skip


def _hertz(body: dict[str, Any], name: str, path: str | Path) -> int:
    return int(artifacts.finite(body.get(name, 0), f"{path}: {name}"))


def _cost(kind: Any, entry: dict[str, Any], where: str) -> Any:
    """A cost from its JSON object; energies may be negative (noise around zero) but are then taken as zero."""
    fields = kind.__dataclass_fields__
    unknown = sorted(set(entry) - set(fields))
    if unknown:
        raise ArtifactError(f"{where}: unknown field {unknown[0]!r}", hint=f"fields are {', '.join(fields)}")
    values: dict[str, Any] = {}
    for name, value in entry.items():
        if name == "provenance":
            values[name] = str(value)
        elif name in ("energy_nj", "fixed_nj", "per_block_nj", "fixed_us", "cpu_fixed_us"):
            values[name] = max(0.0, artifacts.finite(value, f"{where}: {name}", minimum=float("-inf")))
        else:
            values[name] = artifacts.finite(value, f"{where}: {name}")
    return kind(**values)
