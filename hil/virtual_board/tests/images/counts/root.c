// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    volatile float x = 2.0f;
    for (int i = 0; i < 30; i++) {
        float y;
        __asm volatile("vsqrt.f32 %0, %1" : "=t"(y) : "t"(x));
        x = y + 1.5f / x;
    }
    sink = x > 1.0f ? 3 : 4;
    return 0;
}
