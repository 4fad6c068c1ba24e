// SPDX-License-Identifier: GPL-2.0-or-later
// UARTE0 and the UART without EasyDMA at the same address. Product specification, chapters UARTE and UART.
// Bytes take their time in virtual cycles. The line's other end is the serial wire of the process.
#include "kinds.h"

#include <string.h>

enum { ERRORSRC = 0x480, ENABLE = 0x500, PSEL_RTS = 0x508, PSEL_TXD = 0x50c, RXD = 0x518, TXD = 0x51c,
       BAUDRATE = 0x524, RXD_PTR = 0x534, RXD_MAXCNT = 0x538, RXD_AMOUNT = 0x53c, TXD_PTR = 0x544,
       TXD_MAXCNT = 0x548, TXD_AMOUNT = 0x54c, CONFIG = 0x56c, OVERRUN = 1, FIFO_BYTES = 6 };
enum { TASK_STARTRX, TASK_STOPRX, TASK_STARTTX, TASK_STOPTX, TASK_SUSPEND = 7, TASK_FLUSHRX = 11 };
enum { EV_CTS, EV_NCTS, EV_RXDRDY, EV_ENDRX = 4, EV_TXDRDY = 7, EV_ENDTX, EV_ERROR, EV_RXTO = 17,
       EV_RXSTARTED = 19, EV_TXSTARTED, EV_TXSTOPPED = 22 };

static uint32_t *reg(struct peripheral *p, uint32_t offset)
{
    return &p->reg[offset >> 2];
}

static bool dma(struct peripheral *p)
{
    return (*reg(p, ENABLE) & 15) == 8;
}

static uint64_t byte_cycles(struct peripheral *p)
{
    uint32_t divisor = *reg(p, BAUDRATE) ? *reg(p, BAUDRATE) : 0x04000000;
    uint32_t config = *reg(p, CONFIG);
    uint64_t bits = 10 + ((config & 0xe) == 0xe) + (config >> 4 & 1);
    return (bits << 34) / divisor;  // baud = divisor * 16 MHz / 2^32, and four cycles a 16 MHz tick
}

static void send(struct board *b, uint8_t byte)
{
    if (b->serial_out_count < sizeof b->serial_out)
        b->serial_out[b->serial_out_count++] = byte;
}

static void transmit_next(struct board *b, struct peripheral *p)
{
    slot_set(b, SLOT_UART_TX, now(b) + byte_cycles(p));
}

void uart_tx_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40002000);
    struct uart *u = &b->uart;
    (void)when;
    if (!dma(p)) {
        send(b, (uint8_t)*reg(p, TXD));
        u->tx_left = 0;
        event_set(b, p, EV_TXDRDY);
        return;
    }
    uint8_t *from = ram_pointer(b, u->tx_at, 1);
    send(b, from ? *from : 0);
    u->tx_at++;
    ++*reg(p, TXD_AMOUNT);
    event_set(b, p, EV_TXDRDY);
    if (--u->tx_left)
        transmit_next(b, p);
    else
        event_set(b, p, EV_ENDTX);
}

static void start_transmission(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    u->tx_on = true;
    if (!dma(p))
        return;
    u->tx_at = *reg(p, TXD_PTR);
    u->tx_left = *reg(p, TXD_MAXCNT) & 0xffff;
    *reg(p, TXD_AMOUNT) = 0;
    if (u->tx_left && !ram_pointer(b, u->tx_at, u->tx_left)) {
        stop_with_report(b, "UARTE0 TXD.PTR 0x%08x (%u bytes) is not in RAM: EasyDMA cannot read it", u->tx_at,
                         u->tx_left);
        return;
    }
    event_set(b, p, EV_TXSTARTED);
    if (u->tx_left)
        transmit_next(b, p);
    else
        event_set(b, p, EV_ENDTX);
}

