// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    static float a[64], b[64], c[64];
    for (int i = 0; i < 64; i++) a[i] = i, b[i] = 64 - i;
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) {
        float s = 0;
        for (int k = 0; k < 8; k++) s += a[8*i+k] * b[8*k+j];
        c[8*i+j] = s;
    }
    sink = c[9];
    return 0;
}
