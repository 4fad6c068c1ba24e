// SPDX-License-Identifier: Apache-2.0
// Included by extmod/modmachine.c: what machine means on this chip.
#include "clock.h"
#include "console.h"
#include "registers.h"
#include "rtc.h"

enum { RESET_POWER_ON = 1, RESET_PIN, RESET_WATCHDOG, RESET_SOFT, RESET_LOCKUP, RESET_WAKE };

#define MICROPY_PY_MACHINE_EXTRA_GLOBALS \
    {MP_ROM_QSTR(MP_QSTR_Pin), MP_ROM_PTR(&machine_pin_type)}, \
    {MP_ROM_QSTR(MP_QSTR_RTC), MP_ROM_PTR(&machine_rtc_type)}, \
    {MP_ROM_QSTR(MP_QSTR_Timer), MP_ROM_PTR(&machine_timer_type)}, \
    {MP_ROM_QSTR(MP_QSTR_PWRON_RESET), MP_ROM_INT(RESET_POWER_ON)}, \
    {MP_ROM_QSTR(MP_QSTR_HARD_RESET), MP_ROM_INT(RESET_PIN)}, \
    {MP_ROM_QSTR(MP_QSTR_WDT_RESET), MP_ROM_INT(RESET_WATCHDOG)}, \
    {MP_ROM_QSTR(MP_QSTR_SOFT_RESET), MP_ROM_INT(RESET_SOFT)}, \
    {MP_ROM_QSTR(MP_QSTR_LOCKUP_RESET), MP_ROM_INT(RESET_LOCKUP)}, \
    {MP_ROM_QSTR(MP_QSTR_DEEPSLEEP_RESET), MP_ROM_INT(RESET_WAKE)},

static mp_obj_t mp_machine_unique_id(void) {
    uint32_t id[] = {FICR(DEVICEID0), FICR(DEVICEID1)};
    return mp_obj_new_bytes((const byte *)id, sizeof id);
}

static mp_obj_t mp_machine_get_freq(void) {
    return MP_OBJ_NEW_SMALL_INT(64000000);
}

static void mp_machine_set_freq(size_t n_args, const mp_obj_t *args) {
    if (n_args != 1 || mp_obj_get_int(args[0]) != 64000000) {
        mp_raise_ValueError(MP_ERROR_TEXT("this chip runs at 64000000 Hz only"));
    }
}

static NORETURN void mp_machine_reset(void) {
    console_flush();
    system_reset();
}

// RESETREAS collects causes until it is cleared by writing ones, so it is read once, at the first call.
static mp_int_t mp_machine_reset_cause(void) {
    static uint8_t cause;
    static const uint8_t causes[] = {RESET_PIN, RESET_WATCHDOG, RESET_SOFT, RESET_LOCKUP};
    if (!cause) {
        uint32_t reasons = POWER(RESETREAS);
        POWER(RESETREAS) = 0xffffffff;
        cause = reasons & 0xf0000 ? RESET_WAKE : RESET_POWER_ON;
        for (int i = MP_ARRAY_SIZE(causes) - 1; i >= 0; --i) {
            if (reasons & (1 << i)) {
                cause = causes[i]; // the pin last: with it set the others may be stale (anomaly 136)
            }
        }
    }
    return cause;
}

static void mp_machine_idle(void) {
    clock_idle_until(clock_us() + 1000);
}

static void mp_machine_lightsleep(size_t n_args, const mp_obj_t *args) {
    uint64_t ms = n_args ? mp_obj_get_int(args[0]) : 0x7fffffff; // 25 days, if nothing wakes it before
    clock_sleep_us(ms * 1000);
}

// With a time: light sleep, since System OFF has no clock to wake by. Without: System OFF until reset.
static NORETURN void mp_machine_deepsleep(size_t n_args, const mp_obj_t *args) {
    if (n_args) {
        mp_machine_lightsleep(n_args, args);
        system_reset();
    }
    console_flush();
    POWER(SYSTEMOFF) = 1;
    for (;;) {
        __asm volatile ("wfe");
    }
}
