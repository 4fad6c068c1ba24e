/* SPDX-License-Identifier: Apache-2.0
 * Pages sealed and opened. The key stream does not depend on the data: while bus and card are at work, it is made ahead. It lies in
 * the slot's RAM block, which is touched only while nothing is being sent. */
#include "tc_pager.h"

enum { A_BLOCK = TC_BLOCK_BYTES / TC_CHACHA_BYTES };

void tc_begin_sealing(tc_pager_t *pager) {
    if (!pager->begun) {
        const tk_page_t *page = tc_page(pager);
        const tc_kept_t *kept = &pager->kept[page->tensor];
        const uint32_t name[4] = {page->tensor, page->block, kept->written[0], kept->written[1]};
        tc_aead_begin(&pager->aead, (uint8_t *)pager->key, (const uint8_t *)(name + 1), (const uint8_t *)name, sizeof name);
        pager->made = pager->used = 0;
        pager->begun = true;
    }
}

static void make(tc_pager_t *pager) { tc_chacha_block(&pager->aead.chacha, pager->stream[pager->made++ % TC_AHEAD]); }

bool tc_make_ahead(void *self) {
    tc_pager_t *pager = self;
    tc_begin_sealing(pager);
    if (pager->made - pager->used == TC_AHEAD || pager->made == A_BLOCK * pager->job->count) {
        return false;
    }
    make(pager);
    return true;
}

void tc_unseal(tc_pager_t *pager, uint8_t *block) {
    uint32_t *words = (uint32_t *)block; /* tensors lie at multiples of 16, the slot's block of 4 */
    tc_begin_sealing(pager);
    if (!pager->stream) {
        tc_aead_open(&pager->aead, block, block, TC_BLOCK_BYTES);
        return;
    }
    tc_poly_add(&pager->aead.poly, block, TC_BLOCK_BYTES);
    pager->aead.bytes += TC_BLOCK_BYTES;
    for (int i = 0; i < A_BLOCK; i++, words += TC_CHACHA_BYTES / 4) {
        if (pager->made == pager->used) {
            make(pager);
        }
        const uint32_t *stream = pager->stream[pager->used++ % TC_AHEAD];
#pragma GCC unroll 8
        for (int k = 0; k < TC_CHACHA_BYTES / 4; k++) {
            words[k] ^= stream[k];
        }
    }
}
