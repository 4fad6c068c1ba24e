// SPDX-License-Identifier: GPL-2.0-or-later
// AES-128, one block, straight from FIPS-197. The S-box is computed, not tabulated by hand.
#include "aes.h"

#include <string.h>

static uint8_t box[256];

static uint8_t twice(uint8_t x)
{
    return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
}

static uint8_t rotate(uint8_t x, int by)
{
    return (uint8_t)(x << by | x >> (8 - by));
}

// p runs through the field by its generator 3, q through the inverses (section 5.1.1).
static void fill_box(void)
{
    uint8_t p = 1, q = 1;
    do {
        p = (uint8_t)(p ^ twice(p));
        q ^= (uint8_t)(q << 1);
        q ^= (uint8_t)(q << 2);
        q ^= (uint8_t)(q << 4);
        if (q & 0x80)
            q ^= 0x09;
        box[p] = (uint8_t)(q ^ rotate(q, 1) ^ rotate(q, 2) ^ rotate(q, 3) ^ rotate(q, 4) ^ 0x63);
    } while (p != 1);
    box[0] = 0x63;
}

static void next_key(uint8_t key[16], uint8_t *constant)
{
    for (int i = 0; i < 4; i++)
        key[i] ^= box[key[12 + (i + 1) % 4]];
    key[0] ^= *constant;
    *constant = twice(*constant);
    for (int i = 4; i < 16; i++)
        key[i] ^= key[i - 4];
}

static void round_of(uint8_t s[16], int last)
{
    uint8_t t[16];
    for (int i = 0; i < 16; i++)
        t[i] = box[s[(i + 4 * (i % 4)) % 16]];  // SubBytes and ShiftRows
    for (int c = 0; c < 16; c += 4)
        for (int r = 0; r < 4; r++) {
            uint8_t a = t[c + r], d = t[c + (r + 1) % 4];
            s[c + r] = last ? a : (uint8_t)(twice(a) ^ twice(d) ^ d ^ t[c + (r + 2) % 4] ^ t[c + (r + 3) % 4]);
        }
}

void aes128_encrypt(const uint8_t key_in[16], const uint8_t clear[16], uint8_t cipher[16])
{
    uint8_t key[16], s[16], constant = 1;
    if (!box[0])
        fill_box();
    memcpy(key, key_in, 16);
    for (int i = 0; i < 16; i++)
        s[i] = clear[i] ^ key[i];
    for (int n = 1; n <= 10; n++) {
        round_of(s, n == 10);
        next_key(key, &constant);
        for (int i = 0; i < 16; i++)
            s[i] ^= key[i];
    }
    memcpy(cipher, s, 16);
}
