// SPDX-License-Identifier: GPL-2.0-or-later
// SAADC: single samples of its channels into RAM. Product specification, chapter SAADC. What the inputs carry is
// modelled: the supply 3.0 V, a pin that the outside drives high the same, every other pin 0 V.
#include "kinds.h"

#include <string.h>

enum { STATUS = 0x400, ENABLE = 0x500, CH = 0x510, RESOLUTION = 0x5f0, OVERSAMPLE = 0x5f4, SAMPLERATE = 0x5f8,
       RESULT_PTR = 0x62c, RESULT_MAXCNT = 0x630, RESULT_AMOUNT = 0x634, TRIM = 0x640, POWER = 0xffc };
enum { EV_STARTED, EV_END, EV_DONE, EV_RESULTDONE, EV_CALIBRATEDONE, EV_STOPPED, EV_LIMITS };
enum { TASK_START, TASK_SAMPLE, TASK_STOP, TASK_CALIBRATE };
enum { CHANNELS = 8, SUPPLY_MV = 3000, REFERENCE_MV = 600, CYCLES_PER_US = 64, CONVERSION_US = 2,
       CALIBRATION_US = 100 };  // calibration: estimate, no figure is published
enum { TAKEN = 0xfe0 >> 2, CALIBRATES = 0xfe4 >> 2 };  // samples taken towards one result; what ends at the slot

static const uint32_t *channel(const struct peripheral *p, int i)
{
    return &p->reg[(CH >> 2) + 4 * i];  // PSELP, PSELN, CONFIG, LIMIT
}

static int32_t input_mv(const struct board *b, uint32_t select)
{
    static const uint8_t pins[] = {2, 3, 4, 5, 28, 29, 30, 31};  // AIN0-7 are pins of P0
    if (select >= 1 && select <= 8)
        return (b->gpio_driven[0] & b->gpio_in[0]) >> pins[select - 1] & 1 ? SUPPLY_MV : 0;
    return select == 9 ? SUPPLY_MV : select == 13 ? SUPPLY_MV / 5 : 0;
}

// Result = (V(P) - V(N)) * GAIN / REFERENCE * 2^(RESOLUTION - m), m = 1 for differential channels.
static int16_t convert(const struct board *b, const struct peripheral *p, int i)
{
    static const uint8_t times[] = {1, 1, 1, 1, 1, 1, 2, 4}, parts[] = {6, 5, 4, 3, 2, 1, 1, 1};
    const uint32_t *c = channel(p, i);
    uint32_t gain = c[2] >> 8 & 7, differential = c[2] >> 20 & 1;
    int32_t reference = c[2] >> 12 & 1 ? SUPPLY_MV / 4 : REFERENCE_MV;
    int32_t volts = input_mv(b, c[0] & 31) - (differential ? input_mv(b, c[1] & 31) : 0);
    int32_t full = 1 << (8 + 2 * (p->reg[RESOLUTION >> 2] & 3) - differential);
    int32_t value = volts * times[gain] * full / (reference * parts[gain]), lowest = differential ? -full : 0;
    return (int16_t)(value >= full ? full - 1 : value < lowest ? lowest : value);
}

static uint32_t sample_us(const struct peripheral *p)
{
    static const uint8_t acquisition_us[] = {3, 5, 10, 15, 20, 40, 40, 40};
    uint32_t sum = 0, repeats = 1u << (p->reg[OVERSAMPLE >> 2] & 15);
    for (int i = 0; i < CHANNELS; i++) {
        const uint32_t *c = channel(p, i);
        if (c[0])
            sum += (acquisition_us[c[2] >> 16 & 7] + CONVERSION_US) * (c[2] >> 24 & 1 ? repeats : 1);
    }
    return sum;
}

static void store_results(struct board *b, struct peripheral *p)
{
    for (int i = 0; i < CHANNELS; i++) {
        uint32_t amount = p->reg[RESULT_AMOUNT >> 2];
        uint8_t *to = ram_pointer(b, p->reg[RESULT_PTR >> 2] + 2 * amount, 2);
        if (!channel(p, i)[0] || amount >= p->reg[RESULT_MAXCNT >> 2] || !to)
            continue;
        int16_t value = convert(b, p, i);
        memcpy(to, &value, 2);
        p->reg[RESULT_AMOUNT >> 2] = amount + 1;
        event_set(b, p, EV_RESULTDONE);
        if (value > (int16_t)(channel(p, i)[3] >> 16))
            event_set(b, p, EV_LIMITS + 2 * i);
        if (value < (int16_t)channel(p, i)[3])
            event_set(b, p, EV_LIMITS + 2 * i + 1);
    }
}

