# SPDX-License-Identifier: Apache-2.0
"""Tables of measured rows: text, entries, Markdown with date and machine; what stages log is shown as progress."""

import datetime
import logging
import platform

from tercet.cli import options, tables

ROWS = [
    {"name": "a-ratio", "value": 2.0, "unit": "x", "provenance": "measured", "seeds": [1.5, 2.0, 3.0], "published": 40},
    {"name": "b-bytes", "value": 7, "unit": "B", "provenance": "modelled", "seeds": [7], "published": None},
]


def test_the_page_says_when_where_and_by_which_command_it_was_made():
    page = tables.markdown("Measured", "tercet bench x", ROWS)
    assert datetime.date.today().isoformat() in page and "`tercet bench x`" in page and platform.machine() in page
    assert "| a-ratio | 2 | x | measured | 1.5 / 2 / 3 | 40 |\n| b-bytes | 7 | B | modelled | 7 |  |\n" in page


def test_text_and_entries():
    assert tables.table(ROWS).splitlines()[1].split() == ["a-ratio", "2", "x", "measured", "1.5", "/", "2", "/", "3", "40"]
    assert tables.table([]) == "nothing was measured" and tables.named(ROWS) == ROWS
    workload = {"workload": "w", "instructions": 1, "cycles": 2, "cycles_full": 4, "ram_bytes": 3, "provenance": "modelled"}
    assert [(row["name"], row["value"]) for row in tables.named([workload])] == [
        ("w-instructions", 1), ("w-cycles", 2), ("w-cycles_full", 4), ("w-ram_bytes", 3)
    ]  # fmt: skip


def test_what_stages_log_goes_to_stderr_once(capsys):
    options.show_progress()
    options.show_progress()
    logging.getLogger("tercet.compress.finetune").info("trained 1 of 2 epochs")
    assert capsys.readouterr().err == "trained 1 of 2 epochs\n"
