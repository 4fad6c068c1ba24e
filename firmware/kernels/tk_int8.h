/* SPDX-License-Identifier: Apache-2.0
 * Inference in eight bits. real = scale (q - zero point); weights are symmetric (zero point 0). The host folds
 * - zero(x) sum(w) into the biases, so that kernels multiply the bytes as they are; padding is zero(x).
 * y = clamp(zero + round(sum * multiplier / 2^shift), low, high), halves upwards; multiplier and shift per output channel. */
#ifndef TK_INT8_H
#define TK_INT8_H

#include "tk_conv.h"

typedef struct {
    const int32_t *bias, *multiplier; /* [outputs]; 0 < multiplier < 2^31 */
    const uint8_t *shift;             /* [outputs], 1 .. 62 */
    int32_t zero, low, high;          /* of y; low and high are activation's: ReLU has low = zero */
} tk_scale_t;

/* x [batch, inputs], w [outputs, inputs], y [batch, outputs]. 1 kB of stack. */
void tk_int8_dense(int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale, int batch, int inputs,
                   int outputs);
/* NCHW, OIHW; the product of inputs per group and window is at most TK_INT8_DEPTH (returns -1 beyond) */
int tk_int8_conv2d(const tk_conv_t *g, int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale,
                   int8_t padding);
void tk_int8_depthwise(const tk_conv_t *g, int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale,
                       int8_t padding);

enum { TK_INT8_DEPTH = 1024 };

/* The part that the core's instructions decide. Bytes are spread to pairs of 16 bits: byte 0 and 2, 1 and 3 of four. */
void tk_int8_spread(int32_t *pairs, const int8_t *x, int count); /* to a multiple of four, with zeros */
/* sums[r] += row r of w . x, for `count` columns */
void tk_int8_rows(int32_t *sums, const int8_t *w, size_t ldw, const int32_t *pairs, int rows, int count);
/* sums[i] += `rows` rows of a filter of three columns . the window i columns behind x, i < 4 */
void tk_int8_windows(int32_t *sums, const int8_t *x, size_t width, const int8_t *filter, int rows);

#endif
