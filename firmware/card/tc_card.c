/* SPDX-License-Identifier: Apache-2.0
 * The protocol of block transfers as a state machine. Each call of tc_advance looks whether the running EasyDMA transfer has
 * ended, takes what it brought and begins the next. */
#include "tc_card.h"

/* The states that end with a transfer of data, then those that look for a byte among what was received. */
enum { SEND, DATA, CHECK, BLOCK, SENDING, CHECKSUM, LAST, RESPONSE, TOKEN, ANSWER, BUSY, ENDED };
enum { CMD_STOP = 12, CMD_STATUS = 13, CMD_READ = 17, CMD_READ_MANY = 18, CMD_PREERASE = 23, CMD_WRITE = 24,
       CMD_WRITE_MANY = 25, CMD_APP = 55 };
enum { START_ONE = 0xFE, START_MANY = 0xFC, STOP_MANY = 0xFD };

static void select_card(tc_job_t *job, bool on) { *(on ? job->port.cs_clear : job->port.cs_set) = job->port.cs_mask; }

static uint8_t *block_at(tc_job_t *job, uint32_t number) { return job->data + (size_t)number * TC_BLOCK_BYTES; }

/* Sends a command; `after` is the state that takes over once its response is there. */
static void command(tc_job_t *job, uint8_t number, uint32_t argument, uint8_t after) {
    uint8_t *frame = job->scratch;
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

/* Reads `count` bytes to be looked at, waiting anew from now on. */
static void listen(tc_job_t *job, uint8_t state, uint32_t count) {
    job->state = state;
    job->filled = count;
    job->at = 0;
    tc_spim_begin(job, NULL, 0, job->scratch, count);
}

static void wait_from_now(tc_job_t *job) { job->since = *job->port.cycles; }

static bool late(tc_job_t *job) { return *job->port.cycles - job->since > job->port.deadline_cycles; }

static void end(tc_job_t *job, int32_t error) {
    select_card(job, false);
    job->error = job->error ? job->error : error;
    job->state = LAST;
    tc_spim_begin(job, NULL, 0, job->scratch, 1); /* eight clocks let the card release the line */
}

/* After an error amid many blocks the card is stopped, so that it answers again. */
static void fail(tc_job_t *job, int32_t error) {
    bool stop = job->count > 1 && error != TC_MISSING && !job->error;
    job->error = job->error ? job->error : error;
    if (stop) {
        wait_from_now(job);
        command(job, CMD_STOP, 0, BUSY);
    } else {
        end(job, error);
    }
}

static void next_block_to_send(tc_job_t *job) {
    if (job->done == job->count) {
        if (job->count > 1 && job->status != STOP_MANY) {
            job->status = STOP_MANY;
            job->scratch[0] = STOP_MANY;
            job->scratch[1] = 0xFF;
            wait_from_now(job);
            job->state = CHECKSUM;
            job->after = BUSY;
            tc_spim_begin(job, job->scratch, 2, NULL, 0);
        } else {
            wait_from_now(job);
            command(job, CMD_STATUS, 0, ANSWER);
        }
        return;
    }
    job->crc = job->crc & 0x10000 ? job->crc : tc_crc16(block_at(job, job->done), TC_BLOCK_BYTES);
    job->scratch[0] = job->count > 1 ? START_MANY : START_ONE;
    job->state = BLOCK;
    tc_spim_begin(job, job->scratch, 1, NULL, 0);
}

/* The response to a command: what to do with it. */
static void responded(tc_job_t *job, uint8_t response) {
    uint8_t after = job->after;
    wait_from_now(job);
    if (response & 0x08) {
        fail(job, TC_DAMAGED);
    } else if (job->status == CMD_STOP) {
        listen(job, BUSY, 1);
    } else if (job->status == CMD_APP) {
        command(job, CMD_PREERASE, job->count, BLOCK);
    } else if (response & 0x40) {
        end(job, TC_RANGE);
    } else if (response & 0xFE) {
        end(job, TC_REFUSED);
    } else if (job->status == CMD_PREERASE) {
        command(job, CMD_WRITE_MANY, job->block * job->port.unit, CHECKSUM);
    } else if (after == ANSWER) {
        job->state = ANSWER; /* the second byte of the status follows */
    } else if (after == TOKEN) {
        job->state = TOKEN;
    } else {
        next_block_to_send(job);
    }
}

/* A data token was found at `at` - 1: what else the scratch holds is the beginning of the block. */
static void receive_block(tc_job_t *job) {
    uint8_t *block = block_at(job, job->done);
    uint32_t have = job->filled - job->at;
    for (uint32_t i = 0; i < have; i++) {
        block[i] = job->scratch[job->at + i];
    }
    job->at = job->filled;
    job->state = DATA;
    tc_spim_begin(job, NULL, 0, block + have, TC_BLOCK_BYTES - have);
}

static void received_block(tc_job_t *job) {
    uint32_t sent = (uint32_t)job->scratch[0] << 8 | job->scratch[1];
    uint8_t *block = block_at(job, job->done++);
    bool more = job->done < job->count;
    wait_from_now(job);
    if (more) {
        listen(job, TOKEN, 8); /* the next block is on its way while this one is checked */
    }
    if (tc_crc16(block, TC_BLOCK_BYTES) != sent) {
        while (more && tc_spim_busy(job)) {
        }
        fail(job, TC_DAMAGED);
    } else if (!more) {
        if (job->count > 1) {
            command(job, CMD_STOP, 0, BUSY);
        } else {
            end(job, TC_DONE);
        }
    }
}

/* The card's answer to a block: xxx0sss1. */
static void answered(tc_job_t *job, uint8_t answer) {
    wait_from_now(job);
    if ((answer & 0x1F) != 0x05) {
        fail(job, (answer & 0x1F) == 0x0B ? TC_DAMAGED : (answer & 0x1F) == 0x0D ? TC_PROTECTED : TC_REFUSED);
        return;
    }
    job->done++;
    job->crc = 0;
    job->state = BUSY;
    if (job->done < job->count) { /* the next checksum while the card is busy: no data are being sent */
        job->crc = 0x10000u | tc_crc16(block_at(job, job->done), TC_BLOCK_BYTES);
    }
}

/* Looks at one received byte in a state that waits for something. */
static void look(tc_job_t *job, uint8_t byte) {
    switch (job->state) {
        case RESPONSE:
            if (!(byte & 0x80)) {
                responded(job, byte);
            }
            return;
        case TOKEN:
            if (byte == START_ONE) {
                receive_block(job);
            } else if (byte != 0xFF) {
                fail(job, byte & 0x08 ? TC_RANGE : TC_REFUSED);
            }
            return;
        case ANSWER:
            if (job->status == CMD_STATUS) {
                end(job, byte & 0x22 ? TC_PROTECTED : byte & 0x81 ? TC_RANGE : byte ? TC_REFUSED : TC_DONE);
            } else if ((byte & 0x11) == 0x01) {
                answered(job, byte);
            }
            return;
        default: /* BUSY */
            if (byte == 0xFF) {
                if (job->error || !job->write) {
                    end(job, TC_DONE);
                } else {
                    next_block_to_send(job);
                }
            }
    }
}

static uint32_t appetite(uint8_t state) { return state == RESPONSE ? 2 : state == TOKEN ? 16 : state == BUSY ? 32 : 1; }

/* The transfer that has just ended was one of data: begin what follows it. */
static void moved(tc_job_t *job) {
    switch (job->state) {
        case SEND:
            listen(job, RESPONSE, 2);
            return;
        case DATA:
            job->state = CHECK;
            tc_spim_begin(job, NULL, 0, job->scratch, 2);
            return;
        case CHECK:
            received_block(job);
            return;
        case BLOCK:
            job->scratch[0] = (uint8_t)(job->crc >> 8);
            job->scratch[1] = (uint8_t)job->crc;
            job->state = SENDING;
            tc_spim_begin(job, block_at(job, job->done), TC_BLOCK_BYTES, NULL, 0);
            return;
        case SENDING:
            job->state = CHECKSUM;
            job->after = ANSWER;
            tc_spim_begin(job, job->scratch, 2, NULL, 0);
            return;
        default: /* CHECKSUM */
            wait_from_now(job);
            listen(job, job->after, 1);
    }
}

static void begun(tc_job_t *job, bool write, uint32_t block, uint8_t *data, uint32_t count) {
    job->data = data;
    job->block = block;
    job->count = count;
    job->done = 0;
    job->crc = 0;
    job->error = 0;
    job->write = write;
    wait_from_now(job);
}

void tc_start(tc_job_t *job, bool write, uint32_t block, uint8_t *data, uint32_t count) {
    begun(job, write, block, data, count);
    tc_spim_open(job);
    if (!write) {
        command(job, count > 1 ? CMD_READ_MANY : CMD_READ, block * job->port.unit, TOKEN);
    } else if (count > 1) {
        command(job, CMD_APP, 0, RESPONSE);
    } else {
        command(job, CMD_WRITE, block * job->port.unit, CHECKSUM);
    }
}

int32_t tc_advance(tc_job_t *job) {
    if (job->state == ENDED) {
        return job->error;
    }
    if (job->moving) {
        if (tc_spim_busy(job)) {
            return TC_RUNNING;
        }
        job->moving = false;
        if (job->state == LAST) {
            tc_spim_close(job);
            job->state = ENDED;
            return job->error;
        }
        if (job->state < RESPONSE) {
            moved(job);
            return TC_RUNNING;
        }
    }
    while (!job->moving && job->at < job->filled) {
        look(job, job->scratch[job->at++]);
    }
    if (!job->moving && late(job)) {
        fail(job, job->state == RESPONSE ? TC_MISSING : TC_TIMEOUT);
    } else if (!job->moving) {
        listen(job, job->state, appetite(job->state));
    }
    return TC_RUNNING;
}

int32_t tc_finish(tc_job_t *job) {
    int32_t result;
    do {
        result = tc_advance(job);
    } while (result == TC_RUNNING);
    return result;
}
