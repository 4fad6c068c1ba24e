/* SPDX-License-Identifier: Apache-2.0
 * The register blocks for the Cortex-M4F. Products are rounded before they are added (VMUL and VADD, a cycle each, where
 * VFMA takes three), so the bits equal those of tk_block.c. No result is used by the very next instruction: it would
 * wait a cycle. Loads stand together: after the first, each takes one cycle (Cortex-M4 TRM, chapters 3 and 7). */
#include "tk_block.h"

#if TK_M4

#define ALL_S                                                                                                        \
    "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12", "s13", "s14", "s15", "s16",     \
        "s17", "s18", "s19", "s20", "s21", "s22", "s23", "s24", "s25", "s26", "s27", "s28", "s29", "s30", "s31"

/* s16 .. s31, the 4 x 4 sums, += the outer product of s0 .. s3 and s4 .. s7 */
#define OUTER_ROW(a, t0, t1, t2, t3, c0, c1, c2, c3)                                                                 \
    "vmul.f32 " t0 "," a ",s4\n vmul.f32 " t1 "," a ",s5\n vmul.f32 " t2 "," a ",s6\n vmul.f32 " t3 "," a ",s7\n"    \
    "vadd.f32 " c0 "," c0 "," t0 "\n vadd.f32 " c1 "," c1 "," t1 "\n vadd.f32 " c2 "," c2 "," t2 "\n"                \
    "vadd.f32 " c3 "," c3 "," t3 "\n"
#define OUTER                                                                                                        \
    OUTER_ROW("s0", "s8", "s9", "s10", "s11", "s16", "s17", "s18", "s19")                                            \
    OUTER_ROW("s1", "s12", "s13", "s14", "s15", "s20", "s21", "s22", "s23")                                          \
    OUTER_ROW("s2", "s8", "s9", "s10", "s11", "s24", "s25", "s26", "s27")                                            \
    OUTER_ROW("s3", "s12", "s13", "s14", "s15", "s28", "s29", "s30", "s31")

#define LOAD_A_ROWS(at)                                                                                              \
    "vldr s0,[%[a0]," at "]\n vldr s1,[%[a1]," at "]\n vldr s2,[%[a2]," at "]\n vldr s3,[%[a3]," at "]\n"
#define LOAD_B_ROWS(at)                                                                                              \
    "vldr s4,[%[b0]," at "]\n vldr s5,[%[b1]," at "]\n vldr s6,[%[b2]," at "]\n vldr s7,[%[b3]," at "]\n"
#define LOAD_B_COLUMNS "vldr s4,[%[b]]\n vldr s5,[%[b],#4]\n vldr s6,[%[b],#8]\n vldr s7,[%[b],#12]\n add %[b],%[ldb]\n"
#define NEXT_A_ROWS(by) "adds %[a0]," by "\n adds %[a1]," by "\n adds %[a2]," by "\n adds %[a3]," by "\n"
#define NEXT_B_ROWS(by) "adds %[b0]," by "\n adds %[b1]," by "\n adds %[b2]," by "\n adds %[b3]," by "\n"

#define LOAD_C                                                                                                       \
    "vldmia %[c],{s16-s19}\n add %[c],%[ldc]\n vldmia %[c],{s20-s23}\n add %[c],%[ldc]\n"                            \
    "vldmia %[c],{s24-s27}\n add %[c],%[ldc]\n vldmia %[c],{s28-s31}\n"
#define STORE_C /* from the last row back to the first */                                                            \
    "vstmia %[c],{s28-s31}\n sub %[c],%[ldc]\n vstmia %[c],{s24-s27}\n sub %[c],%[ldc]\n"                            \
    "vstmia %[c],{s20-s23}\n sub %[c],%[ldc]\n vstmia %[c],{s16-s19}\n"

/* the loop over k: four steps at a time, then one at a time */
#define LOOP(four, one)                                                                                              \
    LOAD_C                                                                                                           \
    "subs %[k],#4\n blt 2f\n"                                                                                        \
    "1:\n" four "subs %[k],#4\n bge 1b\n"                                                                            \
    "2: adds %[k],#4\n beq 4f\n"                                                                                     \
    "3:\n" one "subs %[k],#1\n bne 3b\n"                                                                             \
    "4:\n" STORE_C

#define STEP_NT(at) LOAD_A_ROWS(at) LOAD_B_ROWS(at) OUTER

void tk_blocks_nt(const tk_blocks_t *t) {
    size_t ldc = 4 * t->ldc;
    for (int i = 0; i < t->blocks; i++) {
        float *c = t->c + (size_t)i * t->c_step;
        const float *a0 = t->a + (size_t)i * t->a_step, *a1 = a0 + t->lda, *a2 = a1 + t->lda, *a3 = a2 + t->lda;
        const float *b0 = t->b + (size_t)i * t->b_step, *b1 = b0 + t->ldb, *b2 = b1 + t->ldb, *b3 = b2 + t->ldb;
        int k = t->depth;
        __asm__ volatile(LOOP(STEP_NT("#0") STEP_NT("#4") STEP_NT("#8") STEP_NT("#12") NEXT_A_ROWS("#16") NEXT_B_ROWS("#16"),
                              STEP_NT("#0") NEXT_A_ROWS("#4") NEXT_B_ROWS("#4"))
                         : [c] "+r"(c), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [b0] "+r"(b0),
                           [b1] "+r"(b1), [b2] "+r"(b2), [b3] "+r"(b3), [k] "+r"(k)
                         : [ldc] "r"(ldc)
                         : "cc", "memory", ALL_S);
    }
}

