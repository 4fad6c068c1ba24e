// SPDX-License-Identifier: GPL-2.0-or-later
// UARTE0 and the UART without EasyDMA at the same address. Product specification, chapters UARTE and UART.
#include "uart.h"

#include <string.h>

static void send(struct board *b, uint8_t byte)
{
    if (b->serial_out_count < sizeof b->serial_out)
        b->serial_out[b->serial_out_count++] = byte;
}

static void transmit_next(struct board *b, struct peripheral *p)
{
    slot_set(b, SLOT_UART_TX, now(b) + byte_cycles(p));
}

static void transmit_next_or_end(struct board *b, struct peripheral *p)
{
    if (b->uart.tx_left)
        transmit_next(b, p);
    else
        event_set(b, p, EV_ENDTX);
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
    uint8_t *from = ram_pointer(b, u->tx_at++, 1);
    send(b, from ? *from : 0);
    ++*reg(p, TXD_AMOUNT);
    event_set(b, p, EV_TXDRDY);
    u->tx_left--;
    transmit_next_or_end(b, p);
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
    transmit_next_or_end(b, p);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    struct uart *u = &b->uart;
    if (!(*reg(p, ENABLE) & 15))
        return;
    switch (number) {
    case TASK_STARTRX: uart_start_reception(b, p); break;
    case TASK_STOPRX: uart_stop_reception(b, p); break;
    case TASK_STARTTX: start_transmission(b, p); break;
    case TASK_STOPTX:
        u->tx_on = false;
        u->tx_left = 0;
        slot_set(b, SLOT_UART_TX, NEVER);
        if (dma(p))
            event_set(b, p, EV_TXSTOPPED);
        break;
    case TASK_FLUSHRX: uart_flush(b, p); break;
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
        uart_input(b);
    } else {
        return false;
    }
    return true;
}

static const struct shortcut shortcuts[] = {{5, EV_ENDRX, TASK_STARTRX}, {6, EV_ENDRX, TASK_STOPRX},
                                            {3, EV_CTS, TASK_STARTRX}, {4, EV_NCTS, TASK_STOPRX}};
static const struct span plain[] = {{ERRORSRC, ERRORSRC}, {ENABLE, ENABLE}, {PSEL_RTS, 0x514}, {BAUDRATE, BAUDRATE},
                                    {RXD_PTR, RXD_AMOUNT}, {TXD_PTR, TXD_AMOUNT}, {CONFIG, CONFIG}};

static const struct preset presets[] = {{PSEL_RTS, 0x514, 0xffffffff}, {BAUDRATE, BAUDRATE, 0x04000000}};
const struct kind kind_uart = {KIND("UARTE0", plain), PRESETS(presets), SHORTCUTS(shortcuts), .tasks = 0x88f, .events = 0x005a0397,
                               .task = task, .read = load, .write = store};
