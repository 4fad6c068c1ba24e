/* SPDX-License-Identifier: Apache-2.0
 * Matrix times vector, vector times matrix and the rank-1 update for the Cortex-M4F; see tk_block_m4.c for the rules. */
#include "tk_block.h"

#if TK_M4

#define LOW_S "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15"
#define ALL_S                                                                                                        \
    LOW_S, "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31"

/* sum += w0 .. w7 . s0 .. s7; the products replace w; `load` fetches the next row while the last sum settles */
#define DOT8(sum, w0, w1, w2, w3, w4, w5, w6, w7, load)                                                              \
    "vmul.f32 " w0 "," w0 ",s0\n vmul.f32 " w1 "," w1 ",s1\n vadd.f32 " sum "," sum "," w0 "\n"                      \
    "vmul.f32 " w2 "," w2 ",s2\n vadd.f32 " sum "," sum "," w1 "\n"                                                  \
    "vmul.f32 " w3 "," w3 ",s3\n vadd.f32 " sum "," sum "," w2 "\n"                                                  \
    "vmul.f32 " w4 "," w4 ",s4\n vadd.f32 " sum "," sum "," w3 "\n"                                                  \
    "vmul.f32 " w5 "," w5 ",s5\n vadd.f32 " sum "," sum "," w4 "\n"                                                  \
    "vmul.f32 " w6 "," w6 ",s6\n vadd.f32 " sum "," sum "," w5 "\n"                                                  \
    "vmul.f32 " w7 "," w7 ",s7\n vadd.f32 " sum "," sum "," w6 "\n" load "vadd.f32 " sum "," sum "," w7 "\n"
#define DOT8_EVEN(sum, load) DOT8(sum, "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", load)
#define DOT8_ODD(sum, load) DOT8(sum, "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23", load)
#define EVEN(r) "vldmia %[w" r "]!,{s8-s15}\n"
#define ODD(r) "vldmia %[w" r "]!,{s16-s23}\n"
#define ONE(r, t) "vldmia %[w" r "]!,{" t "}\n"

__attribute__((noinline)) static void dot8(float *sums, const float *w, size_t ldw, const float *x, int k) {
    const float *w0 = w, *w1 = w0 + ldw, *w2 = w1 + ldw, *w3 = w2 + ldw;
    const float *w4 = w3 + ldw, *w5 = w4 + ldw, *w6 = w5 + ldw, *w7 = w6 + ldw;
    __asm__ volatile(
        "vldmia %[sums],{s24-s31}\n subs %[k],#8\n blt 2f\n"
        "1: vldmia %[x]!,{s0-s7}\n" EVEN("0") DOT8_EVEN("s24", ODD("1")) DOT8_ODD("s25", EVEN("2"))
        DOT8_EVEN("s26", ODD("3")) DOT8_ODD("s27", EVEN("4")) DOT8_EVEN("s28", ODD("5")) DOT8_ODD("s29", EVEN("6"))
        DOT8_EVEN("s30", ODD("7")) DOT8_ODD("s31", "subs %[k],#8\n") "bge 1b\n"
        "2: adds %[k],#8\n beq 4f\n"
        "3: vldmia %[x]!,{s0}\n" ONE("0", "s8") ONE("1", "s9") ONE("2", "s10") ONE("3", "s11") ONE("4", "s12")
        ONE("5", "s13") ONE("6", "s14") ONE("7", "s15")
        "vmul.f32 s8,s8,s0\n vmul.f32 s9,s9,s0\n vmul.f32 s10,s10,s0\n vmul.f32 s11,s11,s0\n"
        "vmul.f32 s12,s12,s0\n vmul.f32 s13,s13,s0\n vmul.f32 s14,s14,s0\n vmul.f32 s15,s15,s0\n"
        "vadd.f32 s24,s24,s8\n vadd.f32 s25,s25,s9\n vadd.f32 s26,s26,s10\n vadd.f32 s27,s27,s11\n"
        "vadd.f32 s28,s28,s12\n vadd.f32 s29,s29,s13\n vadd.f32 s30,s30,s14\n vadd.f32 s31,s31,s15\n"
        "subs %[k],#1\n bne 3b\n"
        "4: vstmia %[sums],{s24-s31}\n"
        : [w0] "+r"(w0), [w1] "+r"(w1), [w2] "+r"(w2), [w3] "+r"(w3), [w4] "+r"(w4), [w5] "+r"(w5), [w6] "+r"(w6),
          [w7] "+r"(w7), [x] "+r"(x), [k] "+r"(k)
        : [sums] "r"(sums)
        : "cc", "memory", ALL_S);
}

