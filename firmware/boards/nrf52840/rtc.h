// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_RTC_H
#define TERCET_RTC_H

#include <stdint.h>

#include "py/obj.h"

uint64_t rtc_unix_us(void); // microseconds since 1970, or since reset when nobody has set the clock
extern const mp_obj_type_t machine_rtc_type;

#endif // TERCET_RTC_H
