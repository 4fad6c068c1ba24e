// SPDX-License-Identifier: GPL-2.0-or-later
// The serial instances 0-3: SPIM with EasyDMA, SPI without (0-2), TWIM with nothing on the bus. Product specification,
// chapters SPIM, SPI and TWIM. ENABLE selects which of them answers.
#include "kinds.h"

#include <string.h>

enum { ERRORSRC = 0x4c4, ENABLE = 0x500, PSEL = 0x508, SPI_RXD = 0x518, SPI_TXD = 0x51c, FREQUENCY = 0x524,
       RXD_PTR = 0x534, RXD_MAXCNT = 0x538, RXD_AMOUNT = 0x53c, TXD_PTR = 0x544, TXD_MAXCNT = 0x548,
       TXD_AMOUNT = 0x54c, CONFIG = 0x554, ORC = 0x5c0, BUFFER_BYTES = 65536, PSEL_CSN = 0x514, RXDELAY = 0x560,
       CSNDUR = 0x564, CSNPOL = 0x568, PSELDCX = 0x56c };
enum { IS_SPI = 1, IS_TWIM = 6, IS_SPIM = 7 };
// Where the double buffer of SPI is kept, and whether SPIM3 leaks.
enum { SPI_PENDING = 0xfe0 >> 2, SPI_NEXT = 0xfe4 >> 2 };
enum { EV_STOPPED = 1, EV_READY = 2, EV_ENDRX = 4, EV_END = 6, EV_ENDTX = 8, EV_ERROR = 9, EV_STARTED = 19,
       EV_RXSTARTED = 19, EV_TXSTARTED };

static uint32_t mode(const struct peripheral *p)
{
    return p->reg[ENABLE >> 2] & 15;
}

// CPU cycles of one byte on the wire.
static uint32_t byte_cycles(const struct peripheral *p)
{
    switch (p->reg[FREQUENCY >> 2]) {
    case 0x02000000: return 8 * 512;  // 125 kHz
    case 0x04000000: return 8 * 256;
    case 0x08000000: return 8 * 128;
    case 0x10000000: return 8 * 64;
    case 0x20000000: return 8 * 32;
    case 0x40000000: return 8 * 16;
    case 0x80000000: return 8 * 8;    // 8 MHz
    case 0x0a000000: return 8 * 4;    // 16 MHz, SPIM3 only
    case 0x14000000: return 8 * 2;    // 32 MHz, SPIM3 only
    default: return 8 * 256;
    }
}

// What the other end of the wires has to know of a transfer: the pins of clock, output and input, and how many cycles after the
// clock's edge the input is sampled.
#define WIRES(p) {(p)->reg[PSEL >> 2], (p)->reg[(PSEL >> 2) + 1], (p)->reg[(PSEL >> 2) + 2], \
                  (p)->index == 3 ? (p)->reg[RXDELAY >> 2] & 7 : 0}

static uint8_t *dma_buffer(struct board *b, struct peripheral *p, uint32_t pointer, uint32_t bytes, const char *what)
{
    uint8_t *at = bytes ? ram_pointer(b, pointer, bytes) : NULL;
    if (bytes && !at)
        stop_with_report(b, "SPIM%d %s 0x%08x (%u bytes) is not in RAM: EasyDMA cannot reach it", p->index, what,
                         pointer, bytes);
    return at;
}

// Erratum 198: what SPIM3 sends is corrupted when the CPU touches the 8 KB of RAM that hold it. The transfer is then
// carried out at its end, when it is known whether that happened.
static void erratum_begin(struct board *b, const uint8_t *sent, uint32_t bytes)
{
    memcpy(b->spim3_tx, sent, bytes);
    b->spim3_started = now(b);
    b->spim3_disturbed = false;
    uc_ctl_flush_tlb(b->uc);
}

static void erratum_end(struct board *b, struct peripheral *p)
{
    uint32_t bytes = b->spim_bytes[3];
    uint32_t pins[4] = WIRES(p);
    if (b->spim3_disturbed && bytes) {
        b->spim3_violations++;
        b->spim3_tx[random_next(b) % bytes] ^= (uint8_t)(1 + random_next(b) % 255);
    }
    if (b->on_spi && bytes)
        b->on_spi(b->spim3_started, 3, pins, b->spim3_tx, b->spim_rx[3], bytes, byte_cycles(p));
}

