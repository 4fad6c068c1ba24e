/* SPDX-License-Identifier: Apache-2.0
 * Blocks of an SD card over the nRF52840's SPIM3, a step at a time: start a transfer, compute, advance it, collect it.
 * The card is initialised elsewhere. Source: SD Physical Layer Simplified Specification, chapter 7; nRF52840 Product
 * Specification, chapter SPIM. */
#ifndef TC_CARD_H
#define TC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TC_BLOCK_BYTES = 512, TC_CHUNK_BYTES = 128, TC_SCRATCH_BYTES = TC_CHUNK_BYTES, TC_SLOT_BYTES = 528, TC_BRIEF_BYTES = 8 };

/* What a transfer ends with. */
enum { TC_DONE = 0, TC_RUNNING = 1, TC_MISSING = -1, TC_REFUSED = -2, TC_TIMEOUT = -3, TC_DAMAGED = -4, TC_PROTECTED = -5,
       TC_RANGE = -6, TC_FORGED = -7 };

/* A pace of the bus: FREQUENCY, IFTIMING.RXDELAY, and the deadline of each wait in bytes that the bus clocks meanwhile. */
typedef struct {
    uint32_t frequency, deadline_bytes, delay;
} tc_rate_t;

/* How the card is wired; the order is that of the settings that the device library hands over. */
typedef struct {
    volatile uint32_t *spim;               /* 0x4002F000 */
    volatile uint32_t *cs_set, *cs_clear;  /* GPIO OUTSET and OUTCLR of the port with the card's CS */
    uint32_t cs_mask, psel_sck, psel_mosi, psel_miso;
    uint32_t unit;                         /* what a block number counts as in a command: 1 or 512 */
    tc_rate_t rate, slower;                /* the second in place of the first once that damages blocks; frequency 0: none */
} tc_port_t;

/* What is done to each block on its way, in order: `protect` fills what is sent from what the caller has, `reveal` follows
 * a block that arrived. `ahead`, if there is one, does a little of what `reveal` will need; false: nothing is left to do. */
typedef struct {
    void (*protect)(void *self, uint8_t *to, const uint8_t *from, uint32_t count);
    void (*reveal)(void *self, uint8_t *block);
    bool (*ahead)(void *self);
    void *self;
} tc_guard_t;

/* A transfer under way. DMA reaches its scratch, so it must lie in RAM, as `data` must. */
typedef struct {
    tc_port_t port;
    const tc_guard_t *guard;               /* NULL: blocks go as they are */
    /* TC_SLOT_BYTES from which everything is sent: commands from its beginning, a block with token and checksum behind. Where
     * computation goes on beside a transfer, nothing else of its 8 KB RAM block may be touched (errata 195 and 198). */
    uint8_t *slot;
    uint32_t slot_bytes;
    uint8_t *data;
    uint32_t bytes, block, count;          /* the last block may be partly data; what is missing of it lies in the slot */
    uint32_t done, prepared, checked, revealed, waited, sent_crc;
    uint32_t filled, at;                   /* bytes of the scratch that were received, and of those looked at */
    uint32_t saved[8];                     /* the peripheral's settings, given back at the end */
    int32_t error;
    uint8_t state, after, write, status, calm, noise;
    uint8_t strikes;                       /* of late, against the rate */
    bool lowered;                          /* the rate had to be */
    bool unsure;                           /* after an error: what the card is about to do is not known */
    bool moving, sending, brief, damaged;  /* the peripheral works on a transfer of ours; it sends data; it is soon over */
    uint8_t scratch[TC_SCRATCH_BYTES] __attribute__((aligned(4)));
} tc_job_t;

/* Begins to move `bytes` from or to `data`: whole blocks, or, under a guard, a last one that is filled up. */
void tc_start(tc_job_t *job, bool write, uint32_t block, uint8_t *data, uint32_t bytes);
/* TC_RUNNING, or what the transfer ended with; never waits. What a block costs the processor is done here, while the bus works. */
int32_t tc_advance(tc_job_t *job);
/* The last block, where it is only partly data. */
uint8_t *tc_tail(tc_job_t *job);
/* Advances to the end. */
int32_t tc_finish(tc_job_t *job);

/* What has come to pass speaks for the rate or against it; in tc_rate.c. */
void tc_judge_rate(tc_job_t *job);
/* Takes the slower rate for good. */
void tc_lower_rate(tc_job_t *job);

/* SPIM3, in tc_spim.c */
void tc_spim_open(tc_job_t *job);
void tc_spim_close(tc_job_t *job);
void tc_spim_begin(tc_job_t *job, const void *transmit, uint32_t sent, void *receive, uint32_t received);
bool tc_spim_busy(tc_job_t *job);

uint16_t tc_crc16(const uint8_t *data, size_t count); /* a multiple of 4 */
uint8_t tc_crc7(const uint8_t *data, size_t count);

#endif
