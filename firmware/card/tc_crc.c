/* SPDX-License-Identifier: Apache-2.0
 * The card's checksums: CRC16 of x^16 + x^12 + x^5 + 1, CRC7 of x^7 + x^3 + 1. */
#include "tc_card.h"

/* Division by P = x^16 + x^12 + x^5 + 1, 32 bits at once and without a table. With u = x^-4 + x^-11 + x^-16, P = x^16 (1 + u), and
 * over GF(2) the quotient is t / (1 + u) = t (1 + u) (1 + u^2) (1 + u^4): what further factors change lies below its last bit. The
 * remainder is the low half of the quotient times x^12 + x^5 + 1; it goes on in the upper half of the next word. */
uint16_t tc_crc16(const uint8_t *data, size_t count) {
    uint32_t q = 0;
    for (; count >= 4; count -= 4, data += 4) {
        q = q << 16 ^ q << 21 ^ q << 28 ^ ((uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 | data[3]);
        q ^= q >> 4 ^ q >> 11 ^ q >> 16;
        q ^= q >> 8 ^ q >> 22;
        q ^= q >> 16;
    }
    return (uint16_t)(q ^ q << 5 ^ q << 12);
}

uint8_t tc_crc7(const uint8_t *data, size_t count) {
    uint32_t crc = 0;
    while (count--) {
        crc ^= *data++;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x80 ? crc << 1 ^ 0x12 : crc << 1;
        }
    }
    return (uint8_t)(crc | 1);
}
