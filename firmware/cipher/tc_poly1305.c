/* SPDX-License-Identifier: Apache-2.0
 * Poly1305, RFC 8439 section 2.5: h = (h + block) r mod 2^130 - 5 in five limbs of 26 bits, so that a sum of products fits
 * 64 bits and a carry is a shift. */
#include "tc_aead.h"

enum { LIMB = 0x3ffffff };

static uint32_t word_at(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void tc_poly_begin(tc_poly_t *p, const uint32_t key[8]) {
    p->r[0] = key[0] & 0x3ffffff;
    p->r[1] = (key[0] >> 26 | key[1] << 6) & 0x3ffff03;
    p->r[2] = (key[1] >> 20 | key[2] << 12) & 0x3ffc0ff;
    p->r[3] = (key[2] >> 14 | key[3] << 18) & 0x3f03fff;
    p->r[4] = key[3] >> 8 & 0x00fffff;
    for (int i = 0; i < 4; i++) {
        p->s[i] = key[4 + i];
    }
    for (int i = 0; i < 5; i++) {
        p->h[i] = 0;
    }
}

static void blocks(tc_poly_t *p, const uint8_t *data, size_t count) {
    uint32_t r0 = p->r[0], r1 = p->r[1], r2 = p->r[2], r3 = p->r[3], r4 = p->r[4];
    uint32_t h0 = p->h[0], h1 = p->h[1], h2 = p->h[2], h3 = p->h[3], h4 = p->h[4];
    uint32_t s1 = r1 * 5, s2 = r2 * 5, s3 = r3 * 5, s4 = r4 * 5;
    for (; count >= 16; count -= 16, data += 16) {
        uint32_t w0 = word_at(data), w1 = word_at(data + 4), w2 = word_at(data + 8), w3 = word_at(data + 12);
        h0 += w0 & LIMB;
        h1 += (w0 >> 26 | w1 << 6) & LIMB;
        h2 += (w1 >> 20 | w2 << 12) & LIMB;
        h3 += (w2 >> 14 | w3 << 18) & LIMB;
        h4 += w3 >> 8 | 1u << 24; /* the one behind the block: 2^128 */
        uint64_t d = (uint64_t)h0 * r0 + (uint64_t)h1 * s4 + (uint64_t)h2 * s3 + (uint64_t)h3 * s2 + (uint64_t)h4 * s1;
        uint64_t e = (uint64_t)h0 * r1 + (uint64_t)h1 * r0 + (uint64_t)h2 * s4 + (uint64_t)h3 * s3 + (uint64_t)h4 * s2;
        uint64_t f = (uint64_t)h0 * r2 + (uint64_t)h1 * r1 + (uint64_t)h2 * r0 + (uint64_t)h3 * s4 + (uint64_t)h4 * s3;
        uint64_t g = (uint64_t)h0 * r3 + (uint64_t)h1 * r2 + (uint64_t)h2 * r1 + (uint64_t)h3 * r0 + (uint64_t)h4 * s4;
        uint64_t k = (uint64_t)h0 * r4 + (uint64_t)h1 * r3 + (uint64_t)h2 * r2 + (uint64_t)h3 * r1 + (uint64_t)h4 * r0;
        h0 = (uint32_t)d & LIMB, e += d >> 26;
        h1 = (uint32_t)e & LIMB, f += e >> 26;
        h2 = (uint32_t)f & LIMB, g += f >> 26;
        h3 = (uint32_t)g & LIMB, k += g >> 26;
        h4 = (uint32_t)k & LIMB;
        h0 += (uint32_t)(k >> 26) * 5;
        h1 += h0 >> 26;
        h0 &= LIMB;
    }
    p->h[0] = h0, p->h[1] = h1, p->h[2] = h2, p->h[3] = h3, p->h[4] = h4;
}

void tc_poly_add(tc_poly_t *p, const uint8_t *data, size_t count) {
    uint8_t last[16];
    size_t rest = count % 16;
    blocks(p, data, count);
    if (rest) {
        for (size_t i = 0; i < 16; i++) {
            last[i] = i < rest ? data[count - rest + i] : 0;
        }
        blocks(p, last, 16);
    }
}

void tc_poly_end(tc_poly_t *p, uint8_t tag[TC_TAG_BYTES]) {
    uint32_t *h = p->h, g[5], carry = 0;
    for (int i = 1; i <= 5; i++) { /* the carries that are left, the last one times 5 into the first limb */
        h[i % 5] += i == 5 ? carry * 5 : carry;
        carry = h[i % 5] >> 26;
        h[i % 5] &= LIMB;
    }
    h[1] += carry;
    carry = 5;
    for (int i = 0; i < 5; i++) { /* g = h + 5 - 2^130: not negative exactly when h is not below the prime */
        g[i] = h[i] + carry;
        carry = g[i] >> 26;
        g[i] &= i < 4 ? LIMB : 0xffffffff;
    }
    uint32_t keep = (g[4] >> 26) - 1; /* all ones when h is to stay: no branch on what is secret */
    for (int i = 0; i < 5; i++) {
        h[i] = (h[i] & keep) | (g[i] & LIMB & ~keep);
    }
    const uint32_t words[4] = {h[0] | h[1] << 26, h[1] >> 6 | h[2] << 20, h[2] >> 12 | h[3] << 14, h[3] >> 18 | h[4] << 8};
    uint64_t sum = 0;
    for (int i = 0; i < 16; i++) {
        sum = i % 4 ? sum : (sum >> 32) + words[i / 4] + p->s[i / 4];
        tag[i] = (uint8_t)(sum >> 8 * (i % 4));
    }
}
