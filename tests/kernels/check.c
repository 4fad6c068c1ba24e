/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

int failures, comparisons;
static uint32_t state = 2463534242u;

uint32_t random_word(void) { /* xorshift32 (Marsaglia, 2003) */
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

float *random_floats(size_t count) {
    float *x = take(4 * count);
    for (size_t i = 0; i < count; i++) {
        x[i] = (float)(int32_t)random_word() * 4.656612873e-10f;
    }
    return x;
}

float *copy_floats(const float *x, size_t count) {
    float *y = take(4 * count);
    for (size_t i = 0; i < count; i++) {
        y[i] = x[i];
    }
    return y;
}

void same_bits(const float *x, const float *y, size_t count, const char *what, int line, int a, int b, int c) {
    union {
        float f;
        uint32_t u;
    } p, q;
    comparisons++;
    for (size_t i = 0; i < count; i++) {
        p.f = x[i], q.f = y[i];
        if (p.u != q.u) {
            fail(what, line, a, b, c);
            return;
        }
    }
}
