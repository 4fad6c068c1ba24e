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
/* Four inputs times four weights of two rows. */
static inline void step(int32_t *a0, int32_t *a1, const int16_t **x, const int8_t **w0, const int8_t **w1) {
    uint32_t e, o, p, q, t;
    __asm__("ldr %[e], [%[x]], #8\n ldr %[o], [%[x], #-4]\n ldr %[p], [%[w0]], #4\n ldr %[q], [%[w1]], #4\n"
            "pkhbt %[t], %[e], %[o], lsl #16\n pkhtb %[o], %[o], %[e], asr #16\n"
            "sxtb16 %[e], %[p]\n smlad %[a0], %[e], %[t], %[a0]\n"
            "sxtb16 %[p], %[p], ror #8\n smlad %[a0], %[p], %[o], %[a0]\n"
            "sxtb16 %[e], %[q]\n smlad %[a1], %[e], %[t], %[a1]\n"
            "sxtb16 %[q], %[q], ror #8\n smlad %[a1], %[q], %[o], %[a1]"
            : [a0] "+r"(*a0), [a1] "+r"(*a1), [x] "+r"(*x), [w0] "+r"(*w0), [w1] "+r"(*w1), [e] "=&r"(e), [o] "=&r"(o),
              [p] "=&r"(p), [q] "=&r"(q), [t] "=&r"(t)
            :
            : "memory");
}
#else
static int32_t low(uint32_t w) { return (int16_t)(w & 0xFFFF); }
static int32_t high(uint32_t w) { return (int16_t)(w >> 16); }
static int32_t pair(int32_t acc, uint32_t a, uint32_t b) { return acc + low(a) * low(b) + high(a) * high(b); }
static inline void step(int32_t *a0, int32_t *a1, const int16_t **x, const int8_t **w0, const int8_t **w1) {
    for (int k = 0; k < 4; k++) {
        int32_t value = *(*x)++;
        *a0 += *(*w0)++ * value;
        *a1 += *(*w1)++ * value;
    }
}
#endif

/* Two rows share the inputs. The loads stand together: after the first, each takes one cycle on the Cortex-M4. */
static void two_rows(int32_t *acc, const int8_t *w0, const int16_t *x, int columns) {
    const int8_t *w1 = w0 + columns;
    int32_t a0 = acc[0], a1 = acc[1];
    int k = columns;
    for (; k >= 8; k -= 8) {
        step(&a0, &a1, &x, &w0, &w1);
        step(&a0, &a1, &x, &w0, &w1);
    }
    for (; k > 0; k--) {
        int32_t value = *x++;
        a0 += *w0++ * value;
        a1 += *w1++ * value;
    }
    acc[0] = a0;
    acc[1] = a1;
}

void tk_packed_dense(int32_t *acc, const int8_t *w, const int16_t *x, int rows, int columns) {
    int row = 0;
    for (; row + 2 <= rows; row += 2) {
        two_rows(acc + row, w + (size_t)row * columns, x, columns);
    }
    if (row < rows) {
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
        for (; e + 4 <= end; e += 4) { /* two rows differ: both sums are loaded before either is stored */
            uint32_t two = load32(e);
            int32_t *first = at + (two & 0xFF), *second = first + 1 + (two >> 16 & 0xFF);
            int32_t a = *first, b = *second;
            *first = a + (int8_t)(two >> 8) * value;
            *second = b + ((int32_t)two >> 24) * value;
            at = second + 1;
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
        int32_t value = bias ? bias[i] : 0;
        acc[i] = shift >= 0 ? value * (1 << shift) : shift < -8 ? 0 : ((value >> (-shift - 1)) + 1) >> 1;
    }
}
