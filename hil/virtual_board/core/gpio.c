// SPDX-License-Identifier: GPL-2.0-or-later
// GPIO ports P0 and P1, and GPIOTE. Product specification, chapters GPIO and GPIOTE.
#include "kinds.h"

enum { OUT = 0x504, OUTSET = 0x508, OUTCLR = 0x50c, IN = 0x510, DIR = 0x514, DIRSET = 0x518, DIRCLR = 0x51c,
       LATCH = 0x520, DETECTMODE = 0x524, PIN_CNF = 0x700, PORT1 = 0x300 };

static int pin_level(const struct board *b, int pin)
{
    int port = pin >> 5, bit = pin & 31;
    if (b->gpio_dir[port] >> bit & 1)
        return b->gpio_out[port] >> bit & 1;
    uint32_t pull = b->gpio_cnf[port][bit] >> 2 & 3;
    if (b->gpio_driven[port] >> bit & 1)
        return b->gpio_in[port] >> bit & 1;
    return pull == 3;
}

// Looks at every pin whose level may have changed and tells who listens.
static void settle(struct board *b, int port, uint32_t maybe)
{
    for (; maybe; maybe &= maybe - 1) {
        int bit = __builtin_ctz(maybe), pin = 32 * port + bit, level = pin_level(b, pin);
        if ((b->gpio_level[port] >> bit & 1) == (uint32_t)level)
            continue;
        b->gpio_level[port] ^= 1u << bit;
        if (port == 1 && bit >= 1 && bit <= 8) {
            power_advance(b, now(b));
            b->power.pins = (uint8_t)(b->gpio_level[1] >> 1);
        }
        if (b->pin_watch[port] >> bit & 1)
            b->on_pin(now(b), pin, level);
        gpiote_pin_changed(b, pin, level);
        uint32_t sense = b->gpio_cnf[port][bit] >> 16 & 3;
        if ((sense == 2 && level) || (sense == 3 && !level)) {
            b->gpio_latch[port] |= 1u << bit;
            event_set(b, peripheral_at(b, 0x40006000), 31);
        }
    }
}

static void store_out(struct board *b, int port, uint32_t value)
{
    uint32_t changed = b->gpio_out[port] ^ value;
    b->gpio_out[port] = value;
    settle(b, port, changed & b->gpio_dir[port]);
}

static void store_dir(struct board *b, int port, uint32_t value)
{
    uint32_t changed = b->gpio_dir[port] ^ value;
    b->gpio_dir[port] = value;
    for (uint32_t left = changed; left; left &= left - 1) {
        int bit = __builtin_ctz(left);
        b->gpio_cnf[port][bit] = (b->gpio_cnf[port][bit] & ~1u) | (value >> bit & 1);
    }
    settle(b, port, changed);
}

void gpio_drive(struct board *b, int pin, int level)
{
    uint32_t mask = 1u << (pin & 31), out = b->gpio_out[pin >> 5];
    store_out(b, pin >> 5, level ? out | mask : out & ~mask);
}

// The world outside drives a pin (level 0 or 1) or lets it float (-1).
EXPORT void tb_pin_input(struct board *b, int pin, int level)
{
    uint32_t mask = 1u << (pin & 31);
    int port = pin >> 5;
    b->gpio_driven[port] = level < 0 ? b->gpio_driven[port] & ~mask : b->gpio_driven[port] | mask;
    b->gpio_in[port] = level > 0 ? b->gpio_in[port] | mask : b->gpio_in[port] & ~mask;
    settle(b, port, mask);
}

uint64_t gpio_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    struct board *b = user;
    int port = (offset >= 0x800 && offset < 0x880) || offset >= 0xa00;
    uint32_t at = (uint32_t)offset - (port ? PORT1 : 0), in = 0;
    (void)uc;
    (void)size;
    switch (at) {
    case OUT: case OUTSET: case OUTCLR: return b->gpio_out[port];
    case IN:
        for (int i = 0; i < 32; i++)
            if (!(b->gpio_cnf[port][i] & 2) && pin_level(b, 32 * port + i))
                in |= 1u << i;
        return in;
    case DIR: case DIRSET: case DIRCLR: return b->gpio_dir[port];
    case LATCH: return b->gpio_latch[port];
    case DETECTMODE: return b->gpio_detect[port];
    default:
        if (at >= PIN_CNF && at < PIN_CNF + 0x80)
            return b->gpio_cnf[port][(at - PIN_CNF) >> 2];
        stop_with_report(b, "read of an unmodelled register: GPIO P%d + 0x%03x, PC near 0x%08x", port, at,
                         reg_get(b, UC_ARM_REG_PC));
        return 0;
    }
}

