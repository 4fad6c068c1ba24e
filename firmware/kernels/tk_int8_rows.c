/* SPDX-License-Identifier: Apache-2.0
 * Rows of bytes times a vector, and windows of three columns: SMLAD on cores with the DSP extension, C elsewhere; integers, hence equal. */
#include "tk_block.h"
#include "tk_int8.h"

static int32_t pair(int8_t low, int8_t high) {
    return (int32_t)((uint32_t)(uint16_t)low | (uint32_t)(uint16_t)high << 16);
}

void tk_int8_spread(int32_t *pairs, const int8_t *x, int count) {
#if TK_M4
    for (; count >= 4; count -= 4) {
        int32_t four, even, odd;
        __asm__("ldr %[four],[%[x]],#4\n sxtb16 %[even],%[four]\n sxtb16 %[odd],%[four],ror #8"
                : [x] "+r"(x), [four] "=&r"(four), [even] "=r"(even), [odd] "=r"(odd)
                :
                : "memory");
        *pairs++ = even;
        *pairs++ = odd;
    }
#endif
    for (; count >= 4; count -= 4, x += 4) {
        *pairs++ = pair(x[0], x[2]);
        *pairs++ = pair(x[1], x[3]);
    }
    if (count > 0) {
        *pairs++ = pair(x[0], count > 2 ? x[2] : 0);
        *pairs = pair(count > 1 ? x[1] : 0, 0);
    }
}

static int32_t value(const int32_t *pairs, int i) { /* element i again */
    return (int16_t)((uint32_t)pairs[i / 4 * 2 + (i & 1)] >> (i & 2 ? 16 : 0));
}

static void rows_from(int32_t *sums, const int8_t *w, size_t ldw, const int32_t *pairs, int rows, int first, int count) {
    for (int r = 0; r < rows; r++, w += ldw) {
        for (int i = first; i < count; i++) {
            sums[r] += w[i] * value(pairs, i);
        }
    }
}

#if TK_M4
/* four columns of two rows at w and w + ldw */
#define TWO_ROWS(w, s0, s1)                                                                                          \
    "ldr %[t1],[%[" w "],%[ldw]]\n ldr %[t0],[%[" w "]],#4\n"                                                        \
    "sxtb16 %[v],%[t0]\n sxtb16 %[t0],%[t0],ror #8\n smlad %[" s0 "],%[v],%[xa],%[" s0 "]\n"                         \
    "smlad %[" s0 "],%[t0],%[xb],%[" s0 "]\n"                                                                        \
    "sxtb16 %[v],%[t1]\n sxtb16 %[t1],%[t1],ror #8\n smlad %[" s1 "],%[v],%[xa],%[" s1 "]\n"                         \
    "smlad %[" s1 "],%[t1],%[xb],%[" s1 "]\n"
#define FOUR_ROWS "ldr %[xa],[%[x]],#4\n ldr %[xb],[%[x]],#4\n" TWO_ROWS("w0", "s0", "s1") TWO_ROWS("w2", "s2", "s3")

/* `steps`: four columns each */
__attribute__((noinline)) static void four_rows(int32_t *sums, const int8_t *w0, size_t ldw, const int32_t *x, int steps) {
    const int8_t *w2 = w0 + 2 * ldw;
    const int32_t *end = x + 2 * (steps & ~3), *last = x + 2 * steps;
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3], xa, xb, t0, t1, v;
    __asm__ volatile("b 2f\n"
                     "1:" FOUR_ROWS FOUR_ROWS FOUR_ROWS FOUR_ROWS
                     "2: ldr %[v],%[end]\n cmp %[x],%[v]\n bne 1b\n"
                     "b 4f\n"
                     "3:" FOUR_ROWS
                     "4: ldr %[v],%[last]\n cmp %[x],%[v]\n bne 3b\n"
                     : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [w0] "+r"(w0), [w2] "+r"(w2),
                       [x] "+r"(x), [xa] "=&r"(xa), [xb] "=&r"(xb), [t0] "=&r"(t0), [t1] "=&r"(t1), [v] "=&r"(v)
                     : [ldw] "r"(ldw), [end] "m"(end), [last] "m"(last)
                     : "cc", "memory");
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}

void tk_int8_rows(int32_t *sums, const int8_t *w, size_t ldw, const int32_t *pairs, int rows, int count) {
    int whole = count & ~3;
    for (; rows >= 4; rows -= 4, sums += 4, w += 4 * ldw) {
        four_rows(sums, w, ldw, pairs, whole / 4);
        rows_from(sums, w, ldw, pairs, 4, whole, count);
    }
    rows_from(sums, w, ldw, pairs, rows, 0, count);
}
#else
void tk_int8_rows(int32_t *sums, const int8_t *w, size_t ldw, const int32_t *pairs, int rows, int count) {
    rows_from(sums, w, ldw, pairs, rows, 0, count);
}
#endif

/* Six bytes of a row hold four windows of three. Spread, they are the pairs (x0 x2), (x1 x3), (x4 0), (x5 0); the filter's
 * (f0 f2) takes a pair in one SMLAD, its f1 the halves that lie between. */
void tk_int8_windows(int32_t *sums, const int8_t *x, size_t width, const int8_t *filter, int rows) {
    int32_t s0 = sums[0], s1 = sums[1], s2 = sums[2], s3 = sums[3];
    for (; rows > 0; rows--, x += width, filter += 3) {
#if TK_M4
        int32_t outer = pair(filter[0], filter[2]), middle = filter[1], x02, x13, x4, x5;
        __asm__("ldr %[x02],[%[x]]\n ldrh %[x5],[%[x],#4]\n"
                "sxtb16 %[x13],%[x02],ror #8\n sxtb16 %[x02],%[x02]\n sxtb16 %[x4],%[x5]\n sxtb16 %[x5],%[x5],ror #8\n"
                "smlad %[s0],%[x02],%[outer],%[s0]\n smlabb %[s0],%[x13],%[middle],%[s0]\n"
                "smlad %[s1],%[x13],%[outer],%[s1]\n smlatb %[s1],%[x02],%[middle],%[s1]\n"
                "smlatb %[s2],%[x13],%[middle],%[s2]\n smlabb %[s3],%[x4],%[middle],%[s3]\n"
                "pkhbt %[x4],%[x4],%[x02]\n pkhbt %[x5],%[x5],%[x13]\n" /* (x4 x2), (x5 x3) */
                "smladx %[s2],%[x4],%[outer],%[s2]\n smladx %[s3],%[x5],%[outer],%[s3]\n"
                : [s0] "+r"(s0), [s1] "+r"(s1), [s2] "+r"(s2), [s3] "+r"(s3), [x02] "=&r"(x02), [x13] "=&r"(x13),
                  [x4] "=&r"(x4), [x5] "=&r"(x5)
                : [x] "r"(x), [outer] "r"(outer), [middle] "r"(middle)
                : "memory");
#else
        int32_t f0 = filter[0], f1 = filter[1], f2 = filter[2];
        s0 += x[0] * f0 + x[1] * f1 + x[2] * f2;
        s1 += x[1] * f0 + x[2] * f1 + x[3] * f2;
        s2 += x[2] * f0 + x[3] * f1 + x[4] * f2;
        s3 += x[3] * f0 + x[4] * f1 + x[5] * f2;
#endif
    }
    sums[0] = s0, sums[1] = s1, sums[2] = s2, sums[3] = s3;
}
