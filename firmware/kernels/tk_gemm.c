/* SPDX-License-Identifier: Apache-2.0
 * C += A B in three layouts, register-blocked. Each element of C is one chain over k in ascending order, so that the
 * block's shape, the edges and the machine leave no trace in the bits. */
#include "tk_block.h"

void tk_gemm_nt(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int m, int n, int k) {
    int i = 0;
    for (; i + 4 <= m; i += 4) {
        tk_blocks_t t = {c, a, b, ldc, lda, ldb, 4, 0, 4 * ldb, n / 4, k};
        tk_blocks_nt(&t);
        for (int j = n & ~3; j < n; j++) {
            tk_dot_rows(c + j, ldc, a, lda, b + j * ldb, 4, k);
        }
        c += 4 * ldc;
        a += 4 * lda;
    }
    for (; i < m; i++) {
        tk_dot_rows(c, 1, b, ldb, a, n, k);
        c += ldc;
        a += lda;
    }
}

void tk_gemm_nn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int m, int n, int k) {
    int i = 0;
    for (; i + 4 <= m; i += 4) {
        tk_blocks_t t = {c, a, b, ldc, lda, ldb, 4, 0, 4, n / 4, k};
        tk_blocks_nn(&t);
        int j = n & ~3;
        for (int r = 0; j < n && r < 4; r++) {
            tk_combine_rows(c + r * ldc + j, a + r * lda, b + j, ldb, n - j, k);
        }
        c += 4 * ldc;
        a += 4 * lda;
    }
    for (; i < m; i++) {
        tk_combine_rows(c, a, b, ldb, n, k);
        c += ldc;
        a += lda;
    }
}

enum { PANEL = 32 }; /* rows of A that are packed at once: 512 bytes of stack */

static void tn_rows4(float *c, size_t ldc, float alpha, const float *a, size_t lda, const float *b, size_t ldb, int n,
                     int k) {
    float panel[4 * PANEL];
    for (int first = 0; first < k; first += PANEL) {
        int depth = k - first < PANEL ? k - first : PANEL;
        for (int p = 0; p < depth; p++) {
            const float *row = a + (size_t)(first + p) * lda;
            for (int r = 0; r < 4; r++) {
                panel[4 * p + r] = alpha * row[r];
            }
        }
        const float *rows = b + (size_t)first * ldb;
        tk_blocks_t t = {c, panel, rows, ldc, 4, ldb, 4, 0, 4, n / 4, depth};
        tk_blocks_tn(&t);
        for (int j = n & ~3; j < n; j++) {
            for (int r = 0; r < 4; r++) {
                float sum = c[r * ldc + j];
                for (int p = 0; p < depth; p++) {
                    sum = sum + panel[4 * p + r] * rows[p * ldb + j];
                }
                c[r * ldc + j] = sum;
            }
        }
    }
}

void tk_gemm_tn(float *c, size_t ldc, float alpha, const float *a, size_t lda, const float *b, size_t ldb, int m, int n,
                int k) {
    int i = 0;
    if (k > 1) {
        for (; i + 4 <= m; i += 4) {
            tn_rows4(c, ldc, alpha, a + i, lda, b, ldb, n, k);
            c += 4 * ldc;
        }
    }
    for (int p = 0; p < k; p++) {
        tk_rank1(c, ldc, alpha, a + p * lda + i, b + p * ldb, m - i, n);
    }
}
