/* SPDX-License-Identifier: Apache-2.0
 * Blocks of an SD card over the nRF52840's SPIM3, a step at a time: start a transfer, compute, advance it, collect it.
 * The card is initialised elsewhere. Source: SD Physical Layer Simplified Specification, chapter 7; nRF52840 Product
 * Specification, chapter SPIM. */
#ifndef TC_CARD_H
#define TC_CARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TC_BLOCK_BYTES = 512, TC_SCRATCH_BYTES = 32 };

/* What a transfer ends with. */
enum { TC_DONE = 0, TC_RUNNING = 1, TC_MISSING = -1, TC_REFUSED = -2, TC_TIMEOUT = -3, TC_DAMAGED = -4, TC_PROTECTED = -5,
       TC_RANGE = -6 };

/* How the card is wired; the order is that of the settings that the device library hands over. */
typedef struct {
    volatile uint32_t *spim;               /* 0x4002F000 */
    volatile uint32_t *cs_set, *cs_clear;  /* GPIO OUTSET and OUTCLR of the port with the card's CS */
    uint32_t cs_mask, frequency, psel_sck, psel_mosi, psel_miso;
    uint32_t unit;                         /* what a block number counts as in a command: 1 or 512 */
    volatile uint32_t *cycles;             /* a free-running counter of processor cycles */
    uint32_t deadline_cycles;              /* for each wait */
} tc_port_t;

/* A transfer under way. DMA reaches its scratch, so it must lie in RAM, as `data` must. */
typedef struct {
    tc_port_t port;
    uint8_t scratch[TC_SCRATCH_BYTES];
    uint8_t *data;
    uint32_t block, count, done, since, crc;
    uint32_t filled, at;                   /* bytes of the scratch that were received, and of those looked at */
    uint32_t saved[7];                     /* the peripheral's settings, given back at the end */
    int32_t error;
    uint8_t state, after, write, status;
    bool moving;                           /* the peripheral works on a transfer of ours */
} tc_job_t;

void tc_start(tc_job_t *job, bool write, uint32_t block, uint8_t *data, uint32_t count);
/* TC_RUNNING, or what the transfer ended with; never waits. */
int32_t tc_advance(tc_job_t *job);
/* Advances to the end. */
int32_t tc_finish(tc_job_t *job);

/* SPIM3, in tc_spim.c */
void tc_spim_open(tc_job_t *job);
void tc_spim_close(tc_job_t *job);
void tc_spim_begin(tc_job_t *job, const void *transmit, uint32_t sent, void *receive, uint32_t received);
bool tc_spim_busy(tc_job_t *job);

uint16_t tc_crc16(const uint8_t *data, size_t count);
uint8_t tc_crc7(const uint8_t *data, size_t count);

#endif
