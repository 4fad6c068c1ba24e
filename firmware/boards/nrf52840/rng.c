// SPDX-License-Identifier: Apache-2.0
// Random numbers of the hardware generator, with its bias correction: some 120 us a byte.
#include "registers.h"
#include "rng.h"

void rng_fill(uint8_t *to, size_t bytes) {
    RNG(CONFIG) = RNG_CONFIG_DERCEN;
    RNG(EVENTS_VALRDY) = 0;
    RNG(TASKS_START) = 1;
    while (bytes-- > 0) {
        while (!RNG(EVENTS_VALRDY)) {
        }
        RNG(EVENTS_VALRDY) = 0;
        *to++ = RNG(VALUE);
    }
    RNG(TASKS_STOP) = 1;
}

uint32_t rng_word(void) {
    uint32_t word;
    rng_fill((uint8_t *)&word, sizeof word);
    return word;
}
