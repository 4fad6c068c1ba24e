/* SPDX-License-Identifier: Apache-2.0
 * The AEAD construction, RFC 8439 section 2.8. */
#include "tc_aead.h"

void tc_aead_begin(tc_aead_t *a, const uint8_t key[TC_KEY_BYTES], const uint8_t nonce[TC_NONCE_BYTES],
                   const uint8_t *associated, size_t count) {
    uint32_t stream[16];
    tc_chacha_begin(&a->chacha, key, nonce, 0);
    tc_chacha_block(&a->chacha, stream); /* section 2.6: the one-time key of Poly1305 */
    tc_poly_begin(&a->poly, stream);
    tc_poly_add(&a->poly, associated, count);
    a->associated = (uint32_t)count;
    a->bytes = 0;
}

void tc_aead_seal(tc_aead_t *a, uint8_t *to, const uint8_t *from, size_t count) {
    tc_chacha_apply(&a->chacha, to, from, count);
    tc_poly_add(&a->poly, to, count);
    a->bytes += (uint32_t)count;
}

void tc_aead_open(tc_aead_t *a, uint8_t *to, const uint8_t *from, size_t count) {
    tc_poly_add(&a->poly, from, count);
    tc_chacha_apply(&a->chacha, to, from, count);
    a->bytes += (uint32_t)count;
}

void tc_aead_end(tc_aead_t *a, uint8_t tag[TC_TAG_BYTES]) {
    uint8_t lengths[16];
    for (int i = 0; i < 16; i++) {
        lengths[i] = i % 8 > 3 ? 0 : (uint8_t)((i < 8 ? a->associated : a->bytes) >> 8 * (i % 4));
    }
    tc_poly_add(&a->poly, lengths, sizeof lengths);
    tc_poly_end(&a->poly, tag);
}

bool tc_aead_matches(tc_aead_t *a, const uint8_t tag[TC_TAG_BYTES]) {
    uint8_t found[TC_TAG_BYTES], difference = 0;
    tc_aead_end(a, found);
    for (int i = 0; i < TC_TAG_BYTES; i++) { /* all of them, whichever differs first */
        difference |= found[i] ^ tag[i];
    }
    return difference == 0;
}
