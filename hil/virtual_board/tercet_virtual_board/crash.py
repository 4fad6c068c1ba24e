# SPDX-License-Identifier: GPL-2.0-or-later
"""What a board leaves behind when it stops: registers, stack, and the way it came."""

from tercet_virtual_board.engine import Chip


def describe(chip: Chip) -> str:
    """The crash report as text: cause, registers, likely return addresses on the stack, the last 1,000 blocks."""
    registers = chip.registers()
    view = chip.view()
    lines = [chip.report, "", f"cycle {view.cycle}, {view.cycle / 64e6:.6f} s, {view.instructions} instructions", ""]
    names = list(registers)
    for start in range(0, len(names), 4):
        lines.append("  ".join(f"{name:>4} {registers[name]:08x}" for name in names[start : start + 4]))
    lines += ["", "return addresses on the stack, as far as they look like one:"]
    lines += [f"  {where:08x}: {value:08x}" for where, value in backtrace(chip, registers["sp"])]
    lines += ["", "the last blocks, oldest first:"]
    path = chip.path(1000)
    lines += [" ".join(f"{address:08x}" for address in path[i : i + 8]) for i in range(0, len(path), 8)]
    return "\n".join(lines) + "\n"


def backtrace(chip: Chip, stack_pointer: int, depth: int = 32) -> list[tuple[int, int]]:
    """(address on the stack, value) of words that point behind a call instruction in flash."""
    found = []
    offset = stack_pointer - 0x2000_0000
    words = chip.ram[max(offset, 0) : max(offset, 0) + 4096]
    for at in range(0, len(words) - 3, 4):
        value = int.from_bytes(words[at : at + 4].tobytes(), "little")
        target = value - 1
        if not value & 1 or not 4 <= target < len(chip.flash):
            continue
        before = chip.flash[target - 4 : target].tobytes()
        first, second = int.from_bytes(before[:2], "little"), int.from_bytes(before[2:], "little")
        if (first & 0xF800 == 0xF000 and second & 0xD000 == 0xD000) or second & 0xFF87 == 0x4780:
            found.append((stack_pointer + at, value))
        if len(found) >= depth:
            break
    return found
