/* SPDX-License-Identifier: Apache-2.0
 * The checks as a bare-metal program for a Cortex-M4F (qemu's mps2-an386), reporting through semihosting. */
#include "check.h"

enum { HEAP = 1 << 20, GUARD = 0x5AFE5AFE };
static uint32_t heap[HEAP / 4], used;

static void semihost(int operation, const void *argument) {
    register int r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xAB" : "+r"(r0) : "r"(r1) : "memory");
}

static void print_number(const char *before, int n) {
    char digits[12], *p = digits + 11;
    *p = 0;
    do {
        *--p = (char)('0' + n % 10);
    } while (n /= 10);
    semihost(4, before);
    semihost(4, p);
}

void fail(const char *what, int line, int a, int b, int c) {
    failures++;
    semihost(4, what);
    print_number(":", line);
    print_number(" differs at ", a);
    print_number(", ", b);
    print_number(", ", c);
    semihost(4, "\n");
}

void *take(size_t bytes) { /* between two guard words, which sit where a wrong store would */
    uint32_t words = (uint32_t)((bytes + 3) / 4);
    heap[used] = words;
    heap[used + 1] = GUARD;
    heap[used + 2 + words] = GUARD;
    used += 3 + words;
    return heap + used - 1 - words;
}

void give_all(void) {
    for (uint32_t at = 0; at < used; at += 3 + heap[at]) {
        if (heap[at + 1] != GUARD || heap[at + 2 + heap[at]] != GUARD) {
            fail("a guard word", __LINE__, (int)at, 0, 0);
            break;
        }
    }
    used = 0;
}

static void reset(void) {
    *(volatile uint32_t *)0xE000ED88 |= 0xF00000; /* CPACR: the FPU is off at reset */
    __asm__ volatile("dsb\n isb");
    check_dense();
    check_conv();
    check_layers();
    check_int8();
    check_norm();
    print_number("", comparisons);
    print_number(" comparisons, ", failures);
    semihost(4, " failures\n");
    semihost(0x18, (void *)0x20026);
    for (;;) {
    }
}

extern uint32_t stack_top;
__attribute__((section(".vectors"), used)) static void *const vectors[] = {&stack_top, (void *)reset};

void *memset(void *to, int value, size_t count);
void *memset(void *to, int value, size_t count) {
    for (volatile uint8_t *t = to; count; count--) {
        *t++ = (uint8_t)value;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t count);
void *memcpy(void *to, const void *from, size_t count) {
    const uint8_t *f = from;
    for (volatile uint8_t *t = to; count; count--) {
        *t++ = *f++;
    }
    return to;
}
