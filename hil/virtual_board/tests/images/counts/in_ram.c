// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

NOIPA static int f(int x) {
    int s = 0;
    for (int i = 0; i < x; i++) {
        if (i % 3 == 1) s += i;
        else s -= 1;
    }
    return s;
}
static unsigned short buffer[64];

int main(void) {
    volatile unsigned short *from = (void *)((unsigned)f & ~1u), *to = buffer;
    for (int i = 0; i < 64; i++) to[i] = from[i];
    __asm volatile("dsb\n isb");
    int s = ((int (*)(int))((unsigned)buffer | 1))(40);
    s += ((int (*)(int))(((unsigned)buffer - 0x20000000u + 0x00800000u) | 1))(40);
    sink = s;
    return 0;
}
