/* SPDX-License-Identifier: Apache-2.0
 * Pages on the card beside computation: a queue of transfers that SPIM3's interrupt drives while kernels run. */
#ifndef TC_PAGER_H
#define TC_PAGER_H

#include "../cipher/tc_aead.h"
#include "../kernels/tk.h"
#include "tc_card.h"

/* Key stream that is made while a read waits, in blocks of the cipher: as much as two blocks of the card take. */
enum { TC_AHEAD = 2 * TC_BLOCK_BYTES / TC_CHACHA_BYTES };
enum { TC_QUEUE = 8, TC_VECTORS = 64, TC_CARD_INTERRUPT = 47, TC_ATTEMPTS = 3 };

/* What is kept in RAM of a page on the card; without encryption the first word of the tag is the CRC-32. */
typedef struct {
    uint32_t written[2]; /* which of all writes it was */
    uint32_t tag[TC_TAG_BYTES / 4];
} tc_kept_t;

typedef struct {
    tk_hook_t hook; /* first: its address is the hook's */
    tc_job_t *job;
    tc_kept_t *kept;
    uint32_t pages, first, blocks;
    bool encrypted, overlap;
    tc_guard_t guard;
    tk_page_t queue[TC_QUEUE];
    volatile uint32_t head, tail; /* of all pages ever queued: the one under way, the next free */
    uint32_t attempts; /* at the one under way */
    volatile int32_t error;
    tk_page_t failed;
    uint32_t bytes_out, bytes_in, retries;
    uint32_t count[2]; /* of all writes */
    uint32_t key[TC_KEY_BYTES / 4];
    tc_aead_t aead;
    uint32_t crc;
    const uint32_t *vectors_before;
    uint32_t *vectors; /* TC_VECTORS of them, at a multiple of 256 */
    bool begun; /* the cipher, for the page under way */
    uint32_t made, used; /* blocks of the key stream */
    uint32_t (*stream)[TC_CHACHA_BYTES / 4]; /* TC_AHEAD of them in what is left of the slot's RAM block; NULL: nothing is */
} tc_pager_t;

/* The page under way. */
static inline tk_page_t *tc_page(tc_pager_t *pager) { return &pager->queue[pager->head % TC_QUEUE]; }

/* The cipher's work on pages, in tc_sealing.c: its begin, its share ahead, a block that arrived. */
void tc_begin_sealing(tc_pager_t *pager);
bool tc_make_ahead(void *pager);
void tc_unseal(tc_pager_t *pager, uint8_t *block);

void tc_pager_open(tc_pager_t *pager);
/* Waits until nothing is under way; 0, or what went wrong. */
int32_t tc_pager_drain(tc_pager_t *pager);
/* Moves a page at once and leaves the counts as they are; 0, or what went wrong. */
int32_t tc_pager_move(tc_pager_t *pager, const tk_page_t *page);

#endif
