// SPDX-License-Identifier: Apache-2.0
// MicroPython on the developer's machine, with what the board's port offers: the fast place for device tests.
#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)
#define MICROPY_PY_CRYPTOLIB (0)

#include "variants/mpconfigvariant_common.h"
