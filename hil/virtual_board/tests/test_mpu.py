# SPDX-License-Identifier: GPL-2.0-or-later
"""The memory protection unit: regions, rights, execution, faults and who is exempt (ARMv7-M ARM B3.5)."""

from tercet_virtual_board.engine import Stop

HEAD = """
#include "bare.h"
enum { ENABLE = 1, HFNMIENA = 2, PRIVDEFENA = 4, NO_EXECUTE = 1 << 28 };
enum { NONE = 0 << 24, PRIVILEGED = 1 << 24, USER_READS = 2 << 24, ALL = 3 << 24, READ_ONLY = 6 << 24 };
static unsigned char guarded[8192] __attribute__((aligned(8192)));
static volatile unsigned cfsr, mmfar, faults, pc;
static void region(unsigned number, unsigned base, unsigned log2, unsigned attributes)
{
    REG(0xe000ed9c) = base | 16 | number;
    REG(0xe000eda0) = attributes | (log2 - 1) << 1 | 1;
}
static void protect(unsigned control)
{
    REG(0xe000ed94) = control;
    __asm volatile("dsb\\n isb" ::: "memory");
}
// Reads or writes one byte; a fault skips the instruction.
__attribute__((unused)) static unsigned touch(volatile void *at, int store)
{
    unsigned before = faults, value = 0xaa;
    if (store)
        __asm volatile("strb.w %0, [%1]" :: "r"(value), "r"(at) : "memory");
    else
        __asm volatile("ldrb.w %0, [%1]" : "=r"(value) : "r"(at) : "memory");
    return faults - before;
}
__attribute__((naked)) static void fault(void) { __asm volatile("mov r0, sp\\n b step_over"); }
__attribute__((used)) void step_over(unsigned *frame)
{
    cfsr = REG(0xe000ed28); mmfar = REG(0xe000ed34); pc = frame[6];
    REG(0xe000ed28) = cfsr;
    faults++;
    frame[6] = cfsr & 1 ? frame[5] & ~1u : frame[6] + 4;  // back to the caller, or past the access
}
__attribute__((unused)) static void prepare(void)
{
    static unsigned mine[64] __attribute__((aligned(256)));
    for (unsigned i = 0; i < 64; i++)
        mine[i] = REG(4 * i);
    mine[3] = mine[4] = (unsigned)fault | 1;
    REG(0xe000ed08) = (unsigned)mine;
    REG(0xe000ed24) = 7 << 16;
}
"""

RIGHTS = HEAD + """
int main(void)
{
    unsigned seen[16], n = 0;
    prepare();
    for (int i = 0; i < 4; i++)
        touch(guarded + i * 1024, 1);           // the engine knows the pages before they are protected
    region(0, (unsigned)guarded, 13, READ_ONLY | 0x2 << 8);  // all but its second eighth
    protect(ENABLE | PRIVDEFENA);
    seen[n++] = touch(guarded, 0);
    seen[n++] = touch(guarded + 3, 1);
    seen[n++] = cfsr; seen[n++] = mmfar - (unsigned)guarded;
    seen[n++] = touch(guarded + 1024 + 3, 1);   // the subregion that is switched off: background
    region(1, (unsigned)guarded, 10, NONE);     // the higher number wins
    seen[n++] = touch(guarded + 5, 0);
    seen[n++] = touch(guarded + 2048, 0);
    protect(0);
    seen[n++] = touch(guarded + 5, 1);
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    return 0;
}"""

USER = HEAD + """
int main(void)
{
    unsigned seen[8], n = 0;
    prepare();
    region(0, 0, 20, READ_ONLY);
    region(1, 0x20000000, 18, ALL);
    region(2, (unsigned)guarded, 12, USER_READS);
    region(3, (unsigned)guarded + 4096, 12, PRIVILEGED);
    protect(ENABLE | PRIVDEFENA);
    seen[n++] = touch(guarded, 1) + touch(guarded + 4096, 1);
    __asm volatile("msr control, %0\\n isb" :: "r"(1));
    seen[n++] = touch(guarded, 0);
    seen[n++] = touch(guarded, 1);
    seen[n++] = touch(guarded + 4096, 0);
    seen[n++] = touch((void *)0x50000504, 0);   // peripherals: no region, no background without privilege
    __asm volatile("svc 0");                    // handler() lifts the privilege again
    protect(0);
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    return 0;
}
void handler(unsigned number) { __asm volatile("msr control, %0\\n isb" :: "r"(0)); }
"""

EXECUTE = HEAD + """
int main(void)
{
    unsigned short *code = (void *)guarded;
    unsigned (*function)(void) = (unsigned (*)(void))((unsigned)code | 1);
    prepare();
    code[0] = 0x2007; code[1] = 0x4770;          // movs r0, #7; bx lr
    put_hex(function());
    region(0, (unsigned)guarded, 13, ALL | NO_EXECUTE);
    protect(ENABLE | PRIVDEFENA);
    function();
    protect(0);
    put_hex(faults); put_hex(cfsr); put_hex(pc - (unsigned)guarded);
    put_hex(function());
    return 0;
}"""

EXEMPT = HEAD + """
static volatile unsigned inner;
void handler(unsigned number)
{
    if (number == 2)
        inner = touch(guarded, 1);
}
int main(void)
{
    prepare();
    for (unsigned hfnmiena = 0; hfnmiena < 2; hfnmiena++) {
        region(0, (unsigned)guarded, 13, READ_ONLY);
        protect(ENABLE | PRIVDEFENA | (hfnmiena ? HFNMIENA : 0));
        if (!hfnmiena) {
            REG(0xe000ed04) = 1u << 31;          // NMI: not subject to the MPU
            __asm volatile("dsb\\n isb");
            put_hex(inner);
        }
        put_hex(touch(guarded, 1));              // afterwards it is on again
        protect(0);
    }
    return 0;
}"""


def test_regions_subregions_and_rights(bench):
    board = bench("mpu-rights", RIGHTS)
    board.run(50)
    assert board.numbers() == [0, 1, 0x82, 3, 0, 1, 0, 0]  # MMARVALID and DACCVIOL, the exact address


def test_code_without_privilege_has_its_own_rights(bench):
    board = bench("mpu-user", USER)
    board.run(50)
    assert board.numbers() == [0, 0, 1, 1, 1]


def test_what_must_not_be_executed_faults_at_its_address(bench):
    board = bench("mpu-execute", EXECUTE)
    board.run(50)
    assert board.numbers() == [7, 1, 1, 0, 7]


def test_nmi_is_exempt_and_the_rest_is_not(bench):
    board = bench("mpu-exempt", EXEMPT)
    board.run(50)
    assert board.numbers() == [0, 1, 1]


def test_a_region_finer_than_a_page_is_named(bench):
    body = "region(5, (unsigned)guarded, 5, NONE); protect(ENABLE | PRIVDEFENA); touch(0, 0); return 0;"
    board = bench("mpu-fine", f"{HEAD} int main(void) {{ {body} }}")
    assert board.run(50) == Stop.REPORT
    assert "MPU region 5" in board.chip.report and "finer than 1024 bytes" in board.chip.report
