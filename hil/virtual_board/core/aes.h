// SPDX-License-Identifier: GPL-2.0-or-later
#ifndef TERCET_AES_H
#define TERCET_AES_H
#include <stdint.h>
void aes128_encrypt(const uint8_t key[16], const uint8_t clear[16], uint8_t cipher[16]);
#endif