void saadc_due(struct board *b, uint64_t when)
{
    struct peripheral *p = peripheral_at(b, 0x40007000);
    (void)when;
    if (p->reg[CALIBRATES]) {
        p->reg[CALIBRATES] = 0;
        event_set(b, p, EV_CALIBRATEDONE);
        return;
    }
    bool burst = false;
    for (int i = 0; i < CHANNELS; i++)
        burst |= channel(p, i)[0] && (channel(p, i)[2] >> 24 & 1);
    event_set(b, p, EV_DONE);
    if (!burst && ++p->reg[TAKEN] < 1u << (p->reg[OVERSAMPLE >> 2] & 15))
        return;
    p->reg[TAKEN] = 0;
    store_results(b, p);
    if (p->reg[RESULT_AMOUNT >> 2] >= p->reg[RESULT_MAXCNT >> 2])
        event_set(b, p, EV_END);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    if (!(p->reg[ENABLE >> 2] & 1))
        return;
    if (number == TASK_START) {
        p->reg[RESULT_AMOUNT >> 2] = p->reg[TAKEN] = 0;
        event_set(b, p, EV_STARTED);
    } else if (number == TASK_SAMPLE && p->reg[SAMPLERATE >> 2] >> 12 & 1) {
        stop_with_report(b, "SAADC samples by its own timer (SAMPLERATE.MODE): not modelled");
    } else if (number == TASK_SAMPLE) {
        slot_set(b, SLOT_SAADC, now(b) + (uint64_t)sample_us(p) * CYCLES_PER_US);
    } else if (number == TASK_CALIBRATE) {
        p->reg[CALIBRATES] = 1;
        slot_set(b, SLOT_SAADC, now(b) + CALIBRATION_US * CYCLES_PER_US);
    } else {
        slot_set(b, SLOT_SAADC, NEVER);
        event_set(b, p, EV_STOPPED);
    }
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    (void)p;
    *value = b->due[SLOT_SAADC] != NEVER;
    return offset == STATUS;
}

// Errata 212's remedy switches the peripheral off and on, which resets it.
static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    if (offset == POWER && !(value & 1)) {
        slot_set(b, SLOT_SAADC, NEVER);
        peripheral_reset(p);
        irq_update(b, p);
    }
    p->reg[POWER >> 2] = offset == POWER ? value & 1 : p->reg[POWER >> 2];
    return offset == POWER;
}

static const struct preset presets[] = {
    {CH + 0x08, CH + 0x08, 0x20000}, {CH + 0x18, CH + 0x18, 0x20000}, {CH + 0x28, CH + 0x28, 0x20000},
    {CH + 0x38, CH + 0x38, 0x20000}, {CH + 0x48, CH + 0x48, 0x20000}, {CH + 0x58, CH + 0x58, 0x20000},
    {CH + 0x68, CH + 0x68, 0x20000}, {CH + 0x78, CH + 0x78, 0x20000}, {CH + 0x0c, CH + 0x0c, 0x7fff8000},
    {CH + 0x1c, CH + 0x1c, 0x7fff8000}, {CH + 0x2c, CH + 0x2c, 0x7fff8000}, {CH + 0x3c, CH + 0x3c, 0x7fff8000},
    {CH + 0x4c, CH + 0x4c, 0x7fff8000}, {CH + 0x5c, CH + 0x5c, 0x7fff8000}, {CH + 0x6c, CH + 0x6c, 0x7fff8000},
    {CH + 0x7c, CH + 0x7c, 0x7fff8000}, {RESOLUTION, RESOLUTION, 1}, {POWER, POWER, 1}};
static const struct span plain[] = {{ENABLE, ENABLE}, {CH, CH + 0x7c}, {RESOLUTION, SAMPLERATE}, {RESULT_PTR, RESULT_AMOUNT},
                                    {TRIM, TRIM + 8}, {POWER, POWER}};
const struct kind kind_saadc = {KIND("SAADC", plain), PRESETS(presets), .tasks = 0xf, .events = 0x003fffff, .task = task,
                                .read = load, .write = store};