static void receive(struct board *b, struct peripheral *p, uint8_t byte)
{
    struct uart *u = &b->uart;
    uint8_t *to = ram_pointer(b, u->rx_at, 1);
    if (to)
        *to = byte;
    u->rx_at++;
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

static void schedule_input(struct board *b)
{
    struct peripheral *p = peripheral_at(b, 0x40002000);
    if (b->due[SLOT_UART_RX] != NEVER || b->serial_in_head == b->serial_in_tail)
        return;
    uint64_t at = b->serial_in[b->serial_in_head % 8192].at, earliest = now(b) + byte_cycles(p);
    slot_set(b, SLOT_UART_RX, at > earliest ? at : earliest);
}

void uart_input(struct board *b)
{
    schedule_input(b);
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
            *reg(p, ERRORSRC) |= OVERRUN, event_set(b, p, EV_ERROR);
        if (u->fifo_count == 1)
            event_set(b, p, EV_RXDRDY);
    } else if (mode == 8 && u->rx_stopping == false && u->fifo_count < FIFO_BYTES) {
        u->fifo[u->fifo_count++] = byte;
    } else if (mode) {
        *reg(p, ERRORSRC) |= OVERRUN;
        event_set(b, p, EV_ERROR);
    }
    schedule_input(b);
}

static void flush_fifo(struct board *b, struct peripheral *p)
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

static void start_reception(struct board *b, struct peripheral *p)
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

static void stop_reception(struct board *b, struct peripheral *p)
{
    struct uart *u = &b->uart;
    bool was_on = u->rx_on;
    u->rx_on = false;
    u->rx_stopping = true;
    if (dma(p) && was_on)
        event_set(b, p, EV_ENDRX);
    event_set(b, p, EV_RXTO);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    struct uart *u = &b->uart;
    if (!(*reg(p, ENABLE) & 15))
        return;
    switch (number) {
    case TASK_STARTRX: start_reception(b, p); break;
    case TASK_STOPRX: stop_reception(b, p); break;
    case TASK_STARTTX: start_transmission(b, p); break;
    case TASK_STOPTX:
        u->tx_on = false;
        u->tx_left = 0;
        slot_set(b, SLOT_UART_TX, NEVER);
        if (dma(p))
            event_set(b, p, EV_TXSTOPPED);
        break;
    case TASK_FLUSHRX: flush_fifo(b, p); break;
    default: break;
    }
    power_update(b);
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    struct uart *u = &b->uart;
    if (offset != RXD)
        return false;
    *value = u->fifo[0];
    if (u->fifo_count) {
        memmove(u->fifo, u->fifo + 1, (size_t)--u->fifo_count);
        if (u->fifo_count)
            event_set(b, p, EV_RXDRDY);
    }
    return true;
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    if (offset == ERRORSRC) {
        *reg(p, ERRORSRC) &= ~value;
    } else if (offset == TXD) {
        *reg(p, TXD) = value;
        if (b->uart.tx_on)
            transmit_next(b, p);
    } else if (offset == ENABLE) {
        *reg(p, ENABLE) = value;
        if (!(value & 15))
            b->uart.rx_on = b->uart.tx_on = false, b->uart.fifo_count = 0;
        else if ((value & 15) != 8 && (value & 15) != 4)
            return false;
        schedule_input(b);
    } else {
        return false;
    }
    return true;
}

static const struct shortcut shortcuts[] = {{5, EV_ENDRX, TASK_STARTRX}, {6, EV_ENDRX, TASK_STOPRX},
                                            {3, EV_CTS, TASK_STARTRX}, {4, EV_NCTS, TASK_STOPRX}};
static const struct span plain[] = {{ERRORSRC, ERRORSRC}, {ENABLE, ENABLE}, {PSEL_RTS, 0x514}, {BAUDRATE, BAUDRATE},
                                    {RXD_PTR, RXD_AMOUNT}, {TXD_PTR, TXD_AMOUNT}, {CONFIG, CONFIG}};

const struct kind kind_uart = {KIND("UARTE0", plain), SHORTCUTS(shortcuts), .tasks = 0x88f, .events = 0x005a0397,
                               .task = task, .read = load, .write = store};
