/* SPDX-License-Identifier: Apache-2.0
 * The states of a transfer, and what leads from one to the next. */
#ifndef TC_STATES_H
#define TC_STATES_H

#include "tc_block.h"

/* The states that end with a transfer of data, then those that look for a byte among what was received. */
enum { SEND, DATA, CHECK, BLOCK, STOPPING, CALMING, LAST, RESPONSE, TOKEN, ANSWER, BUSY, ENDED };
enum { CMD_STOP = 12, CMD_STATUS = 13, CMD_READ = 17, CMD_READ_MANY = 18, CMD_PREERASE = 23, CMD_WRITE = 24,
       CMD_WRITE_MANY = 25, CMD_APP = 55 };

void tc_command(tc_job_t *job, uint8_t number, uint32_t argument, uint8_t after);
void tc_listen(tc_job_t *job, uint8_t state, uint32_t count);
void tc_end(tc_job_t *job, int32_t error);
void tc_fail(tc_job_t *job, int32_t error);
/* Stops a card of which nothing is known, and watches the line until it idles; then the transfer begins. */
void tc_calm(tc_job_t *job);
void tc_calmed(tc_job_t *job);
/* Sends a transfer's first command. */
void tc_first(tc_job_t *job);
/* Looks at one received byte in a state that waits for something. */
void tc_look(tc_job_t *job, uint8_t byte);

#endif
