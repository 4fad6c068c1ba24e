/* SPDX-License-Identifier: Apache-2.0
 * The register blocks in C99. */
#include "tk_block.h"

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

#define ROW_SUMS(r) s##r##0 = s##r##0 + v##r * u0, s##r##1 = s##r##1 + v##r * u1, s##r##2 = s##r##2 + v##r * u2, \
    s##r##3 = s##r##3 + v##r * u3
#define LOAD_ROW(r) float s##r##0 = c[r * ldc], s##r##1 = c[r * ldc + 1], s##r##2 = c[r * ldc + 2], \
    s##r##3 = c[r * ldc + 3]
#define STORE_ROW(r) c[r * ldc] = s##r##0, c[r * ldc + 1] = s##r##1, c[r * ldc + 2] = s##r##2, c[r * ldc + 3] = s##r##3

void tk_block_nt(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int k) {
    LOAD_ROW(0);
    LOAD_ROW(1);
    LOAD_ROW(2);
    LOAD_ROW(3);
    for (int p = 0; p < k; p++) {
        float v0 = a[p], v1 = a[lda + p], v2 = a[2 * lda + p], v3 = a[3 * lda + p];
        float u0 = b[p], u1 = b[ldb + p], u2 = b[2 * ldb + p], u3 = b[3 * ldb + p];
        ROW_SUMS(0);
        ROW_SUMS(1);
        ROW_SUMS(2);
        ROW_SUMS(3);
    }
    STORE_ROW(0);
    STORE_ROW(1);
    STORE_ROW(2);
    STORE_ROW(3);
}

void tk_block_nn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int k) {
    LOAD_ROW(0);
    LOAD_ROW(1);
    LOAD_ROW(2);
    LOAD_ROW(3);
    for (int p = 0; p < k; p++) {
        float v0 = a[p], v1 = a[lda + p], v2 = a[2 * lda + p], v3 = a[3 * lda + p];
        float u0 = b[0], u1 = b[1], u2 = b[2], u3 = b[3];
        ROW_SUMS(0);
        ROW_SUMS(1);
        ROW_SUMS(2);
        ROW_SUMS(3);
        b += ldb;
    }
    STORE_ROW(0);
    STORE_ROW(1);
    STORE_ROW(2);
    STORE_ROW(3);
}

void tk_block_tn(float *c, size_t ldc, const float *a, const float *b, size_t ldb, int k) {
    LOAD_ROW(0);
    LOAD_ROW(1);
    LOAD_ROW(2);
    LOAD_ROW(3);
    for (int p = 0; p < k; p++) {
        float v0 = a[0], v1 = a[1], v2 = a[2], v3 = a[3];
        float u0 = b[0], u1 = b[1], u2 = b[2], u3 = b[3];
        ROW_SUMS(0);
        ROW_SUMS(1);
        ROW_SUMS(2);
        ROW_SUMS(3);
        a += 4;
        b += ldb;
    }
    STORE_ROW(0);
    STORE_ROW(1);
    STORE_ROW(2);
    STORE_ROW(3);
}
