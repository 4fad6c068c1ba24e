// SPDX-License-Identifier: Apache-2.0
// Included by extmod/machine_wdt.c. The watchdog cannot be stopped or changed once it runs; it runs in sleep too.
#include "registers.h"

struct _machine_wdt_obj_t {
    mp_obj_base_t base;
};
static machine_wdt_obj_t wdt = {{&machine_wdt_type}};

static machine_wdt_obj_t *mp_machine_wdt_make_new_instance(mp_int_t id, mp_int_t timeout_ms) {
    enum { CONFIG_RUN_IN_SLEEP = 1 };
    if (id != 0) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("WDT(%d) doesn't exist"), id);
    }
    if (timeout_ms <= 0 || timeout_ms > 131071000) {
        mp_raise_ValueError(MP_ERROR_TEXT("timeout must be 1 ms to 36 h"));
    }
    if (WDT(RUNSTATUS) & 1) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("WDT is running"));
    }
    WDT(CONFIG) = CONFIG_RUN_IN_SLEEP;
    WDT(CRV) = (uint32_t)((uint64_t)timeout_ms * 32768 / 1000) - 1;
    WDT(RREN) = 1;
    WDT(TASKS_START) = 1;
    return &wdt;
}

static void mp_machine_wdt_feed(machine_wdt_obj_t *self) {
    (void)self;
    WDT(RR0) = WDT_RELOAD;
}
