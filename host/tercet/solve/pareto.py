# SPDX-License-Identifier: Apache-2.0
"""Energy along RAM and deadline: a sweep in parallel that can be taken up again, as CSV and as a plot."""

from __future__ import annotations

import csv
import io
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.errors import ArtifactError, InfeasibleError, InputError, TercetError
from tercet.solve import homes
from tercet.solve.baselines.keep_all import peak_bytes
from tercet.solve.exact import exact
from tercet.solve.problem import Problem
from tercet.solve.replay import replay
from tercet.solve.schedule import Schedule

FIELDS = ("problem", "ram_bytes", "deadline_ms", "status", "objective_j", "bound_j", "peak_bytes", "time_ms", "solve_s")


def parse_range(text: str) -> list[float]:
    """Fractions from `20%..100%` (in steps of a tenth), `20%..100%/5%` or `50%,80%`; raises InputError."""
    try:
        if ".." not in text:
            return [float(part.rstrip("%")) / 100 for part in text.split(",")]
        span, _, step = text.partition("/")
        low, high = (float(part.rstrip("%")) for part in span.split(".."))
        width = float(step.rstrip("%")) if step else 10.0
        count = int((high - low) / width + 1e-9) + 1
        if not 0 < low <= high or width <= 0:
            raise ValueError(text)
        return [(low + width * index) / 100 for index in range(count)]
    except ValueError as error:
        raise InputError(f"{text!r} is not a range", hint="write 20%..100%, 20%..100%/5% or 50%,80%") from error


def deadline_ms(finish_within_s: float, epochs: int, steps_per_epoch: int) -> float:
    """The deadline of a step, if `epochs` of `steps_per_epoch` steps are to end within `finish_within_s`."""
    if finish_within_s <= 0 or epochs < 1 or steps_per_epoch < 1:
        raise InputError(f"no step fits: {finish_within_s:g} s for {epochs} epochs of {steps_per_epoch} steps")
    return finish_within_s * 1000 / (epochs * steps_per_epoch)


def sweep(
    problem: Problem, rams: Sequence[float], deadlines_ms: Sequence[float | None], path: str | Path, *,
    time_limit_s: float = 20.0, workers: int = 2, say: Callable[[str], None] = lambda _: None,
    stop: threading.Event | None = None,
) -> list[dict[str, Any]]:  # fmt: skip
    """The rows of the sweep, one a (RAM fraction of the store-all peak, deadline); written to `path` as they come.

    Rows that `path` already holds are not solved again; `stop` ends the sweep. Deadlines run in parallel; along RAM each
    solution is the starting point of the next wider budget, for which it is legal as well.
    """
    path = Path(path)
    rows = read(path, problem.name) if path.is_file() else []
    done = {(row["ram_bytes"], row["deadline_ms"]) for row in rows}
    peak = peak_bytes(problem)
    budgets = sorted({round(peak * share) for share in rams})
    lock = threading.Lock()

    def keep(row: dict[str, Any]) -> None:
        with lock:
            rows.append(row)
            rows.sort(key=lambda row: (row["deadline_ms"] or 0.0, row["ram_bytes"]))
            artifacts.write_bytes(path, to_csv(rows).encode())
            say(f"{path}: {len(rows)} of {len(budgets) * len(deadlines_ms)} points")

    def along(deadline: float | None) -> None:
        left = [ram for ram in budgets if (ram, deadline) not in done]
        for row in _chain(problem, left, deadline, time_limit_s, stop):
            keep(row)

    # threads suffice: the solvers run in processes of their own or release the interpreter
    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(along, deadline) for deadline in deadlines_ms]:
            future.result()
    return rows


def _chain(
    problem: Problem, budgets: list[int], deadline: float | None, time_limit_s: float, stop: threading.Event | None
) -> Iterator[dict[str, Any]]:  # fmt: skip
    """One deadline's points, from the tightest budget up; a point that `stop` cut short is left for the next time."""
    hint: Schedule | None = None
    deadline_ns = None if deadline is None else round(deadline * 1e6)
    for ram in budgets:
        row = dict.fromkeys(FIELDS) | {"problem": problem.name, "ram_bytes": ram, "deadline_ms": deadline}
        try:
            found = homes.best(
                problem.with_budgets(ram, deadline_ns, problem.card_bytes), time_limit_s,
                lambda bounded, limit_s, hint=hint: exact(  # type: ignore[misc]
                    bounded, time_limit_s=limit_s, workers=1, hint=_useful(hint, bounded), stop=stop
                ),
            )  # fmt: skip
            row |= {name: value for name, value in found.to_dict().items() if name in FIELDS}
            hint = found.schedule
        except InfeasibleError:
            row["status"] = "infeasible"
        except TercetError:
            row["status"] = "unknown"
        if stop is not None and stop.is_set():
            return
        yield row


def _useful(hint: Schedule | None, problem: Problem) -> Schedule | None:
    """The schedule of the neighbour, unless weights live elsewhere here."""
    return hint if hint is not None and replay(problem, hint).legal else None


def to_csv(rows: list[dict[str, Any]]) -> str:
    """The rows as CSV with a header."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def read(path: str | Path, name: str) -> list[dict[str, Any]]:
    """The rows of an earlier sweep; raises ArtifactError when the file belongs to another problem."""
    rows: list[dict[str, Any]] = []
    for row in csv.DictReader(io.StringIO(Path(path).read_text(encoding="utf-8"))):
        if row.get("problem") != name or set(row) != set(FIELDS):
            raise ArtifactError(f"{path}: is no sweep of {name}", hint="give another file, or delete this one")
        text = {"problem": row["problem"], "status": row["status"]}
        numbers: dict[str, Any] = {k: float(v) if v else None for k, v in row.items() if k not in text}
        whole = {k: None if numbers[k] is None else int(numbers[k]) for k in ("ram_bytes", "peak_bytes")}
        rows.append({**dict.fromkeys(FIELDS), **text, **numbers, **whole})
    return rows


def plot(rows: list[dict[str, Any]], title: str) -> bytes:
    """Energy against RAM, one line a deadline, as the bytes of an SVG file."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4.5))
    for deadline in sorted({row["deadline_ms"] for row in rows}, key=lambda ms: ms or 0.0):
        found = [row for row in rows if row["deadline_ms"] == deadline and row["objective_j"] is not None]
        label = "no deadline" if deadline is None else f"{deadline:g} ms"
        axes.plot([row["ram_bytes"] / 1024 for row in found], [row["objective_j"] for row in found], "o-", label=label)
    axes.set(xlabel="RAM budget, KiB", ylabel="energy of a step, J", title=title)
    axes.legend()
    stream = io.BytesIO()
    figure.savefig(stream, format="svg")
    pyplot.close(figure)
    return stream.getvalue()
