/* SPDX-License-Identifier: Apache-2.0
 * The register blocks under the matrix products: tk_block.c in C99, tk_block_m4.c for the Cortex-M4F; equal bits. */
#ifndef TK_BLOCK_H
#define TK_BLOCK_H

#include "tk.h"

/* y[r ldy] += row r of w . x, r < rows */
void tk_dot_rows(float *y, size_t ldy, const float *w, size_t ldw, const float *x, int rows, int k);
/* y[j] += sum over r of d[r] w[r, j], j < n */
void tk_combine_rows(float *y, const float *d, const float *w, size_t ldw, int n, int rows);
/* w[r, j] += (alpha d[r]) x[j] */
void tk_rank1(float *w, size_t ldw, float alpha, const float *d, const float *x, int rows, int n);
/* 4 x 4 blocks: c += a b', a b, and a' b with a as a panel [k, 4] */
void tk_block_nt(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int k);
void tk_block_nn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int k);
void tk_block_tn(float *c, size_t ldc, const float *a, const float *b, size_t ldb, int k);

#endif
