// SPDX-License-Identifier: GPL-2.0-or-later
// A small program for debuggers and meters: pulses on the marker pins, nested calls, a counter in RAM.
#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define P1_OUTSET REGISTER(0x50000808)
#define P1_OUTCLR REGISTER(0x5000080C)
#define P1_DIRSET REGISTER(0x50000818)
#define TIMER0(offset) REGISTER(0x40008000 + (offset))
#define TIMER0_CLEAR TIMER0(0x00C)
#define TIMER0_COMPARE0 TIMER0(0x140)
#define SCR REGISTER(0xE000ED10)
#define NVIC_ICPR0 REGISTER(0xE000E280)
#define TIMER0_IRQ (1u << 8)
#define MARKERS 0x1FEu // D0..D7 = P1.01..P1.08

volatile uint32_t rounds;
volatile uint32_t watched = 0x1234;

// Sleeps: TIMER0 counts microseconds, and its pending interrupt, which is not enabled, wakes the core (SEVONPEND).
static void wait_us(uint32_t microseconds) {
    TIMER0(0x540) = microseconds;
    TIMER0_COMPARE0 = 0;
    NVIC_ICPR0 = TIMER0_IRQ;
    TIMER0_CLEAR = 1;
    while (!TIMER0_COMPARE0) {
        __asm volatile("wfe");
    }
}

static void timer_start(void) {
    TIMER0(0x508) = 3;       // 32 bits
    TIMER0(0x510) = 4;       // 16 MHz / 2^4
    TIMER0(0x304) = 1u << 16; // interrupt on COMPARE0
    SCR = 1u << 4;           // SEVONPEND
    TIMER0(0x000) = 1;
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
        wait_us(1000);
        P1_OUTCLR = 1u << 1;
        P1_OUTSET = (rounds & 0x7F) << 2;
        wait_us(1000);
        P1_OUTCLR = MARKERS;
        wait_us(2000);
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
    timer_start();
    main();
}

void fault(void) {
    for (;;) {
    }
}

__attribute__((section(".vectors"), used)) const void *vectors[16] = {
    _stack, reset, fault, fault, fault, fault, fault,
};
