# SPDX-License-Identifier: GPL-2.0-or-later
"""The full cycle model and the errata of SPIM3."""

HEAD = '#include "bare.h"\n'

LOOP = HEAD + """
int main(void)
{
    static volatile unsigned a[64];
    if (CACHE)
        REG(0x4001e540) = 1 | 0x100;
    for (int n = 0; n < 50; n++)
        for (int i = 0; i < 64; i++)
            a[i] = a[(i * 7 + n) & 63] * 3 + i;
    put_hex(REG(0x4001e548)); put_hex(REG(0x4001e54c));
    return 0;
}"""


def measure(bench, cache: int, model: str):
    board = bench("waits", LOOP.replace("CACHE", str(cache)), cycle_model=model)
    board.run(50, until=b"\n")
    board.run(10)
    return board.numbers(), board.chip.view()


def test_wait_states_and_cache(bench):
    _, zero = measure(bench, 1, "zero")
    (hits, misses), cached = measure(bench, 1, "full")
    _, uncached = measure(bench, 0, "full")
    assert zero.wait_cycles == 0 < cached.wait_cycles < uncached.wait_cycles
    assert cached.instructions == zero.instructions
    awake = [view.cycle - view.slept_cycles for view in (zero, cached, uncached)]
    assert awake[0] < awake[1] < awake[2]
    assert misses < 100 < hits


SEND = HEAD + """
static volatile unsigned char buffers[32768] __attribute__((aligned(8192)));
int main(void)
{
    for (int i = 0; i < 64; i++)
        buffers[i] = i;
    REG(0x4002f508) = 0x2f; REG(0x4002f50c) = 0x2d; REG(0x4002f510) = 0x2e;
    REG(0x4002f500) = 7;
    REG(0x4002f524) = 0x10000000;
    REG(0x4002f544) = (unsigned)buffers; REG(0x4002f548) = 64;
    REG(0x4002f534) = (unsigned)buffers + 16384; REG(0x4002f538) = 64;
    REG(0x4002f010) = 1;
    while (!REG(0x4002f118))
        buffers[WHERE]++;
    put("sent\\n");
    return 0;
}"""


def send(bench, where: int):
    board = bench("errata", SEND.replace("WHERE", str(where)))
    seen = []
    board.chip.connect(lambda cycle, bus, pins, sent, received, per_byte: seen.append(sent), lambda *_: None, 0)
    assert board.chip.call("spim3_errata") == 0
    board.run(50, until=b"sent")
    assert board.said == b"sent\n"
    return seen, board.chip.view().spim3_violations


def test_spim3_sends_garbage_when_its_ram_block_is_touched(bench):
    clean, violations = send(bench, 8192 + 5)
    assert clean == [bytes(range(64))] and violations == 0
    damaged, violations = send(bench, 4096)
    assert violations == 1 and damaged[0] != bytes(range(64))
    assert sum(a != b for a, b in zip(damaged[0], range(64), strict=True)) == 1