// An access to a page that the engine had forgotten: the first one since the transfer began.
void spim3_touched(struct board *b, uint32_t address)
{
    const struct peripheral *p = b->spim3_errata ? peripheral_at(b, 0x4002f000) : NULL;
    uint32_t at = address - (address < RAM_BASE ? RAM_CODE_BASE : RAM_BASE);
    if (p && b->spim_bytes[3] && p->reg[TXD_MAXCNT >> 2] & 0xffff && at < b->ram_bytes &&
        at >> 13 == (p->reg[TXD_PTR >> 2] - RAM_BASE) >> 13)
        b->spim3_disturbed = true;
}

EXPORT int tb_spim3_errata(struct board *b)
{
    b->spim3_errata = true;
    return 0;
}

// SPIM3 may drive the chip select by itself, half as wide as CSNDUR says around the transfer, which is not modelled.
static void chip_select(struct board *b, const struct peripheral *p, bool active)
{
    uint32_t pin = p->reg[PSEL_CSN >> 2], active_level = p->reg[CSNPOL >> 2] & 1;
    if (p->index == 3 && mode(p) == IS_SPIM && !(pin >> 31))
        gpio_drive(b, (int)(pin & 63), active ? (int)active_level : !active_level);
}

static void spim_start(struct board *b, struct peripheral *p)
{
    uint32_t tx_bytes = p->reg[TXD_MAXCNT >> 2] & 0xffff, rx_bytes = p->reg[RXD_MAXCNT >> 2] & 0xffff;
    uint32_t clocked = tx_bytes > rx_bytes ? tx_bytes : rx_bytes;
    const uint8_t *tx = dma_buffer(b, p, p->reg[TXD_PTR >> 2], tx_bytes, "TXD.PTR");
    uint8_t *received = b->spim_rx[p->index];
    static uint8_t sent[BUFFER_BYTES];
    dma_buffer(b, p, p->reg[RXD_PTR >> 2], rx_bytes, "RXD.PTR");
    if (p->index == 3 && !(p->reg[PSELDCX >> 2] >> 31))
        stop_with_report(b, "SPIM3 drives a D/CX line (PSELDCX), which is not modelled");
    if (b->stop == STOP_REPORT)
        return;
    chip_select(b, p, true);
    memset(sent, (int)(p->reg[ORC >> 2] & 0xff), clocked);
    if (tx)
        memcpy(sent, tx, tx_bytes);
    memset(received, 0xff, clocked);
    event_set(b, p, EV_STARTED);
    uint32_t pins[4] = WIRES(p);
    if (p->index == 3 && b->spim3_errata)
        erratum_begin(b, sent, clocked);
    else if (b->on_spi && clocked)
        b->on_spi(now(b), p->index, pins, sent, received, clocked, byte_cycles(p));
    b->spim_bytes[p->index] = clocked;
    slot_set(b, SLOT_SPIM0 + p->index, now(b) + (uint64_t)clocked * byte_cycles(p) + 1);
}

static void spi_byte(struct board *b, struct peripheral *p)
{
    uint8_t sent = (uint8_t)p->reg[SPI_TXD >> 2], received = 0xff;
    uint32_t pins[4] = WIRES(p);
    if (b->on_spi)
        b->on_spi(now(b), p->index, pins, &sent, &received, 1, byte_cycles(p));
    p->reg[SPI_RXD >> 2] = received;
    event_set(b, p, EV_READY);
    if (p->reg[SPI_PENDING]) {
        p->reg[SPI_PENDING] = 0;
        p->reg[SPI_TXD >> 2] = p->reg[SPI_NEXT];
        slot_set(b, SLOT_SPIM0 + p->index, now(b) + byte_cycles(p));
    }
}

static void spim_end(struct board *b, struct peripheral *p)
{
    uint32_t tx_bytes = p->reg[TXD_MAXCNT >> 2] & 0xffff, rx_bytes = p->reg[RXD_MAXCNT >> 2] & 0xffff;
    uint8_t *rx = rx_bytes ? ram_pointer(b, p->reg[RXD_PTR >> 2], rx_bytes) : NULL;
    if (p->index == 3 && b->spim3_errata)
        erratum_end(b, p);
    bus_contention(b, p->reg[TXD_PTR >> 2], tx_bytes);
    bus_contention(b, p->reg[RXD_PTR >> 2], rx_bytes);
    if (rx)
        memcpy(rx, b->spim_rx[p->index], rx_bytes);
    p->reg[TXD_AMOUNT >> 2] = tx_bytes;
    p->reg[RXD_AMOUNT >> 2] = rx_bytes;
    b->spim_bytes[p->index] = 0;
    chip_select(b, p, false);
    power_update(b);
    event_set(b, p, EV_ENDTX);
    event_set(b, p, EV_ENDRX);
    event_set(b, p, EV_END);
}

