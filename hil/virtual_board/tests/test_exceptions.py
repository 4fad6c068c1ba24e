# SPDX-License-Identifier: GPL-2.0-or-later
"""Exceptions as the ARMv7-M manual has them, on small images."""

HEAD = '#include "bare.h"\n#define ISB __asm volatile("dsb\\n isb")\n'


def test_priorities_nesting_and_tail_chaining(bench):
    """IRQ 20..22 at priorities 0x40, 0x80, 0x80: the urgent one nests, equals are chained in order of number."""
    board = bench("nesting", HEAD + """
static volatile unsigned order[16], n;
void handler(unsigned number)
{
    order[n++] = number;
    if (number == 16 + 21) {
        REG(0xe000e200) = 1u << 20;  // more urgent: at once
        ISB;
        order[n++] = 0x100;
        REG(0xe000e200) = 1u << 22;  // equal: afterwards
        ISB;
        order[n++] = 0x101;
    }
}
int main(void)
{
    REG(0xe000e414) = 0x00808040;
    REG(0xe000e100) = 7u << 20;
    REG(0xe000e200) = 1u << 21;
    ISB;
    order[n++] = 0x200;
    for (unsigned i = 0; i < n; i++)
        put_hex(order[i]);
    return 0;
}""")
    board.run(50)
    assert board.numbers() == [37, 36, 0x100, 0x101, 38, 0x200]


def test_primask_basepri_and_pendsv(bench):
    board = bench("masks", HEAD + """
static volatile unsigned seen[20], n;
void handler(unsigned number) { seen[n++] = number; }
int main(void)
{
    REG(0xe000ed20) = 0xe0u << 16;              // PendSV lowest
    REG(0xe000e414) = 0x80;
    REG(0xe000e100) = 1u << 20;
    __asm volatile("cpsid i");
    REG(0xe000e200) = 1u << 20;
    REG(0xe000ed04) = 1u << 28;
    ISB;
    seen[n++] = 0x100 | (REG(0xe000ed04) >> 12 & 0x1ff);   // ISRPENDING vector
    __asm volatile("cpsie i");
    ISB;
    seen[n++] = 0x200;
    unsigned mask = 0x80;
    __asm volatile("msr basepri, %0" :: "r"(mask));
    REG(0xe000e200) = 1u << 20;
    ISB;
    seen[n++] = 0x300;
    mask = 0;
    __asm volatile("msr basepri, %0" :: "r"(mask));
    ISB;
    seen[n++] = 0x400;
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    return 0;
}""")
    board.run(50)
    assert board.numbers() == [0x100 | 14, 36, 14, 0x200, 0x300, 36, 0x400]


def test_svc_frame_stacks_and_exc_return(bench):
    """SVC from thread mode on the process stack: frame, EXC_RETURN, and the number in the instruction."""
    board = bench("svc", HEAD + """
static unsigned stack[64];
__attribute__((naked)) void handler_naked(void) { }
static volatile unsigned link, number_seen, frame_pc, after;
__attribute__((naked)) void handler(unsigned number)
{
    __asm volatile("mov r1, lr\\n mrs r2, psp\\n push {r4, lr}\\n bl note\\n pop {r4, pc}");
}
__attribute__((used)) void note(unsigned number, unsigned lr, unsigned *frame)
{
    link = lr;
    frame_pc = frame[6];
    number_seen = ((unsigned char *)frame[6])[-2];
    frame[0] = 0x1234;
}
int main(void)
{
    unsigned result, where, control;
    __asm volatile("msr psp, %0\\n mov r0, #2\\n msr control, r0\\n isb" :: "r"(stack + 64) : "r0");
    __asm volatile("movs r0, #1\\n svc #77\\n here: mov %0, r0\\n adr %1, here\\n mrs %2, control"
                   : "=r"(result), "=r"(where), "=r"(control) :: "r0");
    __asm volatile("mov r0, #0\\n msr control, r0\\n isb" ::: "r0");
    put_hex(link); put_hex(number_seen); put_hex(result); put_hex(frame_pc - (where & ~3u)); put_hex(control);
    return 0;
}""")
    board.run(50)
    link, number, result, distance, control = board.numbers()
    assert (link, number, result, control) == (0xFFFFFFFD, 77, 0x1234, 2)
    assert distance in (0, 0xFFFFFFFE, 2)


