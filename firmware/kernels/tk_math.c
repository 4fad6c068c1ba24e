/* SPDX-License-Identifier: Apache-2.0
 * Elementary functions in single precision. Range reduction after Cody and Waite (Software Manual for the Elementary
 * Functions, 1980); the polynomials are minimax fits (Lawson's reweighted least squares) made for this file. Errors: see
 * tests/kernels/test_math.py, which measures them. */
#include "tk.h"

typedef union {
    float f;
    uint32_t u;
} bits_t;

static float pow2(int n) { /* -126 .. 127 */
    bits_t b;
    b.u = (uint32_t)(n + 127) << 23;
    return b.f;
}

float tk_expf(float x) {
    if (!(x >= -103.97208f)) {
        return x < 0.0f ? 0.0f : x; /* NaN stays */
    }
    if (x > 88.72284f) {
        bits_t inf = {.u = 0x7F800000u};
        return inf.f;
    }
    float scaled = x * 1.44269504f;
    int n = (int)(scaled + (scaled < 0.0f ? -0.5f : 0.5f));
    float fn = (float)n;
    float r = x - fn * 0.693359375f; /* exact: nine bits */
    r = r - fn * -2.12194440e-4f;
    float p = 1.9790312217e-04f;
    p = p * r + 1.3944688253e-03f;
    p = p * r + 8.3334976807e-03f;
    p = p * r + 4.1666295379e-02f;
    p = p * r + 1.6666665673e-01f;
    p = p * r + 0.5f;
    float y = (p * (r * r) + r) + 1.0f;
    int half = n / 2; /* in two steps: the result may be subnormal, or 2^128 times a half */
    return (y * pow2(half)) * pow2(n - half);
}

float tk_logf(float x) {
    bits_t b = {.f = x};
    int e = 0;
    if (b.u < 0x00800000u) { /* subnormal */
        b.f = x * 8388608.0f;
        e = -23;
    }
    e += (int)(b.u >> 23) - 126;
    b.u = (b.u & 0x007FFFFFu) | 0x3F000000u; /* 0.5 .. 1 */
    float m = b.f;
    if (m < 0.70710678f) {
        e -= 1;
        m = m + m - 1.0f;
    } else {
        m = m - 1.0f;
    }
    float z = m * m;
    float p = 6.7466408014e-02f;
    p = p * m - 1.1675652117e-01f;
    p = p * m + 1.1888162047e-01f;
    p = p * m - 1.2405589223e-01f;
    p = p * m + 1.4219552279e-01f;
    p = p * m - 1.6667996347e-01f;
    p = p * m + 2.0002119243e-01f;
    p = p * m - 2.5000008941e-01f;
    p = p * m + 3.3333313465e-01f;
    float y = m * z * p;
    float fe = (float)e;
    y = y + fe * -2.12194440e-4f;
    y = y - 0.5f * z;
    return (m + y) + fe * 0.693359375f;
}

float tk_tanhf(float x) {
    float a = x < 0.0f ? -x : x;
    if (a < 0.625f) {
        float z = x * x;
        float p = -5.7049868628e-03f;
        p = p * z + 2.0639088005e-02f;
        p = p * z - 5.3739715368e-02f;
        p = p * z + 1.3331441581e-01f;
        p = p * z - 3.3333280683e-01f;
        return (p * z) * x + x;
    }
    float t = a > 9.02f ? 1.0f : 1.0f - 2.0f / (tk_expf(a + a) + 1.0f);
    return x < 0.0f ? -t : t;
}

float tk_sigmoidf(float x) {
    if (x < 0.0f) { /* without overflow, and with small relative error on both sides */
        float e = tk_expf(x);
        return e / (1.0f + e);
    }
    return 1.0f / (1.0f + tk_expf(-x));
}

float tk_sqrtf(float x) {
#if (defined(__ARM_FP) && (__ARM_FP & 4)) || defined(__SSE__)
    return __builtin_sqrtf(x); /* one instruction with -fno-math-errno */
#else
    bits_t b = {.f = x};
    if (!(x > 0.0f) || b.u >= 0x7F800000u) {
        return x; /* 0, NaN, infinity; of a negative number too: kernels never ask */
    }
    int e = (int)(b.u >> 23);
    uint32_t m = b.u & 0x007FFFFFu;
    if (e == 0) {
        for (e = 1; !(m & 0x00800000u); e--) {
            m <<= 1;
        }
    }
    m |= 0x00800000u;
    e -= 127;
    if (e & 1) {
        m <<= 1;
        e -= 1;
    }
    uint32_t root = 0, rest = 0; /* 25 bits of the root of m 2^25, bit by bit */
    uint32_t high = m << 7;
    for (int i = 0; i < 25; i++) {
        rest = rest << 2 | high >> 30;
        high <<= 2;
        uint32_t trial = root << 2 | 1;
        root <<= 1;
        if (rest >= trial) {
            rest -= trial;
            root |= 1;
        }
    }
    root = (root + 1) >> 1; /* to nearest: a tie cannot occur */
    b.u = ((uint32_t)(e / 2 + 126) << 23) + root;
    return b.f;
#endif
}