static void dot2(float *sums, const float *w, size_t ldw, const float *x, int k) {
    const float *w0 = w, *w1 = w0 + ldw;
    __asm__ volatile("vldmia %[sums],{s24-s25}\n subs %[k],#8\n blt 2f\n"
                     "1: vldmia %[x]!,{s0-s7}\n" EVEN("0") DOT8_EVEN("s24", ODD("1")) DOT8_ODD("s25", "subs %[k],#8\n")
                     "bge 1b\n"
                     "2: adds %[k],#8\n beq 4f\n"
                     "3: vldmia %[x]!,{s0}\n" ONE("0", "s8") ONE("1", "s9")
                     "vmul.f32 s8,s8,s0\n vmul.f32 s9,s9,s0\n subs %[k],#1\n vadd.f32 s24,s24,s8\n vadd.f32 s25,s25,s9\n"
                     "bne 3b\n"
                     "4: vstmia %[sums],{s24-s25}\n"
                     : [w0] "+r"(w0), [w1] "+r"(w1), [x] "+r"(x), [k] "+r"(k)
                     : [sums] "r"(sums)
                     : "cc", "memory", ALL_S);
}

void tk_dot_rows(float *y, size_t ldy, const float *w, size_t ldw, const float *x, int rows, int k) {
    float sums[8];
    while (rows > 0) {
        int count = rows >= 8 ? 8 : rows >= 2 ? 2 : 1;
        for (int r = 0; r < count; r++) {
            sums[r] = y[(size_t)r * ldy];
        }
        if (count == 8) {
            dot8(sums, w, ldw, x, k);
        } else { /* a single row: twice the same */
            sums[1] = count == 2 ? sums[1] : sums[0];
            dot2(sums, w, count == 2 ? ldw : 0, x, k);
        }
        for (int r = 0; r < count; r++) {
            y[(size_t)r * ldy] = sums[r];
        }
        y += (size_t)count * ldy;
        w += (size_t)count * ldw;
        rows -= count;
    }
}

/* s16 .. += d times the row in s0 .. s7 */
#define ROW8(d)                                                                                                      \
    "vldmia %[w],{s0-s7}\n add %[w],%[ldw]\n"                                                                        \
    "vmul.f32 s0,s0," d "\n vmul.f32 s1,s1," d "\n vmul.f32 s2,s2," d "\n vmul.f32 s3,s3," d "\n"                    \
    "vmul.f32 s4,s4," d "\n vmul.f32 s5,s5," d "\n vmul.f32 s6,s6," d "\n vmul.f32 s7,s7," d "\n"                    \
    "vadd.f32 s16,s16,s0\n vadd.f32 s17,s17,s1\n vadd.f32 s18,s18,s2\n vadd.f32 s19,s19,s3\n"                        \
    "vadd.f32 s20,s20,s4\n vadd.f32 s21,s21,s5\n vadd.f32 s22,s22,s6\n vadd.f32 s23,s23,s7\n"
#define ROW4(d)                                                                                                      \
    "vldmia %[w],{s0-s3}\n add %[w],%[ldw]\n"                                                                        \
    "vmul.f32 s0,s0," d "\n vmul.f32 s1,s1," d "\n vmul.f32 s2,s2," d "\n vmul.f32 s3,s3," d "\n"                    \
    "vadd.f32 s16,s16,s0\n vadd.f32 s17,s17,s1\n vadd.f32 s18,s18,s2\n vadd.f32 s19,s19,s3\n"
