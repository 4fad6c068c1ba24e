// SPDX-License-Identifier: GPL-2.0-or-later
// The kinds of peripheral of this chip.
#ifndef TERCET_KINDS_H
#define TERCET_KINDS_H

#include "board.h"

#define KIND(kind_name, plain_list) \
    .name = kind_name, .plain = plain_list, .plain_count = sizeof plain_list / sizeof *plain_list
#define PRESETS(list) .presets = list, .preset_count = sizeof list / sizeof *list
#define SHORTCUTS(list) .shortcuts = list, .shortcut_count = sizeof list / sizeof *list

enum { SPIM3_LEAK = 0xfe8 >> 2 };  // a word of SPIM3's registers: erratum 195 draws current

extern const struct kind kind_clock, kind_uart, kind_serial, kind_gpiote, kind_saadc, kind_timer, kind_rtc, kind_temp,
    kind_rng, kind_ecb, kind_wdt, kind_egu, kind_nvmc, kind_ppi;

#endif
