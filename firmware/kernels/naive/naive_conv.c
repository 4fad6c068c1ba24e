/* SPDX-License-Identifier: Apache-2.0 */
#include "naive_conv.h"

/* the element of a padded image, 0 outside */
static float pixel(const tk_conv_t *g, const float *x, int n, int c, int row, int column) {
    if (row < 0 || column < 0 || row >= g->in_height || column >= g->in_width) {
        return 0;
    }
    return x[((n * g->in_channels + c) * g->in_height + row) * g->in_width + column];
}

void naive_conv2d_forward(const tk_conv_t *g, float *y, const float *x, const float *w, const float *b, int activation) {
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    for (int n = 0; n < g->batch; n++)
    for (int o = 0; o < g->out_channels; o++)
    for (int r = 0; r < g->out_height; r++)
    for (int q = 0; q < g->out_width; q++) {
        float sum = b ? b[o] : 0;
        const float *f = w + o * inputs * g->kernel_height * g->kernel_width;
        for (int c = 0; c < inputs; c++)
        for (int i = 0; i < g->kernel_height; i++)
        for (int j = 0; j < g->kernel_width; j++) {
            sum += *f++ * pixel(g, x, n, o / outputs * inputs + c, r * g->stride_height - g->pad_top + i,
                                q * g->stride_width - g->pad_left + j);
        }
        *y++ = naive_activation(sum, activation);
    }
}

void naive_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    for (int n = 0; n < g->batch; n++)
    for (int c = 0; c < g->in_channels; c++)
    for (int y = 0; y < g->in_height; y++)
    for (int x = 0; x < g->in_width; x++) {
        float sum = 0;
        for (int o = c / inputs * outputs; o < (c / inputs + 1) * outputs; o++)
        for (int i = 0; i < g->kernel_height; i++)
        for (int j = 0; j < g->kernel_width; j++) {
            int r = y + g->pad_top - i, q = x + g->pad_left - j;
            if (r < 0 || q < 0 || r % g->stride_height || q % g->stride_width || r / g->stride_height >= g->out_height ||
                q / g->stride_width >= g->out_width) {
                continue;
            }
            float d = dz[((n * g->out_channels + o) * g->out_height + r / g->stride_height) * g->out_width +
                         q / g->stride_width];
            sum += d * w[((o * inputs + c % inputs) * g->kernel_height + i) * g->kernel_width + j];
        }
        *dx++ = sum;
    }
}

void naive_conv2d_backward_weights(const tk_conv_t *g, float *dw, float *db, const float *dz, const float *x) {
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    int plane = g->out_height * g->out_width;
    for (int o = 0; o < g->out_channels; o++) {
        for (int c = 0; c < inputs; c++)
        for (int i = 0; i < g->kernel_height; i++)
        for (int j = 0; j < g->kernel_width; j++) {
            float sum = 0;
            for (int n = 0; n < g->batch; n++)
            for (int r = 0; r < g->out_height; r++)
            for (int q = 0; q < g->out_width; q++) {
                sum += dz[(n * g->out_channels + o) * plane + r * g->out_width + q] *
                       pixel(g, x, n, o / outputs * inputs + c, r * g->stride_height - g->pad_top + i,
                             q * g->stride_width - g->pad_left + j);
            }
            *dw++ = sum;
        }
        db[o] = 0;
        for (int n = 0; n < g->batch; n++)
        for (int p = 0; p < plane; p++) {
            db[o] += dz[(n * g->out_channels + o) * plane + p];
        }
    }
}
