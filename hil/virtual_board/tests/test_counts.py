# SPDX-License-Identifier: GPL-2.0-or-later
"""Instructions and cycles counted by block equal those of a run in single steps, for a dozen programs."""

import pytest
from tercet_virtual_board import image
from tercet_virtual_board.debug import DebugPort
from tercet_virtual_board.engine import Chip

HEAD = '#include "bare.h"\n#define NOIPA __attribute__((noipa))\nstatic volatile unsigned sink;\n'

PROGRAMS = {
    "sort": """
NOIPA static void sort(int *a, int n) { for (int i = 1; i < n; i++) { int x = a[i], j = i;
  while (j && a[j - 1] > x) { a[j] = a[j - 1]; j--; } a[j] = x; } }
int main(void) { static int a[40]; unsigned s = 1; for (int i = 0; i < 40; i++) { s = s * 1103515245 + 12345; a[i] = s >> 16; }
  sort(a, 40); sink = a[7]; return 0; }""",
    "crc": """
int main(void) { unsigned c = ~0u; for (unsigned i = 0; i < 64; i++) { c ^= i; for (int k = 0; k < 8; k++)
  c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1; } sink = c; return 0; }""",
    "sieve": """
int main(void) { static char f[300]; unsigned n = 0; for (int i = 2; i < 300; i++) { if (!f[i]) { n++;
  for (int k = i + i; k < 300; k += i) f[k] = 1; } } sink = n; return 0; }""",
    "divide": "int main(void) { unsigned s = 0; for (unsigned i = 1; i < 80; i++) s += 123456u / i + 99999u % i; sink = s; return 0; }",
    "matrix": """
int main(void) { static float a[64], b[64], c[64]; for (int i = 0; i < 64; i++) a[i] = i, b[i] = 64 - i;
  for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) { float s = 0; for (int k = 0; k < 8; k++) s += a[8*i+k] * b[8*k+j];
  c[8*i+j] = s; } sink = c[9]; return 0; }""",
    "select": """
NOIPA static int pick(int a, int b, int c) { return a > b ? (b > c ? b : c) : (a > c ? a : c & 7); }
int main(void) { int s = 0; for (int i = 0; i < 120; i++) s += pick(i & 15, i * 7 & 31, i >> 2); sink = s; return 0; }""",
    "branch_in_it": """
int main(void) { unsigned n = 0; for (unsigned i = 0; i < 90; i++) { __asm volatile(
  "tst %1, #3\\n itt eq\\n addeq %0, #1\\n beq 1f\\n tst %1, #4\\n ite ne\\n addne %0, #2\\n addeq %0, #5\\n 1:" : "+r"(n) : "r"(i) : "cc"); }
  sink = n; return 0; }""",
    "flags_in_it": """
int main(void) { unsigned n = 0; for (unsigned i = 0; i < 90; i++) { __asm volatile(
  "cmp %1, #40\\n itee hi\\n cmphi %1, #70\\n addls %0, #3\\n addls %0, #1\\n" : "+r"(n) : "r"(i) : "cc"); } sink = n; return 0; }""",
    "loads_in_it": """
int main(void) { static unsigned t[4] = {0}; unsigned n = 0; for (unsigned i = 0; i < 90; i++) { __asm volatile(
  "tst %1, #1\\n itte ne\\n ldrne r3, [%2]\\n strne %1, [%2, #4]\\n muleq r3, %1, %1\\n" "add %0, r3" : "+r"(n) : "r"(i), "r"(t) : "r3", "cc", "memory"); }
  sink = n; return 0; }""",
    "recursion": "NOIPA static int f(int n) { return n < 2 ? n : f(n - 1) + f(n - 2); }\\nint main(void) { sink = f(9); return 0; }".replace("\\n", "\n"),
    "switch": """
NOIPA static int f(int n) { switch (n & 7) { case 0: return 3; case 1: return n * n; case 2: return n << 3; case 3: return -n;
  case 4: return n ^ 55; case 5: return n / 3; default: return 1; } }
int main(void) { int s = 0; for (int i = 0; i < 60; i++) s += f(i); sink = s; return 0; }""",
    "root": """
int main(void) { volatile float x = 2.0f; for (int i = 0; i < 30; i++) { float y; __asm volatile("vsqrt.f32 %0, %1" : "=t"(y) : "t"(x)); x = y + 1.5f / x; }
  sink = x > 1.0f ? 3 : 4; return 0; }""",
    "in_ram": """
NOIPA static int f(int x) { int s = 0; for (int i = 0; i < x; i++) { if (i % 3 == 1) s += i; else s -= 1; } return s; }
static unsigned short buffer[64];
int main(void) { volatile unsigned short *from = (void *)((unsigned)f & ~1u), *to = buffer; for (int i = 0; i < 64; i++) to[i] = from[i];
  __asm volatile("dsb\\n isb"); int s = ((int (*)(int))((unsigned)buffer | 1))(40);
  s += ((int (*)(int))(((unsigned)buffer - 0x20000000u + 0x00800000u) | 1))(40); sink = s; return 0; }""",
}


def load(elf) -> Chip:
    chip = Chip()
    for address, data in image.load(elf):
        chip.load(address, data)
    chip.call("reset", 0)
    return chip


def counters(chip: Chip) -> tuple[int, int, int]:
    view = chip.view()
    return view.instructions, view.skipped, view.cycle - view.slept_cycles


@pytest.mark.parametrize("name", PROGRAMS)
def test_blocks_count_like_single_steps(build_image, name):
    elf = build_image(name, HEAD + PROGRAMS[name])
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