#define STEP_NN(at) LOAD_A_ROWS(at) LOAD_B_COLUMNS OUTER

void tk_blocks_nn(const tk_blocks_t *t) {
    size_t ldc = 4 * t->ldc, ldb = 4 * t->ldb;
    for (int i = 0; i < t->blocks; i++) {
        float *c = t->c + (size_t)i * t->c_step;
        const float *a0 = t->a + (size_t)i * t->a_step, *a1 = a0 + t->lda, *a2 = a1 + t->lda, *a3 = a2 + t->lda;
        const float *b = t->b + (size_t)i * t->b_step;
        int k = t->depth;
        __asm__ volatile(LOOP(STEP_NN("#0") STEP_NN("#4") STEP_NN("#8") STEP_NN("#12") NEXT_A_ROWS("#16"),
                              STEP_NN("#0") NEXT_A_ROWS("#4"))
                         : [c] "+r"(c), [a0] "+r"(a0), [a1] "+r"(a1), [a2] "+r"(a2), [a3] "+r"(a3), [b] "+r"(b),
                           [k] "+r"(k)
                         : [ldc] "r"(ldc), [ldb] "r"(ldb)
                         : "cc", "memory", ALL_S);
    }
}

#define LOAD_A_COLUMNS "vldr s0,[%[a]]\n vldr s1,[%[a],#4]\n vldr s2,[%[a],#8]\n vldr s3,[%[a],#12]\n"
#define STEP_TN LOAD_A_COLUMNS LOAD_B_COLUMNS "add %[a],%[lda]\n" OUTER

void tk_blocks_tn(const tk_blocks_t *t) {
    size_t ldc = 4 * t->ldc, lda = 4 * t->lda, ldb = 4 * t->ldb;
    for (int i = 0; i < t->blocks; i++) {
        float *c = t->c + (size_t)i * t->c_step;
        const float *a = t->a + (size_t)i * t->a_step, *b = t->b + (size_t)i * t->b_step;
        int k = t->depth;
        __asm__ volatile(LOOP(STEP_TN STEP_TN STEP_TN STEP_TN, STEP_TN)
                         : [c] "+r"(c), [a] "+r"(a), [b] "+r"(b), [k] "+r"(k)
                         : [ldc] "r"(ldc), [lda] "r"(lda), [ldb] "r"(ldb)
                         : "cc", "memory", ALL_S);
    }
}

#ifdef TK_WITH_CONV
/* s16 .. s31 += the next four of the panel times four words of x */
#define TAP_ROW(w, x0, x1, x2, x3, c0, c1, c2, c3)                                                                   \
    "vmul.f32 s12," w "," x0 "\n vmul.f32 s13," w "," x1 "\n vmul.f32 s14," w "," x2 "\n vmul.f32 s15," w "," x3 "\n" \
    "vadd.f32 " c0 "," c0 ",s12\n vadd.f32 " c1 "," c1 ",s13\n vadd.f32 " c2 "," c2 ",s14\n vadd.f32 " c3 "," c3 ",s15\n"
#define TAP(x0, x1, x2, x3)                                                                                          \
    "vldmia %[w]!,{s8-s11}\n" TAP_ROW("s8", x0, x1, x2, x3, "s16", "s17", "s18", "s19")                              \
    TAP_ROW("s9", x0, x1, x2, x3, "s20", "s21", "s22", "s23") TAP_ROW("s10", x0, x1, x2, x3, "s24", "s25", "s26", "s27") \
    TAP_ROW("s11", x0, x1, x2, x3, "s28", "s29", "s30", "s31")

#define WINDOWS(name, words, taps)                                                                                   \
    void name(const tk_windows_t *t) {                                                                               \
        size_t ldc = 4 * t->ldc, row_step = 4 * t->row_step, channel_step = 4 * t->channel_step;                     \
        for (int i = 0; i < t->blocks; i++) {                                                                        \
            float *c = t->c + 4 * i;                                                                                 \
            const float *x = t->x + 4 * i, *w = t->panel;                                                            \
            int channels = t->channels, rows;                                                                        \
            __asm__ volatile(LOAD_C "1: mov %[rows],%[height]\n"                                                     \
                             "2: vldmia %[x],{" words "}\n add %[x],%[row_step]\n" taps                              \
                             "subs %[rows],#1\n bne 2b\n"                                                           \
                             "subs %[channels],#1\n add %[x],%[channel_step]\n bne 1b\n" STORE_C                     \
                             : [c] "+r"(c), [x] "+r"(x), [w] "+r"(w), [channels] "+r"(channels), [rows] "=&r"(rows)  \
                             : [ldc] "r"(ldc), [row_step] "r"(row_step), [channel_step] "r"(channel_step),           \
                               [height] "r"(t->rows)                                                                 \
                             : "cc", "memory", ALL_S);                                                               \
        }                                                                                                            \
    }

WINDOWS(tk_windows_3, "s0-s5", TAP("s0", "s1", "s2", "s3") TAP("s1", "s2", "s3", "s4") TAP("s2", "s3", "s4", "s5"))
WINDOWS(tk_windows_5, "s0-s7", TAP("s0", "s1", "s2", "s3") TAP("s1", "s2", "s3", "s4") TAP("s2", "s3", "s4", "s5")
        TAP("s3", "s4", "s5", "s6") TAP("s4", "s5", "s6", "s7"))
#endif
#endif
