/* SPDX-License-Identifier: Apache-2.0
 * The protocol of block transfers as a state machine: commands, their responses, and what a received byte means. */
#include "tc_states.h"

enum { STOP_MANY = 0xFD };

static void select_card(tc_job_t *job, bool on) { *(on ? job->port.cs_clear : job->port.cs_set) = job->port.cs_mask; }

/* Sends a command; `after` is the state that takes over once its response is there. */
void tc_command(tc_job_t *job, uint8_t number, uint32_t argument, uint8_t after) {
    uint8_t *frame = job->slot;
    select_card(job, false);
    select_card(job, true);
    frame[0] = 0xFF; /* eight clocks between two commands */
    frame[1] = 0x40 | number;
    for (int i = 0; i < 4; i++) {
        frame[2 + i] = (uint8_t)(argument >> (24 - 8 * i));
    }
    frame[6] = tc_crc7(frame + 1, 5);
    frame[7] = 0xFF; /* the stuff byte after STOP; before any other response the line idles high */
    job->status = number;
    job->after = after;
    job->state = SEND;
    job->filled = job->at = 0;
    tc_spim_begin(job, frame, number == CMD_STOP ? 8 : 7, NULL, 0);
}

/* Reads `count` bytes to be looked at. */
void tc_listen(tc_job_t *job, uint8_t state, uint32_t count) {
    job->state = state;
    job->filled = count;
    job->at = 0;
    job->waited += count;
    tc_spim_begin(job, NULL, 0, job->scratch, count);
}

void tc_end(tc_job_t *job, int32_t error) {
    select_card(job, false);
    job->error = job->error ? job->error : error;
    job->state = LAST;
    tc_spim_begin(job, NULL, 0, job->scratch, 1); /* eight clocks let the card release the line */
}

/* After an error amid many blocks the card is stopped, so that it answers again. */
void tc_fail(tc_job_t *job, int32_t error) {
    bool stop = job->count > 1 && error != TC_MISSING && !job->error;
    job->error = job->error ? job->error : error;
    if (stop) {
        job->waited = 0;
        tc_command(job, CMD_STOP, 0, BUSY);
    } else {
        tc_end(job, error);
    }
}

static void next_block_to_send(tc_job_t *job) {
    if (job->done < job->count) {
        if (job->prepared == job->done) {
            tc_prepare(job);
        }
        job->state = BLOCK;
        tc_spim_begin(job, job->slot + TC_SLOT_TOKEN, TC_PACKET_BYTES, NULL, 0);
    } else if (job->count > 1 && job->status != STOP_MANY) {
        job->status = STOP_MANY;
        job->slot[0] = STOP_MANY;
        job->slot[1] = 0xFF;
        job->state = STOPPING;
        tc_spim_begin(job, job->slot, 2, NULL, 0);
    } else {
        job->waited = 0;
        tc_command(job, CMD_STATUS, 0, ANSWER);
    }
}

/* The response to a command: what to do with it. */
static void responded(tc_job_t *job, uint8_t response) {
    job->waited = 0;
    bool odd_stop = job->status == CMD_STOP && response & ~0x40; /* beyond the card's end it may complain */
    if (response & 0x08 || odd_stop) {
        tc_fail(job, TC_DAMAGED);
    } else if (job->status == CMD_STOP) {
        job->state = BUSY;
    } else if (job->status == CMD_APP) {
        tc_command(job, CMD_PREERASE, job->count, BLOCK);
    } else if (response & 0x40) {
        tc_end(job, TC_RANGE);
    } else if (response & 0xFE) {
        tc_end(job, TC_REFUSED);
    } else if (job->status == CMD_PREERASE) {
        tc_command(job, CMD_WRITE_MANY, job->block * job->port.unit, BLOCK);
    } else if (job->after == BLOCK) {
        next_block_to_send(job);
    } else {
        job->state = job->after; /* a token, or the second byte of the status */
    }
}

/* A data token was found at `at` - 1: what else the scratch holds is the beginning of the block. */
static void receive_block(tc_job_t *job) {
    uint8_t *block = tc_place(job, job->done);
    uint32_t have = job->filled - job->at;
    for (uint32_t i = 0; i < have; i++) {
        block[i] = job->scratch[job->at + i];
    }
    job->at = job->filled;
    job->state = DATA;
    tc_spim_begin(job, NULL, 0, block + have, TC_BLOCK_BYTES - have);
}

/* The card's answer to a block: xxx0sss1. */
static void answered(tc_job_t *job, uint8_t answer) {
    job->waited = 0;
    if ((answer & 0x1F) != 0x05) {
        tc_fail(job, (answer & 0x1F) == 0x0B ? TC_DAMAGED : (answer & 0x1F) == 0x0D ? TC_PROTECTED : TC_REFUSED);
        return;
    }
    job->done++;
    job->state = BUSY;
}

void tc_look(tc_job_t *job, uint8_t byte) {
    switch (job->state) {
        case RESPONSE:
            if (!(byte & 0x80)) {
                responded(job, byte);
            }
            return;
        case TOKEN:
            if (byte == TC_START_ONE) {
                receive_block(job);
            } else if (byte != 0xFF) {
                tc_fail(job, byte & 0x08 ? TC_RANGE : TC_REFUSED);
            }
            return;
        case ANSWER:
            if (job->status == CMD_STATUS) {
                tc_end(job, byte & 0x22 ? TC_PROTECTED : byte & 0x81 ? TC_RANGE : byte ? TC_REFUSED : TC_DONE);
            } else if ((byte & 0x11) == 0x01) {
                answered(job, byte);
            }
            return;
        default: /* BUSY */
            if (byte == 0xFF) {
                if (job->error || !job->write) {
                    tc_end(job, TC_DONE);
                } else {
                    next_block_to_send(job);
                }
            }
    }
}
