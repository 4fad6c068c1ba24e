/* SPDX-License-Identifier: Apache-2.0
 * Pooling and depthwise convolution: each result asks every window that could hold it, in ascending order. */
#include "naive_conv.h"

/* index of an element of x, or -1 outside: plane n, window (r, q), element (i, j) of the window */
static int place(const tk_conv_t *g, int n, int r, int q, int i, int j) {
    int row = r * g->stride_height - g->pad_top + i, column = q * g->stride_width - g->pad_left + j;
    if (row < 0 || column < 0 || row >= g->in_height || column >= g->in_width) {
        return -1;
    }
    return (n * g->in_height + row) * g->in_width + column;
}

#define EACH_WINDOW                                                                                                  \
    for (int n = 0; n < g->batch * g->in_channels; n++)                                                              \
    for (int r = 0; r < g->out_height; r++)                                                                          \
    for (int q = 0; q < g->out_width; q++)
#define EACH_ELEMENT                                                                                                 \
    for (int i = 0; i < g->kernel_height; i++)                                                                       \
    for (int j = 0; j < g->kernel_width; j++)

void naive_maxpool2d(const tk_conv_t *g, float *y, int *argmax, const float *x) {
    EACH_WINDOW {
        int best = -1;
        EACH_ELEMENT {
            int at = place(g, n, r, q, i, j);
            if (at >= 0 && (best < 0 || x[at] > x[best])) {
                best = at;
                *argmax = i * g->kernel_width + j;
            }
        }
        *y++ = x[best];
        argmax++;
    }
}

void naive_maxpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, const int *argmax) {
    for (int at = 0; at < g->batch * g->in_channels * g->in_height * g->in_width; at++) {
        const float *d = dy;
        const int *best = argmax;
        dx[at] = 0;
        EACH_WINDOW {
            if (place(g, n, r, q, *best / g->kernel_width, *best % g->kernel_width) == at) {
                dx[at] += *d;
            }
            d++, best++;
        }
    }
}

static float share(const tk_conv_t *g, int n, int r, int q, int count_padding) {
    int count = 0;
    EACH_ELEMENT {
        count += count_padding || place(g, n, r, q, i, j) >= 0;
    }
    return 1.0f / (float)count;
}

void naive_avgpool2d(const tk_conv_t *g, float *y, const float *x, int count_padding) {
    EACH_WINDOW {
        float sum = 0;
        EACH_ELEMENT {
            int at = place(g, n, r, q, i, j);
            sum += at < 0 ? 0 : x[at];
        }
        *y++ = sum * share(g, n, r, q, count_padding);
    }
}

void naive_avgpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, int count_padding) {
    for (int at = 0; at < g->batch * g->in_channels * g->in_height * g->in_width; at++) {
        const float *d = dy;
        dx[at] = 0;
        EACH_WINDOW {
            EACH_ELEMENT {
                dx[at] += place(g, n, r, q, i, j) == at ? *d * share(g, n, r, q, count_padding) : 0;
            }
            d++;
        }
    }
}

void naive_depthwise_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    for (int at = 0; at < g->batch * g->in_channels * g->in_height * g->in_width; at++) {
        const float *d = dz;
        dx[at] = 0;
        EACH_WINDOW {
            EACH_ELEMENT {
                if (place(g, n, r, q, i, j) == at) {
                    dx[at] += *d * w[(n % g->in_channels * g->kernel_height + i) * g->kernel_width + j];
                }
            }
            d++;
        }
    }
}
