/* SPDX-License-Identifier: Apache-2.0
 * Integer layers on packed weights, one sample at a time. On cores with the DSP extension two products are made at once;
 * the portable code gives the same sums, for integers do not round. */
#include "tk_packed.h"

#if defined(__arm__) && !defined(__ARM_FEATURE_UNALIGNED)
/* Cores that load from aligned addresses only. */
static uint32_t load16(const void *p) {
    const uint8_t *b = p;
    return b[0] | (uint32_t)b[1] << 8;
}
static uint32_t load32(const void *p) { return load16(p) | load16((const uint8_t *)p + 2) << 16; }
#else
static inline uint32_t load16(const void *p) {
    uint16_t half;
    __builtin_memcpy(&half, p, 2);
    return half;
}
static inline uint32_t load32(const void *p) {
    uint32_t word;
    __builtin_memcpy(&word, p, 4);
    return word;
}
#endif

#ifdef __ARM_FEATURE_DSP
static inline int32_t pair(int32_t acc, uint32_t a, uint32_t b) {
    __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(a), "r"(b));
    return acc;
}
static inline uint32_t even_bytes(uint32_t w) {
    __asm__("sxtb16 %0, %1" : "=r"(w) : "r"(w));
    return w;
}
static inline uint32_t odd_bytes(uint32_t w) {
    __asm__("sxtb16 %0, %1, ror #8" : "=r"(w) : "r"(w));
    return w;
}
static inline uint32_t low_halves(uint32_t a, uint32_t b) {
    __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(a) : "r"(a), "r"(b));
    return a;
}
static inline uint32_t high_halves(uint32_t a, uint32_t b) {
    __asm__("pkhtb %0, %2, %1, asr #16" : "=r"(a) : "r"(a), "r"(b));
    return a;
}
#else
static int32_t low(uint32_t w) { return (int16_t)(w & 0xFFFF); }
static int32_t high(uint32_t w) { return (int16_t)(w >> 16); }
static int32_t pair(int32_t acc, uint32_t a, uint32_t b) { return acc + low(a) * low(b) + high(a) * high(b); }
static uint32_t extended(uint32_t a, uint32_t b) {
    return ((uint32_t)(int8_t)a & 0xFFFF) | (uint32_t)(int8_t)b << 16;
}
static uint32_t even_bytes(uint32_t w) { return extended(w, w >> 16); }
static uint32_t odd_bytes(uint32_t w) { return extended(w >> 8, w >> 24); }
static uint32_t low_halves(uint32_t a, uint32_t b) { return (a & 0xFFFF) | b << 16; }
static uint32_t high_halves(uint32_t a, uint32_t b) { return a >> 16 | (b & 0xFFFF0000); }
#endif

/* The inputs are loaded once for four rows. */
static void four_rows(int32_t *acc, const int8_t *w, const int16_t *x, int columns) {
    const int8_t *w1 = w + columns, *w2 = w1 + columns, *w3 = w2 + columns;
    int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
        uint32_t first = load32(x + k), second = load32(x + k + 2);
        uint32_t even = low_halves(first, second), odd = high_halves(first, second);
        uint32_t v0 = load32(w + k), v1 = load32(w1 + k), v2 = load32(w2 + k), v3 = load32(w3 + k);
        a0 = pair(pair(a0, even_bytes(v0), even), odd_bytes(v0), odd);
        a1 = pair(pair(a1, even_bytes(v1), even), odd_bytes(v1), odd);
        a2 = pair(pair(a2, even_bytes(v2), even), odd_bytes(v2), odd);
        a3 = pair(pair(a3, even_bytes(v3), even), odd_bytes(v3), odd);
    }
    for (; k < columns; k++) {
        a0 += w[k] * x[k];
        a1 += w1[k] * x[k];
        a2 += w2[k] * x[k];
        a3 += w3[k] * x[k];
    }
    acc[0] = a0;
    acc[1] = a1;
    acc[2] = a2;
    acc[3] = a3;
}

void tk_packed_dense(int32_t *acc, const int8_t *w, const int16_t *x, int rows, int columns) {
    int row = 0;
    for (; row + 4 <= rows; row += 4) {
        four_rows(acc + row, w + (size_t)row * columns, x, columns);
    }
    for (; row < rows; row++) {
        const int8_t *line = w + (size_t)row * columns;
        int32_t sum = acc[row];
        for (int k = 0; k < columns; k++) {
            sum += line[k] * x[k];
        }
        acc[row] = sum;
    }
}

