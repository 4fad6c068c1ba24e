/* SPDX-License-Identifier: Apache-2.0
 * Bytes: input conversion, checksums of pages and SD blocks, the high-water mark. */
#include "tk.h"

void tk_u8_to_f32(float *y, const uint8_t *x, float scale, float offset, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = (float)x[i] * scale + offset;
    }
}

uint32_t tk_crc32(const uint8_t *data, size_t count, uint32_t crc) {
    static const uint32_t nibbles[16] = {
        0x00000000u, 0x1DB71064u, 0x3B6E20C8u, 0x26D930ACu, 0x76DC4190u, 0x6B6B51F4u, 0x4DB26158u, 0x5005713Cu,
        0xEDB88320u, 0xF00F9344u, 0xD6D6A3E8u, 0xCB61B38Cu, 0x9B64C2B0u, 0x86D3D2D4u, 0xA00AE278u, 0xBDBDF21Cu};
    crc = ~crc;
    while (count--) {
        crc ^= *data++;
        crc = crc >> 4 ^ nibbles[crc & 15];
        crc = crc >> 4 ^ nibbles[crc & 15];
    }
    return ~crc;
}

uint16_t tk_crc16(const uint8_t *data, size_t count, uint16_t start) {
    uint32_t crc = start; /* the polynomial x^16 + x^12 + x^5 + 1 is sparse enough to do without a table */
    while (count--) {
        uint32_t t = (crc >> 8 ^ *data++) & 0xFF;
        t ^= t >> 4;
        crc = crc << 8 ^ t << 12 ^ t << 5 ^ t;
    }
    return (uint16_t)crc;
}

size_t tk_high_water(const uint8_t *data, size_t count, uint8_t byte) {
    while (count > 0 && data[count - 1] == byte) {
        count--;
    }
    return count;
}
