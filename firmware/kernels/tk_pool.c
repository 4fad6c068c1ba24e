/* SPDX-License-Identifier: Apache-2.0
 * Pooling: the largest element or the average of each window; padding is never the largest. */
#include "tk_conv.h"

typedef struct { /* a window cut to the image: rows and columns of the window, and where its corner lies */
    int row, row_end, column, column_end, top, left;
} window_t;

static window_t window_at(const tk_conv_t *g, int row, int column) {
    window_t w = {0, g->kernel_height, 0, g->kernel_width, row * g->stride_height - g->pad_top,
                  column * g->stride_width - g->pad_left};
    w.row = w.top < 0 ? -w.top : 0;
    w.column = w.left < 0 ? -w.left : 0;
    w.row_end = g->in_height - w.top < w.row_end ? g->in_height - w.top : w.row_end;
    w.column_end = g->in_width - w.left < w.column_end ? g->in_width - w.left : w.column_end;
    return w;
}

/* index in the window of its largest element */
static int largest(const tk_conv_t *g, const window_t *w, const float *x, float *value) {
    int best = w->row * g->kernel_width + w->column;
    float top = x[(w->top + w->row) * g->in_width + w->left + w->column];
    for (int r = w->row; r < w->row_end; r++) {
        const float *at = x + (w->top + r) * g->in_width + w->left;
        for (int c = w->column; c < w->column_end; c++) {
            if (at[c] > top) {
                top = at[c];
                best = r * g->kernel_width + c;
            }
        }
    }
    *value = top;
    return best;
}

/* the same for a window of 2 x 2 inside the image, the most frequent one */
static inline int largest_of_four(const float *upper, const float *lower, float *value) {
    int best = 0;
    float top = upper[0];
    if (upper[1] > top) {
        top = upper[1], best = 1;
    }
    if (lower[0] > top) {
        top = lower[0], best = 2;
    }
    if (lower[1] > top) {
        top = lower[1], best = 3;
    }
    *value = top;
    return best;
}

void tk_maxpool2d_forward(const tk_conv_t *g, float *y, void *argmax, const float *x) {
    int wide = g->kernel_height * g->kernel_width > 256, width = g->in_width;
    int fours = g->kernel_height == 2 && g->kernel_width == 2 && g->pad_top == 0 && g->pad_left == 0 &&
                (g->out_height - 1) * g->stride_height + 2 <= g->in_height &&
                (g->out_width - 1) * g->stride_width + 2 <= width;
    size_t i = 0;
    for (int n = 0; n < g->batch * g->in_channels; n++, x += (size_t)g->in_height * (size_t)g->in_width) {
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++, i++) {
                int best;
                if (fours) {
                    const float *at = x + row * g->stride_height * width + column * g->stride_width;
                    best = largest_of_four(at, at + width, y + i);
                } else {
                    window_t w = window_at(g, row, column);
                    best = largest(g, &w, x, y + i);
                }
                if (argmax && wide) {
                    ((uint16_t *)argmax)[i] = (uint16_t)best;
                } else if (argmax) {
                    ((uint8_t *)argmax)[i] = (uint8_t)best;
                }
            }
        }
    }
}

void tk_maxpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, const void *argmax) {
    int wide = g->kernel_height * g->kernel_width > 256;
    size_t i = 0, plane = (size_t)g->in_height * (size_t)g->in_width;
    tk_fill(dx, 0.0f, (size_t)g->batch * (size_t)g->in_channels * plane);
    for (int n = 0; n < g->batch * g->in_channels; n++, dx += plane) {
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++, i++) {
                int best = wide ? ((const uint16_t *)argmax)[i] : ((const uint8_t *)argmax)[i];
                int r = best / g->kernel_width, c = best - r * g->kernel_width;
                float *at = dx + (row * g->stride_height - g->pad_top + r) * g->in_width +
                            (column * g->stride_width - g->pad_left + c);
                *at = *at + dy[i];
            }
        }
    }
}

/* Each window owns the columns and rows from its own corner to the next window's, so that all of dx is written once. */
static void route(const tk_conv_t *g, float *dx, float d, int row, int column) {
    window_t w = window_at(g, row, column);
    float top;
    int best = largest(g, &w, dx, &top);
    int best_row = w.top + best / g->kernel_width, best_column = w.left + best % g->kernel_width;
    int row_end = row + 1 < g->out_height ? w.top + g->stride_height : g->in_height;
    int column_end = column + 1 < g->out_width ? w.left + g->stride_width : g->in_width;
    for (int r = row ? w.top : 0; r < row_end; r++) {
        for (int c = column ? w.left : 0; c < column_end; c++) {
            dx[r * g->in_width + c] = r == best_row && c == best_column ? d : 0.0f;
        }
    }
}

void tk_maxpool2d_backward_inplace(const tk_conv_t *g, float *dx, const float *dy) {
    for (int n = 0; n < g->batch * g->in_channels; n++, dx += (size_t)g->in_height * (size_t)g->in_width) {
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++) {
                route(g, dx, *dy++, row, column);
            }
        }
    }
}

static float share(const tk_conv_t *g, const window_t *w, int count_padding) {
    int count = (w->row_end - w->row) * (w->column_end - w->column);
    if (count_padding) {
        count = g->kernel_height * g->kernel_width;
    }
    return 1.0f / (float)count;
}

void tk_avgpool2d_forward(const tk_conv_t *g, float *y, const float *x, int count_padding) {
    for (int n = 0; n < g->batch * g->in_channels; n++, x += (size_t)g->in_height * (size_t)g->in_width) {
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++) {
                window_t w = window_at(g, row, column);
                float sum = 0.0f;
                for (int r = w.row; r < w.row_end; r++) {
                    const float *at = x + (w.top + r) * g->in_width + w.left;
                    for (int c = w.column; c < w.column_end; c++) {
                        sum = sum + at[c];
                    }
                }
                *y++ = sum * share(g, &w, count_padding);
            }
        }
    }
}

void tk_avgpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, int count_padding) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width;
    tk_fill(dx, 0.0f, (size_t)g->batch * (size_t)g->in_channels * plane);
    for (int n = 0; n < g->batch * g->in_channels; n++, dx += plane) {
        for (int row = 0; row < g->out_height; row++) {
            for (int column = 0; column < g->out_width; column++) {
                window_t w = window_at(g, row, column);
                float d = *dy++ * share(g, &w, count_padding);
                for (int r = w.row; r < w.row_end; r++) {
                    float *at = dx + (w.top + r) * g->in_width + w.left;
                    for (int c = w.column; c < w.column_end; c++) {
                        at[c] = at[c] + d;
                    }
                }
            }
        }
    }
}

void tk_global_average_forward(float *y, const float *x, int planes, int spatial) {
    float factor = 1.0f / (float)spatial;
    for (int n = 0; n < planes; n++) {
        float sum = 0.0f;
        for (int i = 0; i < spatial; i++) {
            sum = sum + *x++;
        }
        y[n] = sum * factor;
    }
}

void tk_global_average_backward(float *dx, const float *dy, int planes, int spatial) {
    float factor = 1.0f / (float)spatial;
    for (int n = 0; n < planes; n++) {
        float d = dy[n] * factor;
        for (int i = 0; i < spatial; i++) {
            *dx++ = d;
        }
    }
}
