# SPDX-License-Identifier: Apache-2.0
"""Tests on boards: fixtures `bench`, `board`, `meter`, `trained_model`, and verdicts on energy.

    @pytest.mark.energy(max_uj=120)                                  # a limit
    @pytest.mark.energy(baseline="baselines.json", tolerance=0.03)   # no more than 3 % above an earlier figure
    def test_dense(board, meter):
        meter.run("for _ in range(100): pass", regions=20)

A marked test that measured nothing, or whose measurement is INVALID, is an error: neither failed nor passed nor
skipped; so is any test whose board or meter went away. Without a meter on the bench marked tests are deselected.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tercet.board.base import Board, ProgramError
from tercet.board.bench import Bench
from tercet.errors import BoardError, MeterError
from tercet.farm import energy_artifact
from tercet.farm.lab import Lab, TestMeter
from tercet.measure import verdict as verdicts
from tercet.measure.verdict import Verdict
from tercet.profile.region import Metered

_METERED: pytest.StashKey[list[Metered]] = pytest.StashKey()
_LAB: pytest.StashKey[Lab] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the tests on boards."""
    group = parser.getgroup("tercet", "tests on boards")
    group.addoption("--board", dest="tercet_board", metavar="NAME", help="an attached or running board")
    group.addoption("--bench", dest="tercet_bench", metavar="FILE", type=Path, help="a bench file")
    group.addoption("--board-image", dest="tercet_image", metavar="FILE", type=Path, help="firmware of the virtual board")
    group.addoption("--board-faults", dest="tercet_faults", metavar="FILE", type=Path, help="faults of the virtual board")
    group.addoption("--energy-dir", metavar="DIR", type=Path, default=Path("build/hil"), help="for artefacts of energy tests")
    group.addoption("--update-energy-baselines", action="store_true", help="write this run's figures as the new baselines")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark and the session's bench."""
    config.addinivalue_line(
        "markers", "energy(max_uj=None, baseline=None, tolerance=0.05, quantity='net'): judges what the test's meter measured"
    )
    option = config.option
    lab = Lab(option.tercet_board, option.tercet_bench, option.tercet_image, option.tercet_faults)
    config.stash[_LAB] = lab
    config.add_cleanup(lab.drop)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects energy tests when the bench declares no meter."""
    if not config.stash[_LAB].declares_meter:
        energy = [item for item in items if item.get_closest_marker("energy")]
        config.hook.pytest_deselected(items=energy)
        items[:] = [item for item in items if item not in energy]


@pytest.fixture(scope="session")
def lab(pytestconfig: pytest.Config) -> Lab:
    """The session's bench with what is open on it."""
    return pytestconfig.stash[_LAB]


@pytest.fixture
def bench(lab: Lab) -> Bench:
    """The bench of this session."""
    return lab.bench


@pytest.fixture
def board(lab: Lab) -> Iterator[Board]:
    """The board at its prompt, its heap fresh."""
    found = lab.board()
    try:
        yield found
    finally:
        found.interrupt()


@pytest.fixture
def meter(lab: Lab, board: Board, request: pytest.FixtureRequest) -> TestMeter:
    """The bench's meter."""
    lab.meter()
    kept: list[Metered] = []
    request.node.stash[_METERED] = kept
    return TestMeter(lab, board, kept)


@pytest.fixture
def trained_model(lab: Lab, board: Board) -> Any:
    """A function that trains a small network on the board: see `tercet.farm.trained.train`."""
    from functools import partial

    from tercet.farm import trained

    return partial(trained.train, board, lab.bench)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Turns a marked test's outcome into its energy verdict, and a bench that went away into an error."""
    outcome: Any = yield
    report = outcome.get_result()
    mark = item.get_closest_marker("energy")
    if report.skipped or call.when == "teardown":
        return
    if call.when == "call":
        item.user_properties.extend(_samples(item.stash.get(_METERED, [])))
        report.user_properties = item.user_properties
    broken = call.excinfo is not None and isinstance(call.excinfo.value, (MeterError, BoardError))
    if mark is None:
        if broken and not isinstance(call.excinfo and call.excinfo.value, ProgramError):
            report.when = "setup"  # pytest and JUnit call what fails there an error
        return
    if call.when == "setup" and not broken:
        return
    if call.excinfo is not None and not broken:
        return
    cause = str(call.excinfo.value) if broken and call.excinfo else ""
    _apply(item, report, dict(mark.kwargs), cause)


def _apply(item: pytest.Item, report: pytest.TestReport, limits: dict[str, Any], cause: str) -> None:
    """Judges, leaves the artefact and the JUnit properties, and sets the report's outcome."""
    lab, kept = item.config.stash[_LAB], item.stash.get(_METERED, [])
    metered = kept[-1] if kept else None
    where = lab.where()
    baseline = limits.pop("baseline", None)
    baseline_uj = None
    if baseline is not None:
        path = Path(item.path).parent / baseline
        if item.config.option.update_energy_baselines and metered and metered.measurement.valid:
            energy_artifact.write_baseline(path, where, item.nodeid, metered.measurement)
        baseline_uj = energy_artifact.read_baseline(path, where, item.nodeid)
    if cause:
        found = Verdict(verdicts.INVALID, (cause,))
    elif metered is None:
        found = Verdict(verdicts.INVALID, ("nothing was measured",))
    elif baseline is not None and baseline_uj is None and "max_uj" not in limits:
        hint = f"{baseline} holds no baseline for {where}: --update-energy-baselines writes it"
        found = Verdict(verdicts.INVALID, (*metered.measurement.causes, hint))
    else:
        found = verdicts.judge(metered.measurement, baseline_uj=baseline_uj, **limits)
    artefact = energy_artifact.write(item.config.option.energy_dir, item.nodeid, metered, found, where)
    item.user_properties.extend(_properties(found, metered, artefact))
    report.user_properties = item.user_properties
    if found.outcome != verdicts.PASS:
        report.outcome = "failed"
        report.longrepr = f"energy {found.outcome}: {'; '.join(found.reasons)}"
        if found.outcome == verdicts.INVALID:
            report.when = "setup"


def _samples(kept: list[Metered]) -> list[tuple[str, object]]:
    """What the meter's captures of a test held and lost."""
    counts = (sum(len(m.capture) for m in kept), sum(m.capture.lost_samples for m in kept))
    return list(zip(("meter_samples", "meter_lost_samples"), counts, strict=True)) if kept else []


def _properties(found: Verdict, metered: Metered | None, artefact: Path) -> list[tuple[str, object]]:
    """The JUnit properties of a verdict."""
    values: list[tuple[str, object]] = [("energy_verdict", found.outcome), ("energy_artifact", str(artefact))]
    if found.value_uj is not None:
        values += [("energy_uj", f"{found.value_uj:.6g}"), ("energy_ci_uj", f"{found.ci_uj or 0:.3g}")]
    if metered:
        values.append(("energy_provenance", metered.measurement.provenance))
    return values
