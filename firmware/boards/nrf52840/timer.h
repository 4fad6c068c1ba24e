// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_TIMER_H
#define TERCET_TIMER_H

void timer_deinit_all(void); // at soft reset

#endif // TERCET_TIMER_H
