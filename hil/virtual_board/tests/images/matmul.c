// SPDX-License-Identifier: GPL-2.0-or-later
// Single-precision matrix product, 64 x 64 x 64, over and over: the speed of native FPU code.
#include "bare.h"

static float a[4096], b[4096], c[4096];

int main(void)
{
    for (int i = 0; i < 4096; i++) {
        a[i] = (float)i * 0.5f;
        b[i] = (float)(i & 63) * 0.25f;
    }
    for (;;)
        for (int i = 0; i < 64; i++)
            for (int j = 0; j < 64; j++) {
                float s = 0;
                for (int k = 0; k < 64; k++)
                    s += a[i * 64 + k] * b[k * 64 + j];
                c[i * 64 + j] = s;
            }
}
