# SPDX-License-Identifier: Apache-2.0
"""The command line as users and documents see it: verbs, groups, help, exit codes, JSON."""

from __future__ import annotations

import json
import re
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from tercet.cli import main as entry
from tercet.cli.main import VERBS, cli

ROOT = Path(__file__).parents[2]
CONTRACT = {
    "Everyday": "doctor board flash profile train measure hil report demo",
    "Stages": "model compress graph solve plan deploy pull push",
    "Analysis": "replay explain show pareto bench",
    "Lab": "farm card targets",
}


def tercet(*words: str, code: int | None = 0, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """(stdout, stderr) of a command line that must end with `code`."""
    with pytest.raises(SystemExit) as ended:
        entry.main(list(words))
    out, err = capsys.readouterr()
    if code is not None:
        assert ended.value.code == code, out + err
    return out, err


def test_the_help_groups_the_verbs_of_the_contract() -> None:
    text = CliRunner().invoke(cli, ["--help"]).output
    at = 0
    for group, verbs in CONTRACT.items():
        at = text.index(f"{group}:", at)
        for verb in verbs.split():
            at = text.index(f"  {verb} ", at)
    assert set(VERBS) == {verb for verbs in CONTRACT.values() for verb in verbs.split()}


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_explains_itself_with_an_example(verb: str) -> None:
    command = cli.get_command(click.Context(cli), verb)
    assert command is not None
    commands = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    assert all(c.help and len(c.help.strip()) > 20 for c in commands)
    assert any("Example:" in (c.help or "") for c in commands)


def test_documents_name_only_verbs_and_options_that_exist() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for line in re.findall(r"^(?:    |\$ )(?:\.venv/bin/)?tercet (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE):
            words = line.split("#")[0].removeprefix("farm each ").split()
            if words[0].startswith("-"):
                continue
            command: click.Command | None = cli.get_command(click.Context(cli), words[0])
            assert command is not None, f"{path.name}: {line}"
            if isinstance(command, click.Group) and len(words) > 1 and words[1] in command.commands:
                command = command.commands[words[1]]
            known = {name for p in command.params for name in (*p.opts, *p.secondary_opts)} | {"--help"}
            used = {word.split("=")[0] for word in words if word.startswith("--")}
            assert used <= known, f"{path.name}: {line}: {used - known}"


def test_wrong_usage_is_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = tercet("solve", code=2, capsys=capsys)
    assert "Missing argument" in err
    _, err = tercet("solve", str(ROOT / "pyproject.toml"), "--ram", "much", code=2, capsys=capsys)
    assert "is not a size" in err
    tercet("sing", code=2, capsys=capsys)


def test_an_error_is_exit_code_1_with_a_hint_and_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    _, err = tercet("model", "no-such-network", code=1, capsys=capsys)
    assert "no network is called 'no-such-network'" in err
    assert "try:" in err
    out, _ = tercet("model", "no-such-network", "--json", code=1, capsys=capsys)
    assert json.loads(out)["kind"] == "InputError"


def test_stages_from_a_model_to_its_graph(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, graph = str(tmp_path / "model.json"), str(tmp_path / "graph.json")
    out, _ = tercet("model", "demo", "--init", "3", "-o", model, "--json", capsys=capsys)
    assert json.loads(out)["parameters"] == 15370
    out, _ = tercet("graph", model, "--batch", "48", "-o", graph, "--json", capsys=capsys)
    assert json.loads(out)["persistent_bytes"] == 61480
    whole = json.loads(out)["nodes"]
    out, _ = tercet("graph", model, "--batch", "48", "--tile-bytes", "5k", "-o", graph, "--json", capsys=capsys)
    assert json.loads(out)["persistent_bytes"] == 61480
    assert json.loads(out)["nodes"] > whole


def test_targets_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = tercet("targets", "--json", capsys=capsys)
    assert "nrf52840dk" in {entry["name"] for entry in json.loads(out)}


def test_doctor_finds_what_the_set_up_installed(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = tercet("doctor", "--json", code=None, capsys=capsys)
    found = {entry["name"]: entry for entry in json.loads(out)}
    assert found["numpy"]["ok"]
    assert all(entry["ok"] or entry["mend"] for entry in found.values())
