// SPDX-License-Identifier: GPL-2.0-or-later
// Start-up of the bare test images: vectors, FPU, and a console on UARTE0.
#include "bare.h"

extern unsigned stack_top;
void reset(void);
int main(void);

__attribute__((weak)) void handler(unsigned number) { (void)number; for (;;) { } }

__attribute__((naked)) void any(void)
{
    __asm volatile("mrs r0, ipsr\n b handler");
}

#define H8 any, any, any, any, any, any, any, any
__attribute__((section(".vectors"), used)) void (*const vectors[64])(void) = {
    (void (*)(void))&stack_top, reset, any, any, any, any, any, any, H8, H8, H8, H8, H8, H8, H8};

void reset(void)
{
    REG(0xe000ed88) |= 0xf << 20;
    __asm volatile("dsb\n isb");
    main();
    for (;;)
        __asm volatile("wfi");
}

void put(const char *text)
{
    static volatile char line[128];
    unsigned n = 0;
    while (text[n]) {
        line[n] = text[n];
        n++;
    }
    REG(0x40002500) = 8;
    REG(0x40002524) = 0x01d60000;
    REG(0x40002120) = 0;
    REG(0x40002544) = (unsigned)line;
    REG(0x40002548) = n;
    REG(0x40002008) = 1;
    while (!REG(0x40002120)) { }
}

void put_hex(unsigned value)
{
    char text[10];
    for (int i = 0; i < 8; i++)
        text[i] = "0123456789abcdef"[value >> (28 - 4 * i) & 15];
    text[8] = '\n';
    text[9] = 0;
    put(text);
}
