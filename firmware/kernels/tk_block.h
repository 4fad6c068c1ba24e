/* SPDX-License-Identifier: Apache-2.0
 * The register blocks under the matrix products: tk_block.c in C99, tk_block_m4.c for the Cortex-M4F; equal bits. */
#ifndef TK_BLOCK_H
#define TK_BLOCK_H

#include "tk.h"

#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FP) && (__ARM_FP & 4) && !defined(TK_PORTABLE)
#define TK_M4 1
#else
#define TK_M4 0
#endif

/* y[r ldy] += row r of w . x, r < rows */
void tk_dot_rows(float *y, size_t ldy, const float *w, size_t ldw, const float *x, int rows, int k);
/* y[j] += sum over r of d[r] w[r, j], j < n */
void tk_combine_rows(float *y, const float *d, const float *w, size_t ldw, int n, int rows);
/* w[r, j] += (alpha d[r]) x[j] */
void tk_rank1(float *w, size_t ldw, float alpha, const float *d, const float *x, int rows, int n);

/* A row or column of 4 x 4 blocks of C, each c += sum of `depth` outer products. */
typedef struct {
    float *c;
    const float *a, *b;
    size_t ldc, lda, ldb;          /* from one row to the next, in elements */
    size_t c_step, a_step, b_step; /* from one block to the next */
    int blocks, depth;
} tk_blocks_t;

void tk_blocks_nt(const tk_blocks_t *t); /* rows of a . rows of b */
void tk_blocks_nn(const tk_blocks_t *t); /* rows of a, b [depth, 4 of ldb] */
void tk_blocks_tn(const tk_blocks_t *t); /* a [depth, 4 of lda], b [depth, 4 of ldb] */

/* Four rows of C by four neighbouring pixels: c[r, j] += the sum over (channel, row, column) of panel [.., r] and x, whose
 * windows lie one word apart. */
typedef struct {
    float *c;
    size_t ldc;
    const float *panel, *x;
    size_t row_step, channel_step; /* from a row of x to the next; from behind a channel's last row to the next channel */
    int channels, rows, blocks;    /* blocks: of four pixels, one behind the other */
} tk_windows_t;

void tk_windows_3(const tk_windows_t *t); /* kernels of three columns */
void tk_windows_5(const tk_windows_t *t);

#endif
