// SPDX-License-Identifier: GPL-2.0-or-later
// What the programs of test_counts.py share: a place for results, so that they are computed.
#include "bare.h"

#define NOIPA __attribute__((noipa))

static volatile unsigned sink;
