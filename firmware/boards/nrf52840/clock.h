// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_CLOCK_H
#define TERCET_CLOCK_H

#include <stdint.h>

void clock_start(void);
uint64_t clock_us(void); // microseconds since reset
void clock_idle(void); // sleeps until the next interrupt, or returns at once when one came since the last call
void clock_idle_until(uint64_t deadline_us); // the same, and not past the deadline
void clock_sleep_us(uint64_t duration_us); // light sleep: console off, only the 32 kHz clock runs; a pin may end it
void clock_set_alarm(uint64_t deadline_us); // clock_alarm() runs then, in an interrupt; one alarm, the last set counts
void clock_clear_alarm(void);
void clock_alarm(void); // provided by timer.c

#endif // TERCET_CLOCK_H
