/* SPDX-License-Identifier: Apache-2.0
 * y += the convolution of x without stride: what a forward pass adds, and a backward pass to the data with a kernel turned
 * around. */
#ifndef TK_CONV_DIRECT_H
#define TK_CONV_DIRECT_H

#include "tk_gather.h"

typedef struct {
    float *y;       /* [outputs, y_height, y_width] */
    const float *x; /* [channels, height, width] */
    const float *w;
    size_t w_output, w_channel; /* elements of w from one output, one channel to the next */
    int outputs, y_height, y_width, channels, height, width, kernel_height, kernel_width, pad_top, pad_left;
    int flipped; /* the kernel's elements are taken from the last to the first */
} tk_direct_t;

/* The sums run over (channel, row, column) of the kernel; padding adds zeros. 3 kB of stack. */
void tk_direct(const tk_direct_t *d);

#endif
