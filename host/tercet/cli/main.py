# SPDX-License-Identifier: Apache-2.0
"""The `tercet` command: its verbs in four groups, and the one place where errors become exit codes."""

from __future__ import annotations

import importlib
import json
import sys

import click

from tercet import __version__
from tercet.cli import options
from tercet.errors import TercetError

# verb -> (group, module under tercet.cli that defines a command of that name)
VERBS = {
    "doctor": ("Everyday", "doctor"), "board": ("Everyday", "board"), "flash": ("Everyday", "board"),
    "profile": ("Everyday", "everyday"), "train": ("Everyday", "everyday"), "measure": ("Everyday", "everyday"),
    "hil": ("Everyday", "hil"), "report": ("Everyday", "everyday"), "demo": ("Everyday", "demo"),
    "model": ("Stages", "stages"), "compress": ("Stages", "compress"), "graph": ("Stages", "stages"),
    "solve": ("Stages", "solve"), "plan": ("Stages", "stages"),
    "deploy": ("Stages", "deploy"), "pull": ("Stages", "weights"), "push": ("Stages", "weights"),
    "replay": ("Analysis", "solve"), "explain": ("Analysis", "analysis"), "show": ("Analysis", "analysis"),
    "pareto": ("Analysis", "analysis"), "bench": ("Analysis", "bench"),
    "farm": ("Lab", "farm"), "card": ("Lab", "lab"), "targets": ("Lab", "lab"),
}


class Verbs(click.Group):
    """Loads a verb's module only when it is called, and lists the verbs by group."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The verbs in the order of the help text."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of a verb, or None."""
        if cmd_name not in VERBS:
            return None
        return getattr(importlib.import_module(f"tercet.cli.{VERBS[cmd_name][1]}"), cmd_name.replace("-", "_"))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Writes the verbs of each group below its heading."""
        for group in dict.fromkeys(group for group, _ in VERBS.values()):
            rows = []
            for verb in (verb for verb, (name, _) in VERBS.items() if name == group):
                command = self.get_command(ctx, verb)
                assert command is not None
                rows.append((verb, command.get_short_help_str(200)))
            with formatter.section(group):
                formatter.write_dl(rows)


@click.command(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="tercet")
def cli() -> None:
    """Train neural networks on microcontrollers with the least energy that fits RAM and deadline.

    \b
    Example:
      tercet demo                         no board needed: everything on the virtual one
      tercet train model.json --data digits --board mine
    """
    options.show_progress()


def main(arguments: list[str] | None = None) -> None:
    """Runs the command line; exit code 0, 1 for an error that a message explains, 2 for wrong usage, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        code = cli.main(arguments, prog_name="tercet", standalone_mode=False)
    except TercetError as error:
        if "--json" in arguments:
            click.echo(json.dumps({"error": error.message, "hint": error.hint, "kind": type(error).__name__}))
        click.echo(f"tercet: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Exit as leave:
        sys.exit(leave.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        click.echo("tercet: interrupted", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    main()