def test_faults_have_the_right_pc(bench):
    """Bus fault, undefined instruction, missing coprocessor, and escalation to HardFault."""
    board = bench("faults", HEAD + """
static volatile unsigned seen[40], n;
__attribute__((naked)) void handler(unsigned number)
{
    __asm volatile("mov r1, sp\\n push {r4, lr}\\n add r1, r1, #0\\n bl note\\n pop {r4, pc}");
}
extern unsigned bus_at, undefined_at, fpu_at;
__attribute__((used)) void note(unsigned number, unsigned *frame)
{
    seen[n++] = number;
    seen[n++] = frame[6];
    seen[n++] = REG(0xe000ed28);
    REG(0xe000ed28) = 0xffffffff;
    if (number == 3)
        seen[n++] = REG(0xe000ed2c), REG(0xe000ed2c) = 0xffffffff;
    if (number == 6 && REG(0xe000ed88) == 0)
        REG(0xe000ed88) = 0xf00000;           // and the instruction is tried again
    else
        frame[6] += (*(unsigned short *)frame[6] >> 11) >= 0x1d ? 4 : 2;
}
int main(void)
{
    unsigned a, b, c;
    REG(0xe000ed24) = 7u << 16;
    __asm volatile("ldr r0, =0x30000000\\n nop\\n bus: ldr.w r1, [r0]\\n nop\\n adr %0, bus" : "=r"(a) :: "r0", "r1");
    __asm volatile("nop\\n undefined: udf #1\\n adr %0, undefined" : "=r"(b));
    REG(0xe000ed88) = 0;
    ISB;
    __asm volatile("movs r0, #1\\n fpu: vmov s0, r0\\n vmov r1, s0\\n adr %0, fpu" : "=r"(c) :: "r0", "r1", "s0");
    REG(0xe000ed24) = 0;
    __asm volatile("udf #2");
    for (unsigned i = 0; i < n; i++)
        put_hex(seen[i]);
    put_hex(a); put_hex(b); put_hex(c);
    return 0;
}""")
    board.run(100)
    numbers = board.numbers()
    bus, undefined, fpu = numbers[-3:]
    assert numbers[0:3] == [5, bus, 0x8200]
    assert numbers[3:6] == [6, undefined, 0x10000]
    assert numbers[6:9] == [6, fpu, 0x80000]
    assert numbers[9] == 3 and numbers[11] == 0x10000 and numbers[12] == 0x40000000


def test_it_blocks_survive_interrupts(bench):
    """A timer interrupts a loop full of IT blocks some thousand times; one lost IT state would change the sum."""
    source = HEAD + """
static volatile unsigned ticks;
void handler(unsigned number)
{
    REG(0x40008140) = 0;
    (void)REG(0x40008140);
    ticks++;
    __asm volatile("cmp r0, #0\\n ite eq\\n moveq r1, #1\\n movne r1, #2" ::: "r1", "cc");
}
static __attribute__((noipa)) unsigned work(void)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < 20000; i++)
        __asm volatile("tst %1, #1\\n itete ne\\n addne %0, %0, #3\\n addeq %0, %0, #5\\n addne %0, %0, #7\\n"
                       "addeq %0, %0, #11\\n tst %1, #2\\n itt eq\\n addeq %0, %0, %1\\n eoreq %0, %0, #9"
                       : "+r"(sum) : "r"(i) : "cc");
    return sum;
}
int main(void)
{
    unsigned quiet = work();
    REG(0x40008510) = 0;
    REG(0x40008508) = 3;
    REG(0x40008540) = 37;
    REG(0x40008200) = 1;
    REG(0x40008304) = 1u << 16;
    REG(0xe000e100) = 1u << 8;
    REG(0x40008000) = 1;
    unsigned noisy = work();
    REG(0xe000e180) = 1u << 8;
    put_hex(quiet); put_hex(noisy); put_hex(ticks);
    return 0;
}"""
    board = bench("it", source)
    board.run(200)
    quiet, noisy, ticks = board.numbers()
    assert quiet == noisy and ticks > 2000


def test_fpu_state_survives_interrupts(bench):
    board = bench("fpu", HEAD + """
static volatile unsigned ticks;
static volatile float scratch = 1.5f;
void handler(unsigned number)
{
    REG(0x40008140) = 0;
    float x = scratch;
    for (int i = 0; i < 3; i++)
        x = x * 1.25f + 3.0f;
    scratch = x > 1e6f ? 1.5f : x;
    ticks++;
}
static __attribute__((noipa)) float work(void)
{
    float a = 1.0f, b = 2.0f, c = 3.0f;
    for (int i = 0; i < 20000; i++) {
        a = a * 0.5f + b;
        b = b * 0.25f - c;
        c = c * 0.125f + 1.0f / (a * a + 1.0f);
    }
    return a + b + c;
}
int main(void)
{
    float quiet = work();
    REG(0x40008508) = 3; REG(0x40008510) = 0;
    REG(0x40008540) = 29;
    REG(0x40008200) = 1;
    REG(0x40008304) = 1u << 16;
    REG(0xe000e100) = 1u << 8;
    REG(0x40008000) = 1;
    float noisy = work();
    REG(0xe000e180) = 1u << 8;
    union { float f; unsigned u; } q = {quiet}, z = {noisy};
    put_hex(q.u); put_hex(z.u); put_hex(ticks);
    return 0;
}""")
    board.run(300)
    quiet, noisy, ticks = board.numbers()
    assert quiet == noisy != 0 and ticks > 1000
