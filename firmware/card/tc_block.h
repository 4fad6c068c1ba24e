/* SPDX-License-Identifier: Apache-2.0
 * What the protocol needs of the blocks that it moves. */
#ifndef TC_BLOCK_H
#define TC_BLOCK_H

#include "tc_card.h"

enum { TC_START_ONE = 0xFE, TC_START_MANY = 0xFC };
/* The slot: a frame of up to 8 bytes; token, block and checksum, the block at a multiple of 4. */
enum { TC_SLOT_TOKEN = 11, TC_SLOT_BLOCK = 12, TC_PACKET_BYTES = 1 + TC_BLOCK_BYTES + 2 };

uint8_t *tc_place(tc_job_t *job, uint32_t number);
/* Fills the slot with the next block. */
void tc_prepare(tc_job_t *job);
/* The processor's share of a block, done while the bus works. */
void tc_beside(tc_job_t *job, bool long_wait);

#endif