void gpio_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value64, void *user)
{
    struct board *b = user;
    int port = (offset >= 0x800 && offset < 0x880) || offset >= 0xa00;
    uint32_t at = (uint32_t)offset - (port ? PORT1 : 0), value = (uint32_t)value64;
    (void)uc;
    (void)size;
    switch (at) {
    case OUT: store_out(b, port, value); break;
    case OUTSET: store_out(b, port, b->gpio_out[port] | value); break;
    case OUTCLR: store_out(b, port, b->gpio_out[port] & ~value); break;
    case DIR: store_dir(b, port, value); break;
    case DIRSET: store_dir(b, port, b->gpio_dir[port] | value); break;
    case DIRCLR: store_dir(b, port, b->gpio_dir[port] & ~value); break;
    case LATCH: b->gpio_latch[port] &= ~value; break;
    case DETECTMODE: b->gpio_detect[port] = value & 1; break;
    default:
        if (at >= PIN_CNF && at < PIN_CNF + 0x80) {
            uint32_t bit = (at - PIN_CNF) >> 2, dir = b->gpio_dir[port];
            b->gpio_cnf[port][bit] = value & 0x3070f;
            store_dir(b, port, value & 1 ? dir | 1u << bit : dir & ~(1u << bit));
            settle(b, port, 1u << bit);
            return;
        }
        stop_with_report(b, "write of 0x%x to an unmodelled register: GPIO P%d + 0x%03x, PC near 0x%08x", value, port,
                         at, reg_get(b, UC_ARM_REG_PC));
    }
}

// GPIOTE: CONFIG[n] at 0x510: mode 1 event, 3 task; pin with port in bits 8..13; polarity 16..17; outinit 20.
void gpiote_pin_changed(struct board *b, int pin, int level)
{
    struct peripheral *p = peripheral_at(b, 0x40006000);
    for (int i = 0; i < 8; i++) {
        uint32_t config = p->reg[(0x510 >> 2) + i], polarity = config >> 16 & 3;
        if ((config & 3) == 1 && (int)(config >> 8 & 63) == pin &&
            (polarity == 3 || (polarity == 1 && level) || (polarity == 2 && !level)))
            event_set(b, p, i);
    }
}

static void gpiote_task(struct board *b, struct peripheral *p, int task)
{
    int channel = task < 8 ? task : task < 20 ? task - 12 : task - 24;
    uint32_t config = p->reg[(0x510 >> 2) + channel], polarity = config >> 16 & 3;
    int pin = (int)(config >> 8 & 63), high = b->gpio_out[pin >> 5] >> (pin & 31) & 1;
    if ((config & 3) != 3)
        return;
    if (task < 8)
        high = polarity == 3 ? !high : polarity == 1;
    else
        high = task < 20;
    gpio_drive(b, pin, high);
}

static bool gpiote_write(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    if (offset < 0x510 || offset > 0x52c)
        return false;
    p->reg[offset >> 2] = value;
    if ((value & 3) == 3) {
        int pin = (int)(value >> 8 & 63);
        gpio_drive(b, pin, value >> 20 & 1);
        store_dir(b, pin >> 5, b->gpio_dir[pin >> 5] | 1u << (pin & 31));
    }
    return true;
}

static const struct span gpiote_plain[] = {{0x510, 0x52c}};
const struct kind kind_gpiote = {KIND("GPIOTE", gpiote_plain), .tasks = 0xfffff0ff & 0xff0ff0ff, .events = 0x800000ff,
                                 .task = gpiote_task, .write = gpiote_write};
