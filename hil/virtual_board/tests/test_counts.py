# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions and cycles counted by block equal those of a run in single steps, for a dozen programs."""

from pathlib import Path

import pytest
from tercet_virtual_board import image
from tercet_virtual_board.debug import DebugPort
from tercet_virtual_board.engine import Chip

FOLDER = Path(__file__).resolve().parent / "images" / "counts"


def load(elf) -> Chip:
    chip = Chip()
    for address, data in image.load(elf):
        chip.load(address, data)
    chip.call("reset", 0)
    return chip


def counters(chip: Chip) -> tuple[int, int, int]:
    view = chip.view()
    return view.instructions, view.skipped, view.cycle - view.slept_cycles


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.c")))
def test_blocks_count_like_single_steps(build_image, name):
    elf = build_image(f"counts/{name}")
    whole = load(elf)
    while not whole.view().sleeping:
        whole.run(whole.view().cycle + 100_000)
    stepped = load(elf)
    port = DebugPort(stepped)
    port.halt()
    steps = 0
    while True:
        wfi = port.read_memory(port.read_register(15), 2) == b"\x30\xbf"
        port.step()
        steps += 1
        if wfi:
            break
    by_block, by_step = counters(whole), counters(stepped)
    assert by_block[0] == by_step[0]
    assert by_block[1] == by_step[1]
    assert steps == by_step[0]
    assert by_block[2] == by_step[2]
    whole.close()
    stepped.close()
