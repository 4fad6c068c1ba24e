// SPDX-License-Identifier: GPL-2.0-or-later
// The receiving side of UARTE0 and UART0. Bytes arrive in virtual time whether or not anybody is ready for them.
#include "uart.h"

#include <string.h>

static void receive(struct board *b, struct peripheral *p, uint8_t byte)
{
    struct uart *u = &b->uart;
    uint8_t *to = ram_pointer(b, u->rx_at++, 1);
    if (to)
        *to = byte;
    ++*reg(p, RXD_AMOUNT);
    event_set(b, p, EV_RXDRDY);
    if (*reg(p, RXD_AMOUNT) >= *reg(p, RXD_MAXCNT)) {
        u->rx_on = false;
        event_set(b, p, EV_ENDRX);
    }
}

static void drain_fifo(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    while (u->rx_on && u->fifo_count) {
        uint8_t byte = u->fifo[0];
        memmove(u->fifo, u->fifo + 1, (size_t)--u->fifo_count);
        receive(b, p, byte);
    }
}

void uart_input(struct board *b)
{
    struct peripheral *p = peripheral_at(b, 0x40002000);
    if (b->due[SLOT_UART_RX] != NEVER || b->serial_in_head == b->serial_in_tail)
        return;
    uint64_t at = b->serial_in[b->serial_in_head % 8192].at, earliest = now(b) + byte_cycles(p);
    slot_set(b, SLOT_UART_RX, at > earliest ? at : earliest);
}

static void overrun(struct board *b, struct peripheral *p)
{
    *reg(p, ERRORSRC) |= OVERRUN;
    event_set(b, p, EV_ERROR);
}

// A byte has fully arrived on the line.
void uart_rx_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40002000);
    struct uart *u = &b->uart;
    bool flow_control = (*reg(p, CONFIG) & 1) && !(*reg(p, PSEL_RTS) >> 31);
    uint32_t mode = *reg(p, ENABLE) & 15;
    (void)when;
    if (mode && flow_control && u->fifo_count >= 4) {
        slot_set(b, SLOT_UART_RX, now(b) + byte_cycles(p));  // RTS holds the sender
        return;
    }
    uint8_t byte = b->serial_in[b->serial_in_head++ % 8192].byte;
    if (mode == 8 && u->rx_on) {
        receive(b, p, byte);
    } else if (mode == 4 && u->rx_on) {
        if (u->fifo_count < FIFO_BYTES)
            u->fifo[u->fifo_count++] = byte;
        else
            overrun(b, p);
        if (u->fifo_count == 1)
            event_set(b, p, EV_RXDRDY);
    } else if (mode == 8 && !u->rx_stopping && u->fifo_count < FIFO_BYTES) {
        u->fifo[u->fifo_count++] = byte;
    } else if (mode) {
        overrun(b, p);
    }
    uart_input(b);
}

void uart_flush(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    u->rx_at = *reg(p, RXD_PTR);
    *reg(p, RXD_AMOUNT) = 0;
    u->rx_on = true;
    drain_fifo(b, p);
    if (u->rx_on) {
        u->rx_on = false;
        event_set(b, p, EV_ENDRX);
    }
}

void uart_start_reception(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    u->rx_on = true;
    u->rx_stopping = false;
    if (!dma(p))
        return;
    u->rx_at = *reg(p, RXD_PTR);
    *reg(p, RXD_AMOUNT) = 0;
    if (!ram_pointer(b, u->rx_at, *reg(p, RXD_MAXCNT) & 0xffff))
        stop_with_report(b, "UARTE0 RXD.PTR 0x%08x (%u bytes) is not in RAM", u->rx_at, *reg(p, RXD_MAXCNT));
    event_set(b, p, EV_RXSTARTED);
    drain_fifo(b, p);
}

void uart_stop_reception(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    bool was_on = u->rx_on;
    u->rx_on = false;
    u->rx_stopping = true;
    if (dma(p) && was_on)
        event_set(b, p, EV_ENDRX);
    event_set(b, p, EV_RXTO);
}
