/* SPDX-License-Identifier: Apache-2.0
 * How fast the bus may go on. At a rate beyond the card's default, wires and card are on trial: two transfers that fail one after
 * the other, or more than about one in eight, end it, and the next attempt goes at the slower rate. */
#include "tc_card.h"

enum { STRIKE = 8, OUT = 16 };

void tc_lower_rate(tc_job_t *job) {
    if (job->port.slower.frequency) {
        job->port.rate = job->port.slower;
        job->port.slower.frequency = 0;
        job->lowered = true;
    }
}

void tc_judge_rate(tc_job_t *job) {
    /* a response or a token that arrives wrong can mean anything; a locked card is told in many words */
    if (job->error == TC_DONE || job->error == TC_PROTECTED) {
        job->strikes -= job->strikes > 0;
        return;
    }
    job->strikes += STRIKE;
    if (job->strikes >= OUT) {
        job->strikes = 0;
        tc_lower_rate(job);
    }
}
