// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef BARE_H
#define BARE_H
#define REG(address) (*(volatile unsigned *)(address))
void put(const char *text);
void put_hex(unsigned value);
#endif
