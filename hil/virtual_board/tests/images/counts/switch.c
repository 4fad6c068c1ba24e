// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

NOIPA static int f(int n) {
    switch (n & 7) {
        case 0: return 3;
        case 1: return n * n;
        case 2: return n << 3;
        case 3: return -n;
        case 4: return n ^ 55;
        case 5: return n / 3;
        default: return 1;
    }
}

int main(void) {
    int s = 0;
    for (int i = 0; i < 60; i++) s += f(i);
    sink = s;
    return 0;
}
