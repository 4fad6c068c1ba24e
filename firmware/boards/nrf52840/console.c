// SPDX-License-Identifier: Apache-2.0
// The console on UARTE0, through the debugger's serial port of the development kit: 115200 8N1, no flow control.
//
// Reception never stops: EasyDMA fills two halves of a buffer in turn, the hardware starts the next half when one is full. How
// many bytes have arrived is counted by TIMER3, which PPI clocks with each RXDRDY, since UARTE tells its own count only
// at the end of a buffer. The interrupt moves them to a ring. So nothing is lost while the processor is away for less than
// a half's time (22 ms; the longest stall is 10 ms, a partial erase of flash).
#include <string.h>

#include "py/mpconfig.h"
#include "py/runtime.h"
#include "shared/runtime/interrupt_char.h"
#include "clock.h"
#include "console.h"
#include "registers.h"

enum { PIN_TXD = 6, PIN_RXD = 8 };
enum { RX_HALF = 256, RX_RING = 2048, TX_HALF = 128, PPI_CHANNEL = 0 };
#define COUNTER(r) REG(TIMER3_BASE + TIMER_##r)

static uint8_t rx_dma[2 * RX_HALF];
static uint8_t rx_ring[RX_RING];
static volatile uint32_t rx_taken; // bytes moved out of rx_dma
static volatile uint32_t rx_head, rx_tail; // free-running indices of rx_ring
static volatile uint32_t rx_halves; // halves handed to EasyDMA
static volatile uint32_t rx_lost;

static uint8_t tx_dma[2][TX_HALF];
static volatile uint32_t tx_filling; // which half the program fills; the other may be on the wire
static volatile uint32_t tx_filled; // bytes in it
static volatile bool tx_busy;

static uint32_t rx_arrived(void) {
    COUNTER(TASKS_CAPTURE(0)) = 1;
    return COUNTER(CC(0));
}

static void rx_offer_half(void) {
    UARTE0(RXD_PTR) = (uint32_t)&rx_dma[(rx_halves & 1) * RX_HALF];
    UARTE0(RXD_MAXCNT) = RX_HALF;
    ++rx_halves;
}

static void rx_move(void) {
    uint32_t arrived = rx_arrived();
    if (arrived - rx_taken > 2 * RX_HALF) { // away for too long: the oldest have been overwritten
        rx_lost += arrived - rx_taken - RX_HALF;
        rx_taken = arrived - RX_HALF;
    }
    while (rx_taken != arrived) {
        uint8_t byte = rx_dma[rx_taken++ & (2 * RX_HALF - 1)];
        if (byte == mp_interrupt_char) {
            mp_sched_keyboard_interrupt();
        } else if (rx_head - rx_tail < RX_RING) {
            rx_ring[rx_head++ & (RX_RING - 1)] = byte;
        } else {
            ++rx_lost;
        }
    }
}

static void tx_send(void) {
    tx_busy = true;
    UARTE0(TXD_PTR) = (uint32_t)tx_dma[tx_filling];
    UARTE0(TXD_MAXCNT) = tx_filled;
    tx_filling ^= 1;
    tx_filled = 0;
    UARTE0(TASKS_STARTTX) = 1;
}

void UARTE0_IRQHandler(void) {
    if (UARTE0(EVENTS_RXDRDY)) {
        UARTE0(EVENTS_RXDRDY) = 0;
        (void)UARTE0(EVENTS_RXDRDY); // the clear must have reached the peripheral before the count is read
        rx_move();
    }
    if (UARTE0(EVENTS_RXSTARTED)) {
        UARTE0(EVENTS_RXSTARTED) = 0;
        rx_offer_half(); // the registers are double buffered: this is where the half after this one goes
    }
    if (UARTE0(EVENTS_ERROR)) {
        UARTE0(EVENTS_ERROR) = 0;
        UARTE0(ERRORSRC) = UARTE0(ERRORSRC); // framing, break: a terminal that opens or closes
    }
    if (UARTE0(EVENTS_ENDTX)) {
        UARTE0(EVENTS_ENDTX) = 0;
        if (tx_filled) {
            tx_send();
        } else {
            UARTE0(TASKS_STOPTX) = 1; // a started transmitter draws current
        }
    }
    if (UARTE0(EVENTS_TXSTOPPED)) {
        UARTE0(EVENTS_TXSTOPPED) = 0;
        tx_busy = false; // not before: a start that overtakes the stop would be stopped too
        if (tx_filled) {
            tx_send();
        }
    }
    (void)UARTE0(EVENTS_ENDTX);
}

