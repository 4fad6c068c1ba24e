/* SPDX-License-Identifier: Apache-2.0
 * ChaCha20-Poly1305 of RFC 8439, a piece at a time: pure C99, no heap, no library, no table that a key indexes. */
#ifndef TC_AEAD_H
#define TC_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TC_KEY_BYTES = 32, TC_NONCE_BYTES = 12, TC_TAG_BYTES = 16, TC_CHACHA_BYTES = 64 };

typedef struct {
    uint32_t state[16]; /* section 2.3: constants, key, counter, nonce */
} tc_chacha_t;

void tc_chacha_begin(tc_chacha_t *c, const uint8_t key[TC_KEY_BYTES], const uint8_t nonce[TC_NONCE_BYTES], uint32_t counter);
/* One block of the key stream, 16 words; the counter goes on. */
void tc_chacha_block(tc_chacha_t *c, uint32_t stream[16]);
/* to = from ^ key stream; `from` may be `to`. Every piece but the last has a multiple of 64 bytes. */
void tc_chacha_apply(tc_chacha_t *c, uint8_t *to, const uint8_t *from, size_t count);

typedef struct {
    uint32_t r[5], h[5], s[4]; /* section 2.5: r and the sum in limbs of 26 bits, s in words */
} tc_poly_t;

void tc_poly_begin(tc_poly_t *p, const uint32_t key[8]);
/* Adds a piece, filled up with zeros to whole blocks of 16 bytes as the AEAD construction wants it. */
void tc_poly_add(tc_poly_t *p, const uint8_t *data, size_t count);
void tc_poly_end(tc_poly_t *p, uint8_t tag[TC_TAG_BYTES]);

typedef struct {
    tc_chacha_t chacha;
    tc_poly_t poly;
    uint32_t associated, bytes;
} tc_aead_t;

/* `associated` data are authenticated only; their count stays below 2^32, as that of the text does. */
void tc_aead_begin(tc_aead_t *a, const uint8_t key[TC_KEY_BYTES], const uint8_t nonce[TC_NONCE_BYTES],
                   const uint8_t *associated, size_t count);
/* Every piece but the last has a multiple of 64 bytes; `from` may be `to`. */
void tc_aead_seal(tc_aead_t *a, uint8_t *to, const uint8_t *from, size_t count);
void tc_aead_open(tc_aead_t *a, uint8_t *to, const uint8_t *from, size_t count);
void tc_aead_end(tc_aead_t *a, uint8_t tag[TC_TAG_BYTES]);
/* tc_aead_end, compared with the tag that should come out. */
bool tc_aead_matches(tc_aead_t *a, const uint8_t tag[TC_TAG_BYTES]);

#endif
