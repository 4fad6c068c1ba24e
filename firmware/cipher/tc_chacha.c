/* SPDX-License-Identifier: Apache-2.0
 * ChaCha20, RFC 8439 section 2.3 and 2.4. */
#include "tc_aead.h"

#define ROTATE(x, n) ((x) << (n) | (x) >> (32 - (n)))
#define QUARTER(a, b, c, d) \
    a += b, d = ROTATE(d ^ a, 16), c += d, b = ROTATE(b ^ c, 12), a += b, d = ROTATE(d ^ a, 8), c += d, b = ROTATE(b ^ c, 7)

static uint32_t word_at(const uint8_t *p) {
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

void tc_chacha_begin(tc_chacha_t *c, const uint8_t key[TC_KEY_BYTES], const uint8_t nonce[TC_NONCE_BYTES], uint32_t counter) {
    c->state[0] = 0x61707865, c->state[1] = 0x3320646e, c->state[2] = 0x79622d32, c->state[3] = 0x6b206574;
    for (int i = 0; i < 8; i++) {
        c->state[4 + i] = word_at(key + 4 * i);
    }
    c->state[12] = counter;
    for (int i = 0; i < 3; i++) {
        c->state[13 + i] = word_at(nonce + 4 * i);
    }
}

void tc_chacha_block(tc_chacha_t *c, uint32_t stream[16]) {
    uint32_t *s = c->state;
    uint32_t x0 = s[0], x1 = s[1], x2 = s[2], x3 = s[3], x4 = s[4], x5 = s[5], x6 = s[6], x7 = s[7];
    uint32_t x8 = s[8], x9 = s[9], x10 = s[10], x11 = s[11], x12 = s[12], x13 = s[13], x14 = s[14], x15 = s[15];
    for (int i = 0; i < 10; i++) {
        QUARTER(x0, x4, x8, x12);
        QUARTER(x1, x5, x9, x13);
        QUARTER(x2, x6, x10, x14);
        QUARTER(x3, x7, x11, x15);
        QUARTER(x0, x5, x10, x15);
        QUARTER(x1, x6, x11, x12);
        QUARTER(x2, x7, x8, x13);
        QUARTER(x3, x4, x9, x14);
    }
    stream[0] = x0 + s[0], stream[1] = x1 + s[1], stream[2] = x2 + s[2], stream[3] = x3 + s[3];
    stream[4] = x4 + s[4], stream[5] = x5 + s[5], stream[6] = x6 + s[6], stream[7] = x7 + s[7];
    stream[8] = x8 + s[8], stream[9] = x9 + s[9], stream[10] = x10 + s[10], stream[11] = x11 + s[11];
    stream[12] = x12 + s[12], stream[13] = x13 + s[13], stream[14] = x14 + s[14], stream[15] = x15 + s[15];
    s[12]++;
}

void tc_chacha_apply(tc_chacha_t *c, uint8_t *to, const uint8_t *from, size_t count) {
    uint32_t stream[16];
    for (; count >= TC_CHACHA_BYTES; count -= TC_CHACHA_BYTES, to += TC_CHACHA_BYTES, from += TC_CHACHA_BYTES) {
        tc_chacha_block(c, stream);
        for (int i = 0; i < 16; i++) {
            uint32_t word = word_at(from + 4 * i) ^ stream[i];
            to[4 * i] = (uint8_t)word;
            to[4 * i + 1] = (uint8_t)(word >> 8);
            to[4 * i + 2] = (uint8_t)(word >> 16);
            to[4 * i + 3] = (uint8_t)(word >> 24);
        }
    }
    if (count) {
        tc_chacha_block(c, stream);
        for (size_t i = 0; i < count; i++) {
            to[i] = from[i] ^ (uint8_t)(stream[i / 4] >> 8 * (i % 4));
        }
    }
}