static void configure(void) {
    GPIO(PIN_TXD, OUTSET) = 1u << PIN_TXD;
    GPIO_CNF(PIN_TXD) = CNF_OUTPUT | CNF_INPUT_DISCONNECT;
    GPIO_CNF(PIN_RXD) = CNF_INPUT | CNF_PULL_UP; // an unplugged debugger must not read as a stream of breaks
    UARTE0(PSEL_TXD) = PIN_TXD;
    UARTE0(PSEL_RXD) = PIN_RXD;
    UARTE0(PSEL_RTS) = PIN_DISCONNECTED;
    UARTE0(PSEL_CTS) = PIN_DISCONNECTED;
    UARTE0(CONFIG) = 0;
    UARTE0(BAUDRATE) = UARTE_BAUDRATE_115200;
    UARTE0(ENABLE) = UARTE_ENABLE_ENABLED;
}

static void start_counter(void) {
    COUNTER(MODE) = TIMER_MODE_LOW_POWER_COUNTER;
    COUNTER(BITMODE) = TIMER_BITMODE_32;
    COUNTER(TASKS_CLEAR) = 1;
    COUNTER(TASKS_START) = 1;
    PPI(EEP(PPI_CHANNEL)) = (uint32_t)&UARTE0(EVENTS_RXDRDY);
    PPI(TEP(PPI_CHANNEL)) = (uint32_t)&COUNTER(TASKS_COUNT);
    PPI(CHENSET) = 1 << PPI_CHANNEL;
}

void console_start(void) {
    configure();
    start_counter();
    rx_taken = rx_halves = 0;
    tx_busy = false;
    UARTE0(EVENTS_RXDRDY) = 0;
    UARTE0(EVENTS_RXSTARTED) = 0;
    UARTE0(EVENTS_ENDTX) = 0;
    UARTE0(EVENTS_TXSTOPPED) = 0;
    UARTE0(EVENTS_ERROR) = 0;
    UARTE0(INTENSET) = EVENT_BIT(UARTE_EVENTS_RXDRDY) | EVENT_BIT(UARTE_EVENTS_RXSTARTED)
        | EVENT_BIT(UARTE_EVENTS_ENDTX) | EVENT_BIT(UARTE_EVENTS_TXSTOPPED) | EVENT_BIT(UARTE_EVENTS_ERROR);
    NVIC_PRIORITY(IRQ_UARTE0) = IRQ_PRIORITY_CONSOLE;
    NVIC_UNPEND(IRQ_UARTE0);
    NVIC_ENABLE(IRQ_UARTE0);
    rx_offer_half();
    UARTE0(SHORTS) = UARTE_SHORTS_ENDRX_STARTRX;
    UARTE0(TASKS_STARTRX) = 1;
}

void console_flush(void) {
    while (tx_filled || tx_busy) {
        clock_idle();
    }
}

void console_stop(void) {
    console_flush();
    NVIC_DISABLE(IRQ_UARTE0);
    UARTE0(SHORTS) = 0;
    UARTE0(EVENTS_RXTO) = 0;
    UARTE0(TASKS_STOPRX) = 1;
    while (!UARTE0(EVENTS_RXTO)) {
    }
    rx_move();
    PPI(CHENCLR) = 1 << PPI_CHANNEL;
    COUNTER(TASKS_SHUTDOWN) = 1;
    UARTE0(ENABLE) = 0;
}

bool console_readable(void) {
    return rx_head != rx_tail;
}

int console_read(void) {
    if (!console_readable()) {
        return -1;
    }
    return rx_ring[rx_tail++ & (RX_RING - 1)];
}

uint32_t console_bytes_lost(void) {
    uint32_t lost = rx_lost;
    rx_lost = 0;
    return lost;
}

bool console_writable(void) {
    return tx_filled < TX_HALF;
}

void console_write(const char *text, size_t length) {
    while (length > 0) {
        while (!console_writable()) {
            clock_idle();
        }
        NVIC_DISABLE(IRQ_UARTE0);
        __asm volatile ("dsb\nisb" ::: "memory");
        size_t n = MIN(length, TX_HALF - tx_filled);
        memcpy(&tx_dma[tx_filling][tx_filled], text, n);
        tx_filled += n;
        if (!tx_busy) {
            tx_send();
        }
        NVIC_ENABLE(IRQ_UARTE0);
        text += n;
        length -= n;
    }
}

static void tx_wait_polled(void) {
    while (tx_busy && !UARTE0(EVENTS_ENDTX) && !UARTE0(EVENTS_TXSTOPPED)) {
    }
}

void console_write_polled(const char *text, size_t length) {
    NVIC_DISABLE(IRQ_UARTE0);
    UARTE0(ENABLE) = UARTE_ENABLE_ENABLED;
    for (; length > 0; --length) {
        tx_wait_polled();
        tx_busy = true;
        tx_dma[0][0] = *text++;
        UARTE0(EVENTS_ENDTX) = 0;
        UARTE0(EVENTS_TXSTOPPED) = 0;
        UARTE0(TXD_PTR) = (uint32_t)tx_dma[0];
        UARTE0(TXD_MAXCNT) = 1;
        UARTE0(TASKS_STARTTX) = 1;
    }
    tx_wait_polled();
    tx_busy = false;
}
