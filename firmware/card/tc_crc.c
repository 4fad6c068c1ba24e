/* SPDX-License-Identifier: Apache-2.0
 * The card's checksums: CRC16 of x^16 + x^12 + x^5 + 1, CRC7 of x^7 + x^3 + 1. */
#include "tc_card.h"

uint16_t tc_crc16(const uint8_t *data, size_t count) {
    uint32_t crc = 0; /* sparse enough to do without a table */
    while (count--) {
        uint32_t t = (crc >> 8 ^ *data++) & 0xFF;
        t ^= t >> 4;
        crc = crc << 8 ^ t << 12 ^ t << 5 ^ t;
    }
    return (uint16_t)crc;
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
