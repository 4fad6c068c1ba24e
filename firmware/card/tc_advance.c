/* SPDX-License-Identifier: Apache-2.0
 * The course of a transfer. Each call of tc_advance looks whether the running EasyDMA transfer has ended, takes what it brought,
 * begins the next, and then does what a block costs the processor while the bus works. */
#include "tc_states.h"

/* A card answers a command within 8 bytes; some leave a few more. */
enum { RESPONSE_BYTES = 16 };

static void received_block(tc_job_t *job) {
    job->sent_crc = (uint32_t)job->scratch[0] << 8 | job->scratch[1];
    job->done++;
    job->waited = 0;
    if (job->done < job->count) {
        tc_listen(job, TOKEN, TC_CHUNK_BYTES);
    } else if (job->count > 1) {
        tc_command(job, CMD_STOP, 0, BUSY);
    } else {
        tc_end(job, TC_DONE);
    }
}

/* Passes over words that say nothing: a line that idles high, a card that is busy. */
static void skip(tc_job_t *job) {
    const uint32_t *words = (const uint32_t *)job->scratch;
    uint32_t nothing = job->state == BUSY ? 0 : 0xFFFFFFFF;
    while (job->at % 4 == 0 && job->at + 4 <= job->filled && words[job->at / 4] == nothing) {
        job->at += 4;
    }
}

/* The transfer that has just ended was one of data: begin what follows it. */
static void moved(tc_job_t *job) {
    switch (job->state) {
        case SEND:
            if (job->after == CALMING) {
                tc_listen(job, CALMING, TC_CHUNK_BYTES);
            } else {
                job->waited = 0;
                tc_listen(job, RESPONSE, 2);
            }
            return;
        case CALMING:
            tc_calmed(job);
            return;
        case DATA:
            tc_listen(job, CHECK, 2);
            return;
        case CHECK:
            received_block(job);
            return;
        case BLOCK:
            job->waited = 0;
            tc_listen(job, ANSWER, 8);
            return;
        default: /* STOPPING: the byte after the token says nothing yet */
            job->waited = 0;
            tc_listen(job, BUSY, 1);
    }
}

void tc_start(tc_job_t *job, bool write, uint32_t block, uint8_t *data, uint32_t bytes) {
    job->data = data;
    job->bytes = bytes;
    job->block = block;
    job->count = (bytes + TC_BLOCK_BYTES - 1) / TC_BLOCK_BYTES;
    job->done = job->prepared = job->checked = job->revealed = 0;
    job->error = 0;
    job->damaged = false;
    job->write = write;
    job->waited = 0;
    tc_spim_open(job);
    if (job->unsure) {
        tc_calm(job);
    } else {
        tc_first(job);
    }
}

static uint32_t chunk_bytes(const tc_job_t *job) {
    switch (job->state) {
        case RESPONSE: return TC_BRIEF_BYTES;
        case ANSWER: return 2;
        case BUSY: return job->port.slower.frequency ? TC_CHUNK_BYTES : TC_CHUNK_BYTES / 2; /* about as long at each rate */
        default: return TC_CHUNK_BYTES;
    }
}

/* Takes what a transfer brought that has ended, and begins the next; false when there is none to begin. */
static bool step(tc_job_t *job) {
    job->moving = false;
    if (job->state == LAST) {
        tc_beside(job, true);
        tc_spim_close(job);
        job->state = ENDED;
        job->error = job->error ? job->error : job->damaged ? TC_DAMAGED : TC_DONE;
        job->unsure = job->error != TC_DONE;
        tc_judge_rate(job);
        return false;
    }
    if (job->damaged && !job->error && job->done < job->count) {
        tc_fail(job, TC_DAMAGED);
    } else if (job->state < RESPONSE) {
        moved(job);
    }
    while (!job->moving && job->at < job->filled) {
        skip(job);
        if (job->at < job->filled) {
            tc_look(job, job->scratch[job->at++]);
        }
    }
    if (!job->moving && job->state == RESPONSE && job->waited >= RESPONSE_BYTES) {
        tc_fail(job, job->status == CMD_STOP ? TC_DAMAGED : TC_MISSING);
    } else if (!job->moving && job->waited > job->port.rate.deadline_bytes) {
        tc_fail(job, TC_TIMEOUT);
    } else if (!job->moving) {
        tc_listen(job, job->state, chunk_bytes(job));
    }
    return true;
}

int32_t tc_advance(tc_job_t *job) {
    if (job->state == ENDED) {
        return job->error;
    }
    do {
        while (job->brief && tc_spim_busy(job)) { /* over before an interrupt would be */
        }
        if (tc_spim_busy(job)) {
            return TC_RUNNING;
        }
        if (!step(job)) {
            return job->error;
        }
    } while (job->brief);
    tc_beside(job, job->state == DATA);
    return TC_RUNNING;
}

int32_t tc_finish(tc_job_t *job) {
    int32_t result;
    do {
        result = tc_advance(job);
    } while (result == TC_RUNNING);
    return result;
}
