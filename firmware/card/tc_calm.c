/* SPDX-License-Identifier: Apache-2.0
 * How a transfer begins: at once, or, after an error, once the card is known to be at rest. A command that a card did not hear
 * may leave it sending blocks, or waiting for the rest of one. */
#include "tc_states.h"

/* Idle chunks in a row that exceed a block; noisy ones after which the card is told again to stop. */
enum { CALM_CHUNKS = 5, NOISY_CHUNKS = 16 };

void tc_first(tc_job_t *job) {
    job->waited = 0;
    if (!job->write) {
        tc_command(job, job->count > 1 ? CMD_READ_MANY : CMD_READ, job->block * job->port.unit, TOKEN);
    } else if (job->count > 1) {
        tc_command(job, CMD_APP, 0, RESPONSE);
    } else {
        tc_command(job, CMD_WRITE, job->block * job->port.unit, BLOCK);
    }
}

void tc_calm(tc_job_t *job) {
    job->calm = job->noise = 0;
    tc_command(job, CMD_STOP, 0, CALMING);
}

/* Looks at what has been received since: nothing but ones, a busy card's zeros, or what is still being sent. */
void tc_calmed(tc_job_t *job) {
    uint32_t all = 0xFFFFFFFF, any = 0;
    const uint32_t *words = (const uint32_t *)job->scratch;
    for (uint32_t i = 0; i < job->filled / 4; i++) {
        all &= words[i];
        any |= words[i];
    }
    job->calm = all == 0xFFFFFFFF ? job->calm + 1 : 0;
    job->noise += !job->calm && any;
    if (job->calm == CALM_CHUNKS) {
        job->unsure = false;
        tc_first(job);
    } else if (job->waited > job->port.rate.deadline_bytes) {
        tc_end(job, TC_TIMEOUT);
    } else if (job->noise == NOISY_CHUNKS) {
        job->noise = 0;
        tc_command(job, CMD_STOP, 0, CALMING);
    } else {
        tc_listen(job, CALMING, TC_CHUNK_BYTES);
    }
}
