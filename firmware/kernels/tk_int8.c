/* SPDX-License-Identifier: Apache-2.0
 * Eight-bit layers on top of tk_int8_rows. */
#include "tk_int8.h"

enum { ROWS = 64, COLUMNS = 448 };

/* halves go upwards: a bit more than the result is kept, one added, and the bit dropped */
static inline int8_t requantise(int32_t sum, const tk_scale_t *s, int output) {
    int64_t product = (int64_t)sum * s->multiplier[output], value;
    int shift = s->shift[output] - 1;
    if (shift >= 32) { /* the usual case, in one register: |product| < 2^62 */
        int32_t narrow = s->zero + ((((int32_t)(product >> 32) >> (shift - 32)) + 1) >> 1);
        return (int8_t)(narrow < s->low ? s->low : narrow > s->high ? s->high : narrow);
    }
    value = s->zero + (((product >> shift) + 1) >> 1);
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

typedef struct { /* one row of a channel's result */
    const tk_conv_t *g;
    const int8_t *x, *filter;
    const tk_scale_t *scale;
    int channel, top, first, end; /* rows of the filter inside the image */
    int32_t base;                 /* bias and the filter's rows outside */
    int8_t padding;
} row_t;

static row_t row_at(const tk_conv_t *g, const int8_t *filter, const tk_scale_t *scale, int channel, int row, int8_t padding) {
    row_t t = {.g = g, .filter = filter, .scale = scale, .channel = channel, .padding = padding};
    t.top = row * g->stride_height - g->pad_top;
    t.first = t.top < 0 ? -t.top : 0;
    t.end = g->in_height - t.top < g->kernel_height ? g->in_height - t.top : g->kernel_height;
    t.base = scale->bias[channel];
    for (int i = 0; i < g->kernel_height; i++) {
        for (int j = 0; (i < t.first || i >= t.end) && j < g->kernel_width; j++) {
            t.base += padding * filter[i * g->kernel_width + j];
        }
    }
    return t;
}

/* columns outside the image read the padding */
static int32_t one_pixel(const row_t *t, int column) {
    const tk_conv_t *g = t->g;
    int left = column * g->stride_width - g->pad_left;
    int32_t sum = t->base;
    for (int i = t->first; i < t->end; i++) {
        const int8_t *line = t->x + (t->top + i) * g->in_width, *f = t->filter + i * g->kernel_width;
        for (int j = 0; j < g->kernel_width; j++) {
            sum += ((unsigned)(left + j) < (unsigned)g->in_width ? line[left + j] : t->padding) * f[j];
        }
    }
    return sum;
}

/* Four pixels from column on, or some before it where the row ends: returns the column behind them, or 0 when windows reach
 * over an end of the row. */
static int four_pixels(const row_t *t, int8_t *y, int column) {
    const tk_conv_t *g = t->g;
    int last = g->in_width - 6 + g->pad_left, back = column < last ? 0 : column - last;
    column -= back;
    if (g->kernel_width != 3 || g->stride_width != 1 || back > 3 || column < g->pad_left || column + 4 > g->out_width) {
        return 0;
    }
    int32_t sums[4] = {t->base, t->base, t->base, t->base};
    tk_int8_windows(sums, t->x + (t->top + t->first) * g->in_width + column - g->pad_left, (size_t)g->in_width,
                    t->filter + 3 * t->first, t->end - t->first);
    int8_t y0 = requantise(sums[0], t->scale, t->channel), y1 = requantise(sums[1], t->scale, t->channel);
    int8_t y2 = requantise(sums[2], t->scale, t->channel), y3 = requantise(sums[3], t->scale, t->channel);
    y[column] = y0, y[column + 1] = y1, y[column + 2] = y2, y[column + 3] = y3; /* last: bytes may alias the scale */
    return column + 4;
}

static void depthwise_row(const row_t *t, int8_t *y) {
    for (int column = 0; column < t->g->out_width;) {
        int next = four_pixels(t, y, column);
        if (next <= column) {
            y[column] = requantise(one_pixel(t, column), t->scale, t->channel);
            next = column + 1;
        }
        column = next;
    }
}

void tk_int8_depthwise(const tk_conv_t *g, int8_t *y, const int8_t *x, const int8_t *w, const tk_scale_t *scale,
                       int8_t padding) {
    int window = g->kernel_height * g->kernel_width;
    for (int n = 0; n < g->batch * g->in_channels; n++, x += g->in_height * g->in_width) {
        int channel = n % g->in_channels;
        for (int row = 0; row < g->out_height; row++, y += g->out_width) {
            row_t t = row_at(g, w + channel * window, scale, channel, row, padding);
            t.x = x;
            depthwise_row(&t, y);
        }
    }
}
