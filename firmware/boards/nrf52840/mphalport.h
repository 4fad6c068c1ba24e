// SPDX-License-Identifier: Apache-2.0
// What MicroPython's core and its extra modules ask of the hardware.
#ifndef TERCET_MPHALPORT_H
#define TERCET_MPHALPORT_H

#include <string.h>

#include "py/mpconfig.h"
#include "clock.h"
#include "registers.h"

#define MICROPY_BEGIN_ATOMIC_SECTION() irq_lock()
#define MICROPY_END_ATOMIC_SECTION(state) irq_unlock(state)

// The core calls this when it has nothing to do: until an interrupt, or for so long.
#define MICROPY_INTERNAL_WFE(TIMEOUT_MS) \
    do { \
        if ((TIMEOUT_MS) < 0) { \
            clock_idle(); \
        } else { \
            clock_idle_until(clock_us() + 1000ull * (TIMEOUT_MS)); \
        } \
    } while (0)

static inline mp_uint_t mp_hal_ticks_us(void) {
    return (mp_uint_t)TICKS_US(clock_us());
}

static inline mp_uint_t mp_hal_ticks_ms(void) {
    return (mp_uint_t)(clock_us() / 1000);
}

// Cycles of the processor that was not asleep; wraps after 67 s. A debugger that leaves turns the counter off, so that whoever
// reads it turns it on.
static inline mp_uint_t mp_hal_ticks_cpu(void) {
    DEBUG_DEMCR |= DEBUG_DEMCR_TRCENA;
    DWT_CTRL |= DWT_CTRL_CYCCNTENA;
    return DWT_CYCCNT;
}

uint64_t mp_hal_time_ns(void);
void mp_hal_delay_us_fast(mp_uint_t us);
void mp_hal_set_interrupt_char(int c);
NORETURN void system_reset(void);

// Pins, for the soft buses: a pin is its number, 32 * port + pin.
#define mp_hal_pin_obj_t uint32_t
#define MP_HAL_PIN_FMT "%u"
#define mp_hal_pin_name(p) ((unsigned)(p))
#define mp_hal_get_pin_obj(o) pin_number(o)
uint32_t pin_number(void *pin); // an mp_obj_t

static inline void mp_hal_pin_input(uint32_t pin) {
    GPIO_CNF(pin) = CNF_INPUT;
}

static inline void mp_hal_pin_output(uint32_t pin) {
    GPIO_CNF(pin) = CNF_OUTPUT;
}

static inline void mp_hal_pin_open_drain(uint32_t pin) {
    GPIO_CNF(pin) = CNF_OUTPUT | CNF_DRIVE_OPEN_DRAIN | CNF_PULL_UP;
}

static inline void mp_hal_pin_high(uint32_t pin) {
    GPIO(pin, OUTSET) = 1u << (pin & 31);
}

static inline void mp_hal_pin_low(uint32_t pin) {
    GPIO(pin, OUTCLR) = 1u << (pin & 31);
}

static inline void mp_hal_pin_write(uint32_t pin, int value) {
    value ? mp_hal_pin_high(pin) : mp_hal_pin_low(pin);
}

static inline int mp_hal_pin_read(uint32_t pin) {
    return GPIO(pin, IN) >> (pin & 31) & 1;
}

#define mp_hal_pin_od_low mp_hal_pin_low
#define mp_hal_pin_od_high mp_hal_pin_high

#endif // TERCET_MPHALPORT_H