void spim_due(struct board *b, int index, uint64_t when)
{
    static const uint32_t bases[] = {0x40003000, 0x40004000, 0x40023000, 0x4002f000};
    struct peripheral *p = peripheral_at(b, bases[index]);
    (void)when;
    if (mode(p) == IS_SPI)
        spi_byte(b, p);
    else if (mode(p) == IS_SPIM)
        spim_end(b, p);
    else if (mode(p) == IS_TWIM) {
        p->reg[ERRORSRC >> 2] |= 2;  // ANACK: nobody answers to this address
        event_set(b, p, EV_ERROR);
    }
}

static void stop(struct board *b, struct peripheral *p)
{
    slot_set(b, SLOT_SPIM0 + p->index, NEVER);
    if (b->spim_bytes[p->index])
        spim_end(b, p);
    event_set(b, p, EV_STOPPED);
}

// Start condition, address and acknowledge: ten clocks.
static void twim_start(struct board *b, struct peripheral *p, bool receives)
{
    uint32_t clock_cycles = p->reg[FREQUENCY >> 2] >= 0x06000000 ? 160 : p->reg[FREQUENCY >> 2] >= 0x04000000 ? 256 : 640;
    event_set(b, p, receives ? EV_RXSTARTED : EV_TXSTARTED);
    slot_set(b, SLOT_SPIM0 + p->index, now(b) + 10 * clock_cycles);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    if (mode(p) == IS_SPIM && number == 4)
        spim_start(b, p);
    else if (mode(p) == IS_TWIM && (number == 0 || number == 2))
        twim_start(b, p, number == 0);
    else if (number == 5)
        stop(b, p);
    power_update(b);
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    if (offset == ENABLE) {
        if (value && value != IS_SPI && value != IS_TWIM && value != IS_SPIM)
            return false;
        if (p->index == 3)
            p->reg[SPIM3_LEAK] = p->reg[SPIM3_LEAK] || (mode(p) == IS_SPIM && !value);
        p->reg[ENABLE >> 2] = value;
        p->reg[SPI_PENDING] = 0;
        slot_set(b, SLOT_SPIM0 + p->index, NEVER);
        chip_select(b, p, false);
        return true;
    }
    if (offset == 0x004 && p->index == 3) {
        p->reg[SPIM3_LEAK] = 0;  // erratum 195's remedy: the current that a disabled SPIM3 goes on drawing
        return true;
    }
    if (offset == ERRORSRC) {
        p->reg[ERRORSRC >> 2] &= ~value;
        return true;
    }
    if (offset == SPI_TXD && mode(p) == IS_SPI) {
        if (b->due[SLOT_SPIM0 + p->index] != NEVER) {
            p->reg[SPI_NEXT] = value;
            p->reg[SPI_PENDING] = 1;
        } else {
            p->reg[SPI_TXD >> 2] = value;
            slot_set(b, SLOT_SPIM0 + p->index, now(b) + byte_cycles(p));
        }
        return true;
    }
    return false;
}

static const struct shortcut shortcuts[] = {{17, EV_END, 4}};
static const struct span plain[] = {{0x400, 0x400}, {ERRORSRC, ERRORSRC}, {ENABLE, ENABLE}, {PSEL, 0x51c},
    {FREQUENCY, FREQUENCY}, {RXD_PTR, 0x550}, {CONFIG, CONFIG}, {RXDELAY, 0x570}, {0x588, 0x588}, {ORC, ORC}};

static const struct preset presets[] = {{PSEL, PSEL + 12, 0xffffffff}, {FREQUENCY, FREQUENCY, 0x04000000}, {RXDELAY, CSNDUR, 2},
                                        {PSELDCX, PSELDCX, 0xffffffff}};
const struct kind kind_serial = {KIND("SPIM/SPI/TWIM", plain), PRESETS(presets), SHORTCUTS(shortcuts), .tasks = 0x1b5,
                                 .events = 0x019c0356, .task = task, .write = store};
