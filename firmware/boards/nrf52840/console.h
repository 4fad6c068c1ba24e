// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_CONSOLE_H
#define TERCET_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void console_start(void);
void console_flush(void); // waits until everything written has left the wire
void console_stop(void); // the same, then off; needs a console_start() to go on
int console_read(void); // the next byte received, or -1
bool console_readable(void);
bool console_writable(void);
void console_write(const char *text, size_t length);
void console_write_polled(const char *text, size_t length); // for the fault handler: no interrupts
uint32_t console_bytes_lost(void); // received while the ring was full, since the last call

#endif // TERCET_CONSOLE_H
