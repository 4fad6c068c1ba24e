/* SPDX-License-Identifier: Apache-2.0
 * SPIM3 by its registers: one EasyDMA transfer at a time. */
#include "tc_card.h"

enum { START = 0x010 / 4, END = 0x118 / 4, ENABLE = 0x500 / 4, SCK = 0x508 / 4, MOSI = 0x50C / 4, MISO = 0x510 / 4,
       FREQUENCY = 0x524 / 4, RXD_PTR = 0x534 / 4, RXD_MAXCNT = 0x538 / 4, TXD_PTR = 0x544 / 4, TXD_MAXCNT = 0x548 / 4,
       CONFIG = 0x554 / 4, RXDELAY = 0x560 / 4, ORC = 0x5C0 / 4, ON = 7, KEPT = 7 };

static const uint16_t kept[KEPT] = {SCK, MOSI, MISO, FREQUENCY, CONFIG, ORC, RXDELAY};

void tc_spim_open(tc_job_t *job) {
    volatile uint32_t *r = job->port.spim;
    const tc_port_t *port = &job->port;
    const uint32_t ours[KEPT] = {port->psel_sck, port->psel_mosi, port->psel_miso, port->rate.frequency, 0, 0xFF, port->rate.delay};
    job->saved[KEPT] = r[ENABLE];
    r[ENABLE] = 0;
    for (int i = 0; i < KEPT; i++) {
        job->saved[i] = r[kept[i]];
        r[kept[i]] = ours[i];
    }
    r[ENABLE] = ON;
}

void tc_spim_close(tc_job_t *job) {
    volatile uint32_t *r = job->port.spim;
    r[ENABLE] = 0;
    r[END] = 0;
    (void)r[END]; /* the event is gone before an interrupt of its returns */
    for (int i = 0; i < KEPT; i++) {
        r[kept[i]] = job->saved[i];
    }
    r[ENABLE] = job->saved[KEPT];
}

void tc_spim_begin(tc_job_t *job, const void *transmit, uint32_t sent, void *receive, uint32_t received) {
    volatile uint32_t *r = job->port.spim;
    job->sending = transmit != NULL;
    job->brief = sent + received <= TC_BRIEF_BYTES;
    job->moving = true; /* before the start: once something is being sent, its RAM block may be the job's own */
    r[TXD_PTR] = (uint32_t)(uintptr_t)transmit;
    r[TXD_MAXCNT] = sent;
    r[RXD_PTR] = (uint32_t)(uintptr_t)receive;
    r[RXD_MAXCNT] = received;
    r[END] = 0;
    r[START] = 1;
}

bool tc_spim_busy(tc_job_t *job) { return job->port.spim[END] == 0; }
