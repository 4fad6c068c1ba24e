// SPDX-License-Identifier: GPL-2.0-or-later
// Registers of UARTE0 and UART0.
#ifndef TERCET_UART_H
#define TERCET_UART_H

#include "kinds.h"

enum { ERRORSRC = 0x480, ENABLE = 0x500, PSEL_RTS = 0x508, PSEL_TXD = 0x50c, RXD = 0x518, TXD = 0x51c,
       BAUDRATE = 0x524, RXD_PTR = 0x534, RXD_MAXCNT = 0x538, RXD_AMOUNT = 0x53c, TXD_PTR = 0x544,
       TXD_MAXCNT = 0x548, TXD_AMOUNT = 0x54c, CONFIG = 0x56c, OVERRUN = 1, FIFO_BYTES = 6 };
enum { TASK_STARTRX, TASK_STOPRX, TASK_STARTTX, TASK_STOPTX, TASK_FLUSHRX = 11 };
enum { EV_CTS, EV_NCTS, EV_RXDRDY, EV_ENDRX = 4, EV_TXDRDY = 7, EV_ENDTX, EV_ERROR, EV_RXTO = 17,
       EV_RXSTARTED = 19, EV_TXSTARTED, EV_TXSTOPPED = 22 };

static inline uint32_t *reg(struct peripheral *p, uint32_t offset)
{
    return &p->reg[offset >> 2];
}

static inline bool dma(struct peripheral *p)
{
    return (*reg(p, ENABLE) & 15) == 8;
}

static inline uint64_t byte_cycles(struct peripheral *p)
{
    uint32_t divisor = *reg(p, BAUDRATE) ? *reg(p, BAUDRATE) : 0x04000000;
    uint32_t config = *reg(p, CONFIG);
    uint64_t bits = 10 + ((config & 0xe) == 0xe) + (config >> 4 & 1);
    return (bits << 34) / divisor;  // baud = divisor * 16 MHz / 2^32, and four cycles a 16 MHz tick
}

void uart_start_reception(struct board *b, struct peripheral *p);
void uart_stop_reception(struct board *b, struct peripheral *p);
void uart_flush(struct board *b, struct peripheral *p);

#endif
