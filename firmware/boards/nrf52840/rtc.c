// SPDX-License-Identifier: Apache-2.0
// machine.RTC: the date, which somebody has to set after each reset; and what time and FAT ask for it.
#include "py/mphal.h"
#include "py/runtime.h"
#include "lib/oofatfs/ff.h"
#include "shared/timeutils/timeutils.h"
#include "rtc.h"

static uint64_t reset_at_us;

uint64_t rtc_unix_us(void) {
    return reset_at_us + clock_us();
}

uint64_t mp_hal_time_ns(void) {
    return rtc_unix_us() * 1000;
}

#if MICROPY_VFS_FAT
DWORD get_fattime(void) {
    timeutils_struct_time_t tm;
    timeutils_seconds_since_epoch_to_struct_time(rtc_unix_us() / 1000000, &tm);
    int years = tm.tm_year < 1980 ? 0 : tm.tm_year - 1980; // where FAT's calendar begins
    return years << 25 | tm.tm_mon << 21 | tm.tm_mday << 16 | tm.tm_hour << 11 | tm.tm_min << 5 | tm.tm_sec >> 1;
}
#endif

static const mp_obj_base_t rtc_obj = {&machine_rtc_type};

static mp_obj_t rtc_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    return MP_OBJ_FROM_PTR(&rtc_obj);
}

// datetime([(year, month, day, weekday, hour, minute, second, microsecond)])
static mp_obj_t rtc_datetime(size_t n_args, const mp_obj_t *args) {
    if (n_args == 2) {
        mp_obj_t *items;
        mp_obj_get_array_fixed_n(args[1], 8, &items);
        mp_int_t v[8];
        for (int i = 0; i < 8; ++i) {
            v[i] = mp_obj_get_int(items[i]);
        }
        // Before 2000 the function wraps below zero in 32 bits; back to 32 bits it is right from 1970 to 2106.
        uint32_t seconds = (uint32_t)timeutils_seconds_since_epoch(v[0], v[1], v[2], v[4], v[5], v[6]);
        reset_at_us = seconds * 1000000ull + v[7] - clock_us();
        return mp_const_none;
    }
    uint64_t now = rtc_unix_us();
    timeutils_struct_time_t tm;
    timeutils_seconds_since_epoch_to_struct_time(now / 1000000, &tm);
    mp_obj_t tuple[] = {
        MP_OBJ_NEW_SMALL_INT(tm.tm_year), MP_OBJ_NEW_SMALL_INT(tm.tm_mon), MP_OBJ_NEW_SMALL_INT(tm.tm_mday),
        MP_OBJ_NEW_SMALL_INT(tm.tm_wday), MP_OBJ_NEW_SMALL_INT(tm.tm_hour), MP_OBJ_NEW_SMALL_INT(tm.tm_min),
        MP_OBJ_NEW_SMALL_INT(tm.tm_sec), MP_OBJ_NEW_SMALL_INT(now % 1000000),
    };
    return mp_obj_new_tuple(MP_ARRAY_SIZE(tuple), tuple);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(rtc_datetime_obj, 1, 2, rtc_datetime);

static const mp_rom_map_elem_t rtc_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_datetime), MP_ROM_PTR(&rtc_datetime_obj)},
};
static MP_DEFINE_CONST_DICT(rtc_locals, rtc_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_rtc_type, MP_QSTR_RTC, MP_TYPE_FLAG_NONE, make_new, rtc_make_new,
    locals_dict, &rtc_locals);