#define COMBINE(name, sums, row)                                                                                     \
    static void name(float *y, const float *d, const float *w, size_t ldw, int rows) {                               \
        __asm__ volatile("vldmia %[y],{" sums "}\n subs %[k],#4\n blt 2f\n"                                          \
                         "1: vldmia %[d]!,{s8-s11}\n" row("s8") row("s9") row("s10") row("s11")                      \
                         "subs %[k],#4\n bge 1b\n"                                                                   \
                         "2: adds %[k],#4\n beq 4f\n"                                                                \
                         "3: vldmia %[d]!,{s8}\n" row("s8") "subs %[k],#1\n bne 3b\n"                                \
                         "4: vstmia %[y],{" sums "}\n"                                                               \
                         : [d] "+r"(d), [w] "+r"(w), [k] "+r"(rows)                                                  \
                         : [y] "r"(y), [ldw] "r"(ldw)                                                                \
                         : "cc", "memory", LOW_S, "s16", "s17", "s18", "s19", "s20", "s21", "s22", "s23");           \
    }
COMBINE(combine8, "s16-s23", ROW8)
COMBINE(combine4, "s16-s19", ROW4)

void tk_combine_rows(float *y, const float *d, const float *w, size_t ldw, int n, int rows) {
    for (; n >= 8; n -= 8, y += 8, w += 8) {
        combine8(y, d, w, 4 * ldw, rows);
    }
    if (n >= 4) {
        combine4(y, d, w, 4 * ldw, rows);
        n -= 4, y += 4, w += 4;
    }
    for (; n > 0; n--) {
        float s = *y;
        for (int r = 0; r < rows; r++) {
            s = s + d[r] * w[(size_t)r * ldw];
        }
        *y++ = s;
        w++;
    }
}

/* eight elements of w += d x, x in eight registers from s0 or s8 on */
#define UPDATE8(d, x0, x1, x2, x3, x4, x5, x6, x7)                                                                   \
    "vldmia %[w],{s16-s23}\n"                                                                                        \
    "vmul.f32 s24," x0 "," d "\n vmul.f32 s25," x1 "," d "\n vmul.f32 s26," x2 "," d "\n vmul.f32 s27," x3 "," d "\n" \
    "vadd.f32 s16,s16,s24\n vadd.f32 s17,s17,s25\n vadd.f32 s18,s18,s26\n vadd.f32 s19,s19,s27\n"                    \
    "vmul.f32 s24," x4 "," d "\n vmul.f32 s25," x5 "," d "\n vmul.f32 s26," x6 "," d "\n vmul.f32 s27," x7 "," d "\n" \
    "vadd.f32 s20,s20,s24\n vadd.f32 s21,s21,s25\n vadd.f32 s22,s22,s26\n vadd.f32 s23,s23,s27\n"                    \
    "vstmia %[w]!,{s16-s23}\n"
#define UPDATE16(d)                                                                                                  \
    UPDATE8(d, "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7")                                                       \
    UPDATE8(d, "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15") "add %[w],%[gap]\n"

/* sixteen columns of all rows: x stays in registers; gap: bytes from the end of these columns to the next row's */
static void update16(float *w, size_t gap, const float *alpha, const float *d, const float *x, int rows) {
    __asm__ volatile("vldmia %[x],{s0-s15}\n vldr s28,[%[alpha]]\n subs %[k],#3\n blt 2f\n"
                     "1: vldmia %[d]!,{s29-s31}\n vmul.f32 s29,s29,s28\n vmul.f32 s30,s30,s28\n vmul.f32 s31,s31,s28\n"
                     UPDATE16("s29") UPDATE16("s30") UPDATE16("s31") "subs %[k],#3\n bge 1b\n"
                     "2: adds %[k],#3\n beq 4f\n"
                     "3: vldmia %[d]!,{s29}\n vmul.f32 s29,s29,s28\n" UPDATE16("s29") "subs %[k],#1\n bne 3b\n"
                     "4:\n"
                     : [w] "+r"(w), [d] "+r"(d), [k] "+r"(rows)
                     : [x] "r"(x), [alpha] "r"(alpha), [gap] "r"(gap)
                     : "cc", "memory", ALL_S);
}

void tk_rank1(float *w, size_t ldw, float alpha, const float *d, const float *x, int rows, int n) {
    for (; n >= 16 && rows > 0; n -= 16, w += 16, x += 16) {
        update16(w, 4 * ldw - 64, &alpha, d, x, rows);
    }
    for (int r = 0; n > 0 && r < rows; r++) {
        tk_axpy(w + (size_t)r * ldw, alpha * d[r], x, (size_t)n);
    }
}

#endif
