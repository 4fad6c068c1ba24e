// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < 90; i++) {
        __asm volatile( "cmp %1, #40\n itee hi\n cmphi %1, #70\n addls %0, #3\n addls %0, #1\n" : "+r"(n) : "r"(i) : "cc");
    }
    sink = n;
    return 0;
}
