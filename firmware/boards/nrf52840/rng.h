// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_RNG_H
#define TERCET_RNG_H

#include <stddef.h>
#include <stdint.h>

void rng_fill(uint8_t *to, size_t bytes);
uint32_t rng_word(void);

#endif // TERCET_RNG_H
