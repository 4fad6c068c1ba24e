/* SPDX-License-Identifier: Apache-2.0
 * What a block costs the processor: filling the slot from which it is sent, checking what arrived. */
#include "tc_block.h"

uint8_t *tc_tail(tc_job_t *job) { return job->slot + TC_SLOT_BLOCK; }

static uint32_t bytes_of(tc_job_t *job, uint32_t number) {
    uint32_t left = job->bytes - number * TC_BLOCK_BYTES;
    return left < TC_BLOCK_BYTES ? left : TC_BLOCK_BYTES;
}

/* Where a block is received. */
uint8_t *tc_place(tc_job_t *job, uint32_t number) {
    return bytes_of(job, number) < TC_BLOCK_BYTES ? tc_tail(job) : job->data + (size_t)number * TC_BLOCK_BYTES;
}

void tc_prepare(tc_job_t *job) {
    uint8_t *token = job->slot + TC_SLOT_TOKEN, *block = tc_tail(job);
    const uint8_t *from = job->data + (size_t)job->prepared * TC_BLOCK_BYTES;
    uint32_t count = bytes_of(job, job->prepared);
    if (job->guard) {
        job->guard->protect(job->guard->self, block, from, count);
    } else {
        for (uint32_t i = 0; i < count; i++) {
            block[i] = from[i];
        }
    }
    uint16_t crc = tc_crc16(block, TC_BLOCK_BYTES);
    *token = job->count > 1 ? TC_START_MANY : TC_START_ONE;
    block[TC_BLOCK_BYTES] = (uint8_t)(crc >> 8);
    block[TC_BLOCK_BYTES + 1] = (uint8_t)crc;
    job->prepared++;
}

/* Checks the block that has arrived. */
static void check(tc_job_t *job) {
    if (tc_crc16(tc_place(job, job->checked++), TC_BLOCK_BYTES) != job->sent_crc) {
        job->damaged = true;
    }
}

/* What takes about as long as the wait for a token is done while waiting, what takes longer while a whole block comes in. While
 * something is being sent, the slot's RAM block is left alone. */
void tc_beside(tc_job_t *job, bool long_wait) {
    if (job->sending || job->error) {
        return;
    }
    if (job->write) {
        if (job->prepared == job->done && job->done < job->count) {
            tc_prepare(job);
        }
        return;
    }
    if (job->checked < job->done) {
        check(job);
    }
    if (job->revealed < job->checked && !job->damaged && (long_wait || job->done == job->count)) {
        uint8_t *block = tc_place(job, job->revealed++);
        if (job->guard) {
            job->guard->reveal(job->guard->self, block);
        }
    }
    while (job->guard && job->guard->ahead && job->done < job->count && tc_spim_busy(job) && job->guard->ahead(job->guard->self)) {
    }
}
