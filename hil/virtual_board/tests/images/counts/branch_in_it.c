// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    unsigned n = 0;
    for (unsigned i = 0; i < 90; i++) {
        __asm volatile( "tst %1, #3\n itt eq\n addeq %0, #1\n beq 1f\n tst %1, #4\n ite ne\n addne %0, #2\n addeq %0, #5\n 1:" : "+r"(n) : "r"(i) : "cc");
    }
    sink = n;
    return 0;
}
