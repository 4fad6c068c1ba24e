/* SPDX-License-Identifier: Apache-2.0
 * Eight-bit layers on top of tk_int8_rows. */
#include "tk_int8.h"

enum { ROWS = 64, COLUMNS = 448 };

static int8_t requantise(int32_t sum, const tk_scale_t *s, int output) {
    int64_t product = (int64_t)sum * s->multiplier[output] + ((int64_t)1 << (s->shift[output] - 1));
    int64_t value = s->zero + (product >> s->shift[output]);
    return (int8_t)(value < s->low ? s->low : value > s->high ? s->high : value);
}

void tk_int8_dense(int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale, int batch, int inputs,
                   int outputs) {
    int32_t pairs[COLUMNS / 2], sums[ROWS];
    for (; batch > 0; batch--, x += inputs) {
        for (int first = 0; first < outputs; first += ROWS) {
            int rows = outputs - first < ROWS ? outputs - first : ROWS;
            for (int r = 0; r < rows; r++) {
                sums[r] = scale->bias[first + r];
            }
            for (int done = 0; done < inputs; done += COLUMNS) {
                int count = inputs - done < COLUMNS ? inputs - done : COLUMNS;
                tk_int8_spread(pairs, x + done, count);
                tk_int8_rows(sums, w + (size_t)first * (size_t)inputs + done, (size_t)inputs, pairs, rows, count);
            }
            for (int r = 0; r < rows; r++) {
                *y++ = requantise(sums[r], scale, first + r);
            }
        }
    }
}

/* the bytes under one window, padding included */
static void gather(int8_t *patch, const tk_conv_t *g, const int8_t *x, int channels, int top, int left, int8_t padding) {
    for (int c = 0; c < channels; c++, x += g->in_height * g->in_width) {
        for (int i = 0; i < g->kernel_height; i++) {
            int row = top + i;
            for (int j = 0; j < g->kernel_width; j++) {
                int column = left + j;
                int inside = (unsigned)row < (unsigned)g->in_height && (unsigned)column < (unsigned)g->in_width;
                *patch++ = inside ? x[row * g->in_width + column] : padding;
            }
        }
    }
}

static void conv_pixel(const tk_conv_t *g, int8_t *y, const int32_t *pairs, const int8_t *w, const tk_scale_t *scale,
                       int first_output, int k) {
    int32_t sums[ROWS];
    int outputs = g->out_channels / g->groups, plane = g->out_height * g->out_width;
    for (int first = 0; first < outputs; first += ROWS) {
        int rows = outputs - first < ROWS ? outputs - first : ROWS;
        for (int r = 0; r < rows; r++) {
            sums[r] = scale->bias[first_output + first + r];
        }
        tk_int8_rows(sums, w + (size_t)first * (size_t)k, (size_t)k, pairs, rows, k);
        for (int r = 0; r < rows; r++) {
            y[(first + r) * plane] = requantise(sums[r], scale, first_output + first + r);
        }
    }
}

int tk_int8_conv2d(const tk_conv_t *g, int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale,
                   int8_t padding) {
    int8_t patch[TK_INT8_DEPTH];
    int32_t pairs[TK_INT8_DEPTH / 2];
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    int k = inputs * g->kernel_height * g->kernel_width, plane = g->out_height * g->out_width;
    if (k > TK_INT8_DEPTH) {
        return -1;
    }
    for (int n = 0; n < g->batch * g->groups; n++, y += outputs * plane, x += inputs * g->in_height * g->in_width) {
        int group = n % g->groups;
        for (int pixel = 0; pixel < plane; pixel++) {
            int row = pixel / g->out_width, column = pixel - row * g->out_width;
            gather(patch, g, x, inputs, row * g->stride_height - g->pad_top, column * g->stride_width - g->pad_left,
                   padding);
            tk_int8_spread(pairs, patch, k);
            conv_pixel(g, y + pixel, pairs, w + (size_t)(group * outputs) * (size_t)k, scale, group * outputs, k);
        }
    }
    return 0;
}

void tk_int8_depthwise(const tk_conv_t *g, int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale,
                       int8_t padding) {
    int window = g->kernel_height * g->kernel_width;
    for (int n = 0; n < g->batch * g->in_channels; n++, x += g->in_height * g->in_width) {
        int channel = n % g->in_channels;
        const int8_t *filter = w + channel * window;
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++) {
                int top = row * g->stride_height - g->pad_top, left = column * g->stride_width - g->pad_left;
                int32_t sum = scale->bias[channel];
                for (int i = 0; i < g->kernel_height; i++) {
                    int inside = (unsigned)(top + i) < (unsigned)g->in_height;
                    const int8_t *line = x + (top + i) * g->in_width;
                    for (int j = 0; j < g->kernel_width; j++) {
                        int there = inside && (unsigned)(left + j) < (unsigned)g->in_width;
                        sum += (there ? line[left + j] : padding) * filter[i * g->kernel_width + j];
                    }
                }
                *y++ = requantise(sum, scale, channel);
            }
        }
    }
}
