// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

NOIPA static int f(int n) {
    return n < 2 ? n : f(n - 1) + f(n - 2);
}

int main(void) {
    sink = f(9);
    return 0;
}
