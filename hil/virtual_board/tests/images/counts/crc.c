// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

int main(void) {
    unsigned c = ~0u;
    for (unsigned i = 0; i < 64; i++) {
        c ^= i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
    }
    sink = c;
    return 0;
}
