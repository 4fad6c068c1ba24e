/* SPDX-License-Identifier: Apache-2.0
 * The register blocks in C99. */
#include "tk_block.h"

#if !TK_M4

void tk_dot_rows(float *y, size_t ldy, const float *w, size_t ldw, const float *x, int rows, int k) {
    for (; rows >= 4; rows -= 4) {
        const float *w0 = w, *w1 = w + ldw, *w2 = w + 2 * ldw, *w3 = w + 3 * ldw;
        float s0 = y[0], s1 = y[ldy], s2 = y[2 * ldy], s3 = y[3 * ldy];
        for (int p = 0; p < k; p++) {
            float v = x[p];
            s0 = s0 + w0[p] * v;
            s1 = s1 + w1[p] * v;
            s2 = s2 + w2[p] * v;
            s3 = s3 + w3[p] * v;
        }
        y[0] = s0, y[ldy] = s1, y[2 * ldy] = s2, y[3 * ldy] = s3;
        y += 4 * ldy;
        w += 4 * ldw;
    }
    for (; rows > 0; rows--) {
        float s = *y;
        for (int p = 0; p < k; p++) {
            s = s + w[p] * x[p];
        }
        *y = s;
        y += ldy;
        w += ldw;
    }
}

void tk_combine_rows(float *y, const float *d, const float *w, size_t ldw, int n, int rows) {
    for (; n >= 4; n -= 4) {
        const float *row = w;
        float s0 = y[0], s1 = y[1], s2 = y[2], s3 = y[3];
        for (int r = 0; r < rows; r++) {
            float v = d[r];
            s0 = s0 + v * row[0];
            s1 = s1 + v * row[1];
            s2 = s2 + v * row[2];
            s3 = s3 + v * row[3];
            row += ldw;
        }
        y[0] = s0, y[1] = s1, y[2] = s2, y[3] = s3;
        y += 4;
        w += 4;
    }
    for (; n > 0; n--) {
        float s = *y;
        for (int r = 0; r < rows; r++) {
            s = s + d[r] * w[r * ldw];
        }
        *y++ = s;
        w++;
    }
}

void tk_rank1(float *w, size_t ldw, float alpha, const float *d, const float *x, int rows, int n) {
    for (int r = 0; r < rows; r++) {
        tk_axpy(w, alpha * d[r], x, (size_t)n);
        w += ldw;
    }
}

/* c += the outer product of v and u, all in registers */
#define OUTER(r) \
    s##r##0 = s##r##0 + v##r * u0, s##r##1 = s##r##1 + v##r * u1, s##r##2 = s##r##2 + v##r * u2, \
    s##r##3 = s##r##3 + v##r * u3
#define LOAD(r) \
    float s##r##0 = c[r * t->ldc], s##r##1 = c[r * t->ldc + 1], s##r##2 = c[r * t->ldc + 2], s##r##3 = c[r * t->ldc + 3]
#define STORE(r) \
    c[r * t->ldc] = s##r##0, c[r * t->ldc + 1] = s##r##1, c[r * t->ldc + 2] = s##r##2, c[r * t->ldc + 3] = s##r##3
#define BLOCKS(name, V, U)                                                                    \
    void name(const tk_blocks_t *t) {                                                         \
        for (size_t i = 0; i < (size_t)t->blocks; i++) {                                      \
            const float *a = t->a + i * t->a_step, *b = t->b + i * t->b_step;                 \
            float *c = t->c + i * t->c_step;                                                  \
            LOAD(0);                                                                          \
            LOAD(1);                                                                          \
            LOAD(2);                                                                          \
            LOAD(3);                                                                          \
            for (size_t p = 0; p < (size_t)t->depth; p++) {                                   \
                float v0 = V(0), v1 = V(1), v2 = V(2), v3 = V(3);                             \
                float u0 = U(0), u1 = U(1), u2 = U(2), u3 = U(3);                             \
                OUTER(0);                                                                     \
                OUTER(1);                                                                     \
                OUTER(2);                                                                     \
                OUTER(3);                                                                     \
            }                                                                                 \
            STORE(0);                                                                         \
            STORE(1);                                                                         \
            STORE(2);                                                                         \
            STORE(3);                                                                         \
        }                                                                                     \
    }
#define A_ROWS(r) a[r * t->lda + p]
#define A_COLUMNS(r) a[p * t->lda + r]
#define B_ROWS(j) b[j * t->ldb + p]
#define B_COLUMNS(j) b[p * t->ldb + j]

BLOCKS(tk_blocks_nt, A_ROWS, B_ROWS)
BLOCKS(tk_blocks_nn, A_ROWS, B_COLUMNS)
BLOCKS(tk_blocks_tn, A_COLUMNS, B_COLUMNS)

static void windows(const tk_windows_t *t, int first, int columns) {
    float c[16], *to = t->c + first;
    const float *x = t->x + first, *w = t->panel;
    for (int i = 0; i < 16; i++) {
        c[i] = to[(size_t)(i / 4) * t->ldc + (size_t)(i % 4)];
    }
    for (int channel = 0; channel < t->channels; channel++, x += t->channel_step) {
        for (int row = 0; row < t->rows; row++, x += t->row_step) {
            for (int k = 0; k < columns; k++, w += 4) {
                for (int i = 0; i < 16; i++) {
                    c[i] = c[i] + w[i / 4] * x[k + i % 4];
                }
            }
        }
    }
    for (int i = 0; i < 16; i++) {
        to[(size_t)(i / 4) * t->ldc + (size_t)(i % 4)] = c[i];
    }
}

void tk_windows_3(const tk_windows_t *t) {
    for (int i = 0; i < t->blocks; i++) {
        windows(t, 4 * i, 3);
    }
}

void tk_windows_5(const tk_windows_t *t) {
    for (int i = 0; i < t->blocks; i++) {
        windows(t, 4 * i, 5);
    }
}

#endif
