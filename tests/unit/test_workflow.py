# SPDX-License-Identifier: Apache-2.0
"""The workflow for a self-hosted runner: it parses, and says only what GitHub and our command line know."""

import re
import shlex
from pathlib import Path

import click
import yaml
from tercet.cli.main import cli

ROOT = Path(__file__).parents[2]
WORKFLOW = ROOT / ".github" / "workflows" / "hil.yml"
TOP = {"name", "on", "permissions", "concurrency", "jobs"}
JOB = {"if", "runs-on", "timeout-minutes", "steps"}
STEP = {"name", "uses", "with", "run", "if"}


def test_the_workflow_is_one_that_github_reads():
    # YAML 1.1 takes the key `on` for true; GitHub does not
    body = {"on" if key is True else key: value for key, value in yaml.safe_load(WORKFLOW.read_text()).items()}
    assert set(body) == TOP and {"pull_request", "workflow_dispatch"} == set(body["on"])
    job = body["jobs"]["hil"]
    assert set(job) <= JOB and job["runs-on"] == ["self-hosted", "bench"] and job["timeout-minutes"] <= 60
    for step in job["steps"]:
        assert set(step) <= STEP and ("uses" in step) != ("run" in step), step
        assert "uses" not in step or "@v" in step["uses"]


def test_strangers_code_does_not_run_on_the_bench():
    job = yaml.safe_load(WORKFLOW.read_text())["jobs"]["hil"]
    assert "head.repo.full_name == github.repository" in job["if"]


def test_its_commands_exist():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    steps = yaml.safe_load(WORKFLOW.read_text())["jobs"]["hil"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if "run" in step]
    assert any(words[0].endswith("tercet") for words in commands)
    for words in commands:
        if words[0] == "make":
            assert set(words[1:]) <= targets
            continue
        assert words[0] == ".venv/bin/tercet"
        command = cli.get_command(click.Context(cli), words[1])
        assert command is not None
        known = {name for parameter in command.params for name in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known
