# SPDX-License-Identifier: GPL-2.0-or-later
"""IT blocks that meet the engine's page misses and faults: no state of one block leaks into the next."""

PAGES = """
#include "bare.h"
static unsigned char far[96 * 1024] __attribute__((aligned(1024)));
int main(void)
{
    // Each access is the first to its page, from within an IT block that the next block must not inherit.
    unsigned sum = 0, skipped = 0;
    for (unsigned i = 0; i < sizeof far; i += 1024) {
        far[i + 4] = 1;
        __asm volatile("cmp %2, %2\\n ittee eq\\n ldrbeq r3, [%2, #516]\\n addeq %0, %0, #1\\n addne %1, %1, #1\\n"
                       "strbne r3, [%2]\\n b 1f\\n 1: add %1, %1, #1"
                       : "+r"(sum), "+r"(skipped) : "r"(far + (i * 37) % sizeof far) : "r3", "cc", "memory");
    }
    put_hex(sum);
    put_hex(skipped);
    return 0;
}"""

FAULT = """
#include "bare.h"
static volatile unsigned pc, it, count;
__attribute__((naked)) static void fault(void) { __asm volatile("mov r0, sp\\n b step_over"); }
__attribute__((used)) void step_over(unsigned *frame)
{
    pc = frame[6];
    it = (frame[7] >> 25 & 3) | (frame[7] >> 8 & 0xfc);
    count++;
    frame[6] += 2;
    unsigned next = it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
    frame[7] = (frame[7] & ~0x0600fc00u) | (next & 3) << 25 | (next & 0xfc) << 8;
}
int main(void)
{
    static unsigned vectors_here[64] __attribute__((aligned(256)));
    unsigned at, sum = 0, done = 0;
    for (unsigned i = 0; i < 64; i++)
        vectors_here[i] = REG(4 * i);
    vectors_here[5] = (unsigned)fault | 1;
    REG(0xe000ed08) = (unsigned)vectors_here;
    REG(0xe000ed24) = 7 << 16;
    __asm volatile("adr %1, 1f\\n cmp %2, %2\\n ittte eq\\n addeq %0, #1\\n 1: ldreq r3, [%3]\\n addeq %0, #2\\n addne %0, #4"
                   : "+l"(sum), "=&r"(at) : "l"(done), "l"(0x30000000) : "r3", "cc", "memory");
    put_hex(sum);
    put_hex(count);
    put_hex(pc - at);
    put_hex(it);
    return 0;
}"""


def test_page_misses_leave_it_blocks_alone(bench):
    board = bench("it-pages", PAGES)
    board.run(100)
    assert board.numbers() == [96, 96]


def test_a_fault_inside_an_it_block_has_its_state_in_the_frame(bench):
    board = bench("it-fault", FAULT)
    board.run(100)
    assert board.numbers() == [3, 1, 0, 0x06]  # ITTTE EQ at its second instruction: ARMv7-M ARM B1.4.2
