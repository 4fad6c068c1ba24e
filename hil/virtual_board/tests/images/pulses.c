// SPDX-License-Identifier: GPL-2.0-or-later
// A small program for debuggers and meters: pulses on the marker pins, nested calls, a counter in RAM.
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define P1_OUTSET REGISTER(0x50000808)
#define P1_OUTCLR REGISTER(0x5000080C)
#define P1_DIRSET REGISTER(0x50000818)
#define DEMCR REGISTER(0xE000EDFC)
#define DWT_CTRL REGISTER(0xE0001000)
#define DWT_CYCCNT REGISTER(0xE0001004)
#define MARKERS 0x1FEu // D0..D7 = P1.01..P1.08
#define CYCLES_PER_MS 64000u

volatile uint32_t rounds;
volatile uint32_t watched = 0x1234;

static void wait_cycles(uint32_t cycles) {
    uint32_t start = DWT_CYCCNT;
    while (DWT_CYCCNT - start < cycles) {
    }
}

__attribute__((noinline)) uint32_t inner(uint32_t n) {
    watched = n;
    return n * n + 1;
}

__attribute__((noinline)) uint32_t middle(uint32_t n) {
    return inner(n + 1) + 1;
}

__attribute__((noinline)) uint32_t outer(uint32_t n) {
    return middle(2 * n) + 1;
}

// One round of 4 ms: D0 is high for 1 ms, then D1..D7 count the rounds for 1 ms, then 2 ms of nothing.
int main(void) {
    P1_DIRSET = MARKERS;
    for (;;) {
        P1_OUTSET = 1u << 1;
        wait_cycles(CYCLES_PER_MS);
        P1_OUTCLR = 1u << 1;
        P1_OUTSET = (rounds & 0x7F) << 2;
        wait_cycles(CYCLES_PER_MS);
        P1_OUTCLR = MARKERS;
        wait_cycles(2 * CYCLES_PER_MS);
        rounds += (outer(rounds) != 0);
    }
}

extern uint32_t _data_load[], _data[], _data_end[], _bss_end[], _stack[];

void reset(void) {
    uint32_t *from = _data_load;
    for (uint32_t *to = _data; to < _data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = _data_end; to < _bss_end;) {
        *to++ = 0;
    }
    DEMCR |= 1u << 24;
    DWT_CTRL |= 1;
    main();
}

void fault(void) {
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) const void *vectors[16] = {
    _stack, reset, fault, fault, fault, fault, fault,
};
