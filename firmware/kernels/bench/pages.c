/* SPDX-License-Identifier: Apache-2.0
 * What protects a page, by 512-byte block: checksums, and the ciphers that stood for choice. */
#include "../../cipher/tc_aead.h"
#include "bench.h"

enum { BLOCK_BYTES = 512 };

static uint8_t *from, *to;
static tc_aead_t aead;

void page_memory(void) {
    static const uint8_t key[TC_KEY_BYTES] = {1}, nonce[TC_NONCE_BYTES] = {2};
    from = (uint8_t *)take_floats(BLOCK_BYTES / 4);
    to = (uint8_t *)take_floats(BLOCK_BYTES / 4);
    tc_aead_begin(&aead, key, nonce, 0, 0);
}

void page_crc16(void) { *(volatile uint16_t *)to = tk_crc16(from, BLOCK_BYTES, 0); }
void page_crc32(void) { *(volatile uint32_t *)to = tk_crc32(from, BLOCK_BYTES, 0); }
void page_chacha(void) { tc_chacha_apply(&aead.chacha, to, from, BLOCK_BYTES); }
void page_poly(void) { tc_poly_add(&aead.poly, from, BLOCK_BYTES); }
void page_seal(void) { tc_aead_seal(&aead, to, from, BLOCK_BYTES); }

/* The chip's ECB in counter mode, without a tag: the processor adds one key stream block while the chip makes the next. */
static volatile struct {
    uint32_t key[4], clear[4], cipher[4];
} ecb;
#define ECB(offset) (*(volatile uint32_t *)(0x4000E000 + (offset)))

static void ecb_start(void) {
    ecb.clear[0]++;
    ECB(0x100) = 0; /* EVENTS_ENDECB */
    ECB(0x000) = 1; /* TASKS_STARTECB */
}

void page_ecb(void) {
    ECB(0x504) = (uint32_t)&ecb; /* ECBDATAPTR */
    ecb_start();
    for (int i = 0; i < BLOCK_BYTES / 4; i += 4) {
        while (!ECB(0x100)) {
        }
        uint32_t stream[4] = {ecb.cipher[0], ecb.cipher[1], ecb.cipher[2], ecb.cipher[3]};
        ecb_start();
        for (int j = 0; j < 4; j++) {
            ((uint32_t *)to)[i + j] = ((const uint32_t *)from)[i + j] ^ stream[j];
        }
    }
    while (!ECB(0x100)) {
    }
}