void tk_packed_delta(int32_t *acc, const uint16_t *starts, const uint8_t *entries, const int16_t *x, int rows) {
    const uint8_t *e = entries;
    for (int row = 0; row < rows; row++) {
        const uint8_t *end = entries + 2 * (size_t)starts[row + 1];
        const int16_t *at = x;
        int32_t sum = acc[row];
        for (; e + 4 <= end; e += 4) {
            uint32_t two = load32(e);
            at += two & 0xFF;
            sum += (int8_t)(two >> 8) * *at++;
            at += two >> 16 & 0xFF;
            sum += ((int32_t)two >> 24) * *at++;
        }
        if (e < end) {
            uint32_t one = load16(e);
            sum += (int8_t)(one >> 8) * at[one & 0xFF];
            e += 2;
        }
        acc[row] = sum;
    }
}

void tk_packed_csc(int32_t *acc, const uint16_t *starts, const uint8_t *entries, const int16_t *x, int columns) {
    for (int column = 0; column < columns; column++) {
        int32_t value = x[column];
        if (value == 0) {
            continue;
        }
        const uint8_t *e = entries + 2 * (size_t)starts[column], *end = entries + 2 * (size_t)starts[column + 1];
        int32_t *at = acc;
        for (; e + 4 <= end; e += 4) {
            uint32_t two = load32(e);
            at += two & 0xFF;
            *at++ += (int8_t)(two >> 8) * value;
            at += two >> 16 & 0xFF;
            *at++ += ((int32_t)two >> 24) * value;
        }
        if (e < end) {
            uint32_t one = load16(e);
            at[one & 0xFF] += (int8_t)(one >> 8) * value;
        }
    }
}

void tk_packed_make_table(int16_t *table, const int8_t *book, int entries, int bits) {
    int per_byte = 8 / bits, mask = (1 << bits) - 1;
    for (int byte = 0; byte < 256; byte++) {
        for (int k = 0; k < per_byte; k++) {
            int code = byte >> (k * bits) & mask;
            table[byte * per_byte + k] = code < entries ? book[code] : 0;
        }
    }
}

static void table4(int32_t *acc, const uint8_t *codes, const int16_t *table, const int16_t *x, int columns) {
    int32_t sum = *acc;
    int k = 0;
    for (; k + 2 <= columns; k += 2) {
        sum = pair(sum, load32(table + 2 * *codes++), load32(x + k));
    }
    *acc = k < columns ? sum + table[2 * *codes] * x[k] : sum;
}

static void table2(int32_t *acc, const uint8_t *codes, const int16_t *table, const int16_t *x, int columns) {
    int32_t sum = *acc;
    int k = 0;
    for (; k + 4 <= columns; k += 4) {
        const int16_t *four = table + 4 * *codes++;
        sum = pair(pair(sum, load32(four), load32(x + k)), load32(four + 2), load32(x + k + 2));
    }
    for (int i = 0; k + i < columns; i++) {
        sum += table[4 * *codes + i] * x[k + i];
    }
    *acc = sum;
}

void tk_packed_table(int32_t *acc, const uint8_t *codes, const int16_t *table, const int16_t *x, int rows, int columns,
                     int bits) {
    int stride = (columns * bits + 7) / 8;
    for (int row = 0; row < rows; row++, codes += stride) {
        if (bits == 4) {
            table4(acc + row, codes, table, x, columns);
        } else {
            table2(acc + row, codes, table, x, columns);
        }
    }
}

void tk_packed_requantise(int16_t *y, const int32_t *acc, int count, int shift, int low) {
    for (int i = 0; i < count; i++) {
        int32_t v = acc[i];
        if (shift > 0) {
            v = shift > 31 ? 0 : ((v >> (shift - 1)) + 1) >> 1;
        } else if (shift < 0) {
            int32_t top = shift < -24 ? 0 : 0x7FFFFFFF >> -shift; /* saturates where the shift would overflow */
            v = v > top ? 127 : v < -top ? low : (int32_t)((uint32_t)v << (shift < -24 ? 0 : -shift));
        }
        y[i] = (int16_t)(v > 127 ? 127 : v < low ? low : v);
    }
}

void tk_packed_bias(int32_t *acc, const int8_t *bias, int count, int shift) {
    for (int i = 0; i < count; i++) {
        acc[i] = bias ? (int32_t)bias[i] * (1 << shift) : 0;
    }
}
