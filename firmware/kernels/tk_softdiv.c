/* SPDX-License-Identifier: Apache-2.0
 * Division for ARMv6-M: the compiler's own has a jump table that the native linker of MicroPython cannot relocate
 * (the build redirects __aeabi_fdiv to this one).
 * Correctly rounded, with subnormals, infinities and NaN. */
#include "tk.h"

float tk_soft_divide(float a, float b);

/* significand with its leading one at bit 23, and the exponent, of a finite number other than 0 */
static uint32_t unpack(uint32_t u, int *exponent) {
    uint32_t m = u & 0x007FFFFFu;
    *exponent = (int)(u >> 23 & 255);
    if (*exponent) {
        return m | 0x00800000u;
    }
    *exponent = 1;
    while (!(m & 0x00800000u)) {
        m <<= 1;
        --*exponent;
    }
    return m;
}

static uint32_t quotient(uint32_t a, uint32_t b) { /* of the bits of |a| and |b|, both finite and not 0 */
    int ea, eb;
    uint32_t ma = unpack(a, &ea), mb = unpack(b, &eb), q = 0;
    int e = ea - eb + 127;
    if (ma < mb) {
        ma <<= 1;
        e--;
    }
    for (int i = 0; i < 26; i++) { /* 1 + 23 bits, a guard bit and one more */
        q <<= 1;
        if (ma >= mb) {
            ma -= mb;
            q |= 1;
        }
        ma <<= 1;
    }
    q = q << 1 | (ma != 0); /* sticky bit: 24 + 3 bits */
    if (e >= 255) {
        return 0x7F800000u;
    }
    for (; e < 1 && q; e++) {
        q = q >> 1 | (q & 1);
    }
    uint32_t rest = q & 7;
    q >>= 3;
    q += rest > 4 || (rest == 4 && (q & 1));
    return q & 0x00800000u || q > 0x00800000u ? ((uint32_t)(e - 1) << 23) + q : q;
}

float tk_soft_divide(float x, float y) {
    union {
        float f;
        uint32_t u;
    } p = {.f = x}, q = {.f = y}, r;
    uint32_t a = p.u & 0x7FFFFFFFu, b = q.u & 0x7FFFFFFFu, infinity = 0x7F800000u;
    if (a > infinity || b > infinity || a + b == 0 || (a == infinity && b == infinity)) {
        r.u = 0x7FC00000u;
        return r.f;
    }
    if (a == infinity || b == 0) {
        r.u = infinity;
    } else {
        r.u = a == 0 || b == infinity ? 0 : quotient(a, b);
    }
    r.u |= (p.u ^ q.u) & 0x80000000u;
    return r.f;
}
