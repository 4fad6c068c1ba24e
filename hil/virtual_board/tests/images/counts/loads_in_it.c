// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    static unsigned t[4] = {0};
    unsigned n = 0;
    for (unsigned i = 0; i < 90; i++) {
        __asm volatile( "tst %1, #1\n itte ne\n ldrne r3, [%2]\n strne %1, [%2, #4]\n muleq r3, %1, %1\n" "add %0, r3" : "+r"(n) : "r"(i), "r"(t) : "r3", "cc", "memory");
    }
    sink = n;
    return 0;
}
