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

/* each pixel of dx collects: (output channel, row, column) of the kernel turned around */
static void collect(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    for (int n = 0; n < g->batch; n++)
    for (int c = 0; c < g->in_channels; c++)
    for (int y = 0; y < g->in_height; y++)
    for (int x = 0; x < g->in_width; x++) {
        float sum = 0;
        for (int o = c / inputs * outputs; o < (c / inputs + 1) * outputs; o++)
        for (int i = g->kernel_height - 1; i >= 0; i--)
        for (int j = g->kernel_width - 1; j >= 0; j--) {
            int r = y + g->pad_top - i, q = x + g->pad_left - j;
            int inside = r >= 0 && q >= 0 && r < g->out_height && q < g->out_width;
            sum += w[((o * inputs + c % inputs) * g->kernel_height + i) * g->kernel_width + j] *
                   (inside ? dz[((n * g->out_channels + o) * g->out_height + r) * g->out_width + q] : 0);
        }
        *dx++ = sum;
    }
}

/* runs of 64 pixels; within a run element after element of the kernel, then pixel after pixel */
void naive_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups, plane = g->out_height * g->out_width;
    for (int i = 0; i < g->batch * g->in_channels * g->in_height * g->in_width; i++) {
        dx[i] = 0;
    }
    if (tk_collects(g) && !tk_is_pointwise(g)) {
        collect(g, dx, dz, w);
        return;
    }
    for (int n = 0; n < g->batch; n++)
    for (int group = 0; group < g->groups; group++)
    for (int first = 0; first < plane; first += 64)
    for (int c = 0; c < inputs; c++)
    for (int i = 0; i < g->kernel_height; i++)
    for (int j = 0; j < g->kernel_width; j++)
    for (int p = first; p < first + 64 && p < plane; p++) {
        int y = p / g->out_width * g->stride_height - g->pad_top + i;
        int x = p % g->out_width * g->stride_width - g->pad_left + j;
        float sum = 0;
        for (int o = group * outputs; o < (group + 1) * outputs; o++) {
            sum += dz[(n * g->out_channels + o) * plane + p] *
                   w[((o * inputs + c) * g->kernel_height + i) * g->kernel_width + j];
        }
        if (y >= 0 && x >= 0 && y < g->in_height && x < g->in_width) {
            dx[((n * g->in_channels + group * inputs + c) * g->in_height + y) * g->in_width + x] += sum;
        }
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
