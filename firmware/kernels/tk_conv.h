/* SPDX-License-Identifier: Apache-2.0
 * Convolutions, depthwise convolutions and pooling over NCHW images; one-dimensional ones have height 1. */
#ifndef TK_CONV_H
#define TK_CONV_H

#include "tk.h"

/* The dimensions of a convolution or pooling, in the order of the kernel table (pooling and depthwise: out_channels is
 * left out there and groups equals channels). Bottom and right padding follow from the output's extent. */
typedef struct {
    int batch, in_channels, in_height, in_width, out_channels, out_height, out_width;
    int kernel_height, kernel_width, stride_height, stride_width, pad_top, pad_left, groups;
} tk_conv_t;

/* What becomes of a weight gradient g: w = g (store), or w += -rate g, or v = momentum v + g and w += -rate v. */
typedef struct {
    float *w, *v; /* of weights, or of biases; v NULL without momentum */
    float rate, momentum;
    int store;
} tk_sink_t;

/* w [out_channels, in_channels / groups, kernel_height, kernel_width], b [out_channels] or NULL. The sums run over
 * (channel, row, column) of the kernel; padding counts as zeros. `y_image`, `z_image`: elements from one image of y or dz
 * to the next, so that a range of output channels is a tile. No workspace; 1.5 kB of stack. */
void tk_conv2d_forward(const tk_conv_t *g, float *y, size_t y_image, const float *x, const float *w, const float *b,
                       int activation);
/* Unless tk_collects: the pixels of dz in runs of 64; each run adds, element after element of the kernel, its sums over the
 * output channels. */
void tk_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w);
/* the same added to dx, tile after tile: each adds its own sums, so that the whole rounds otherwise than in one piece */
void tk_conv2d_add_data(const tk_conv_t *g, float *dx, const float *dz, size_t z_image, const float *w);
/* the sums run over (image, row, column) of dz; padding counts as zeros */
void tk_conv2d_backward_weights(const tk_conv_t *g, const tk_sink_t *weights, const tk_sink_t *bias, const float *dz,
                                size_t z_image, const float *x);

/* w [channels, 1, kernel_height, kernel_width]; padding left out of the sums */
void tk_depthwise_forward(const tk_conv_t *g, float *y, const float *x, const float *w, const float *b, int activation);
void tk_depthwise_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w);
void tk_depthwise_backward_weights(const tk_conv_t *g, const tk_sink_t *weights, const tk_sink_t *bias, const float *dz,
                                   const float *x);

/* argmax (or NULL): index in the window, row-major, the first of equals; u8 up to 256 elements, else u16. */
void tk_maxpool2d_forward(const tk_conv_t *g, float *y, void *argmax, const float *x);
void tk_maxpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, const void *argmax);
/* dx holds x on entry, windows do not overlap */
void tk_maxpool2d_backward_inplace(const tk_conv_t *g, float *dx, const float *dy);
void tk_avgpool2d_forward(const tk_conv_t *g, float *y, const float *x, int count_padding);
void tk_avgpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, int count_padding);
void tk_global_average_forward(float *y, const float *x, int planes, int spatial);
void tk_global_average_backward(float *dx, const float *dy, int planes, int spatial);

/* the elements of an image of the whole output */
static inline size_t tk_image(const tk_conv_t *g) {
    return (size_t)g->out_channels * (size_t)g->out_height * (size_t)g->out_width;
}

/* a 1 x 1 kernel without stride and padding is a plain matrix product over the pixels of an image */
static inline int tk_is_pointwise(const tk_conv_t *g) {
    return g->kernel_height == 1 && g->kernel_width == 1 && g->stride_height == 1 && g->stride_width == 1 &&
           g->pad_top == 0 && g->pad_left == 0 && g->in_width == g->out_width && g->in_height == g->out_height;
}

/* Neighbouring windows overlap in a way that the blocks of tk_conv_direct.h use. */
static inline int tk_is_direct(const tk_conv_t *g) {
    return g->stride_height == 1 && g->stride_width == 1 && (g->kernel_width == 3 || g->kernel_width == 5) &&
           g->kernel_height * g->kernel_width <= 72;
}

/* Backward to the data: whether each pixel of dx collects its products, rather than dz scatter them. Then the sums run over
 * (output channel, row, column) of the kernel turned around, and those beside dz are idle: they are few where padding
 * keeps the extent. */
static inline int tk_collects(const tk_conv_t *g) {
    return tk_is_direct(g) && 4 * g->out_height * g->out_width >= 3 * g->in_height * g->in_width;
}

/* Delivers a gradient to element `at` of a sink. */
static inline void tk_sink(const tk_sink_t *s, size_t at, float g) {
    if (s->v) {
        s->v[at] = s->v[at] * s->momentum + g;
        s->w[at] = s->w[at] + -s->rate * s->v[at];
    } else {
        s->w[at] = s->store ? g : s->w[at] + -s->rate * g;
    }
}

#endif
