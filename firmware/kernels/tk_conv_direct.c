/* SPDX-License-Identifier: Apache-2.0
 * Convolution without stride under a kernel three or five columns wide: the windows of four neighbours overlap, so that
 * kernel + 3 words of a row serve all their products. Nothing is gathered but where windows reach over the image's ends. */
#include "tk_block.h"
#include "tk_conv_direct.h"

enum { STRIP = 384 };

typedef struct { /* four output channels from `first` on and some input channels */
    const tk_direct_t *d;
    const float *panel;
    int first, outputs, channel, channels;
} part_t;

/* panel [channels, rows, columns, 4]; output channels that do not exist have zeros */
static void pack(float *panel, const part_t *t) {
    const tk_direct_t *d = t->d;
    int elements = d->kernel_height * d->kernel_width;
    for (int c = t->channel; c < t->channel + t->channels; c++) {
        for (int e = 0; e < elements; e++) {
            const float *w = d->w + (size_t)c * d->w_channel + (d->flipped ? elements - 1 - e : e);
            for (int r = 0; r < 4; r++) {
                *panel++ = r < t->outputs ? w[(size_t)(t->first + r) * d->w_output] : 0.0f;
            }
        }
    }
}

/* strip [channels, rows, kernel + 3] of x from row top and column left on, zeros outside the image */
static void cut(float *strip, const part_t *t, int top, int rows, int left) {
    const tk_direct_t *d = t->d;
    int width = d->kernel_width + 3, begin = left < 0 ? -left : 0, end = d->width - left < width ? d->width - left : width;
    const float *line = d->x + (t->channel * d->height + top) * d->width + left;
    tk_fill(strip, 0.0f, (size_t)(t->channels * rows * width));
    for (int c = 0; c < t->channels; c++, line += (d->height - rows) * d->width) {
        for (int i = top; i < top + rows; i++, strip += width, line += d->width) {
            if ((unsigned)i < (unsigned)d->height) {
                tk_copy(strip + begin, line + begin, end - begin);
            }
        }
    }
}

/* y += the products of `w`'s blocks, whose last has `pixels` pixels: through a tile where not all of a block exists */
static void multiply(const part_t *t, const tk_windows_t *w, int pixels) {
    void (*windows)(const tk_windows_t *) = t->d->kernel_width == 3 ? tk_windows_3 : tk_windows_5;
    if (pixels == 4 && t->outputs == 4) {
        windows(w);
        return;
    }
    for (int b = 0; b < w->blocks; b++) {
        float tile[16] = {0.0f}, *y = w->c + 4 * b;
        int count = b + 1 < w->blocks ? 4 : pixels;
        tk_windows_t one = {tile, 4, w->panel, w->x + 4 * b, w->row_step, w->channel_step, w->channels, w->rows, 1};
        for (int r = 0; r < t->outputs; r++) {
            tk_copy(tile + 4 * r, y + (size_t)r * w->ldc, count);
        }
        windows(&one);
        for (int r = 0; r < t->outputs; r++) {
            tk_copy(y + (size_t)r * w->ldc, tile + 4 * r, count);
        }
    }
}

static tk_windows_t windows_at(const part_t *t, int row, int column) {
    const tk_direct_t *d = t->d;
    size_t plane = (size_t)d->y_height * (size_t)d->y_width;
    tk_windows_t w = {.c = d->y + (size_t)t->first * plane + row * d->y_width + column, .ldc = plane, .panel = t->panel,
                      .channels = t->channels, .rows = d->kernel_height, .blocks = 1};
    return w;
}

/* four pixels of each of `rows` rows, whose windows reach over the image's ends */
static void at_end(const part_t *t, int row, int rows, int column) {
    float strip[STRIP];
    const tk_direct_t *d = t->d;
    int width = d->kernel_width + 3, pixels = d->y_width - column < 4 ? d->y_width - column : 4;
    cut(strip, t, row - d->pad_top, rows + d->kernel_height - 1, column - d->pad_left);
    for (int i = 0; i < rows; i++) {
        tk_windows_t w = windows_at(t, row + i, column);
        w.x = strip + i * width;
        w.row_step = (size_t)width;
        w.channel_step = (size_t)((rows - 1) * width);
        multiply(t, &w, pixels);
    }
}

/* `blocks` times four pixels of a row, whose windows lie inside the image's columns */
static void in_line(const part_t *t, int row, int column, int blocks) {
    const tk_direct_t *d = t->d;
    int top = row - d->pad_top;
    if (top < 0 || top + d->kernel_height > d->height) {
        for (int b = 0; b < blocks; b++) {
            at_end(t, row, 1, column + 4 * b);
        }
        return;
    }
    tk_windows_t w = windows_at(t, row, column);
    w.x = d->x + (t->channel * d->height + top) * d->width + column - d->pad_left;
    w.row_step = (size_t)d->width;
    w.channel_step = (size_t)((d->height - d->kernel_height) * d->width);
    w.blocks = blocks;
    multiply(t, &w, 4);
}

static void some_rows(const part_t *t, int row, int rows) {
    const tk_direct_t *d = t->d;
    for (int column = 0, blocks; column < d->y_width; column += 4 * blocks) {
        int left = column - d->pad_left, pixels = d->y_width - column, seen = d->width - left - d->kernel_width + 1;
        blocks = left < 0 ? 0 : (pixels < seen ? pixels : seen) / 4;
        for (int i = 0; blocks > 0 && i < rows; i++) {
            in_line(t, row + i, column, blocks);
        }
        if (blocks <= 0) {
            at_end(t, row, rows, column);
            blocks = 1;
        }
    }
}

void tk_direct(const tk_direct_t *d) {
    float panel[4 * TK_DEPTH];
    int most = TK_DEPTH / (d->kernel_height * d->kernel_width);
    for (int channel = 0; channel < d->channels; channel += most) {
        int channels = d->channels - channel < most ? d->channels - channel : most;
        int rows = STRIP / (channels * (d->kernel_width + 3)) - d->kernel_height + 1; /* that a strip serves */
        for (int first = 0; first < d->outputs; first += 4) {
            part_t t = {d, panel, first, d->outputs - first < 4 ? d->outputs - first : 4, channel, channels};
            pack(panel, &t);
            for (int row = 0; row < d->y_height; row += rows) {
                some_rows(&t, row, d->y_height - row < rows ? d->y_height - row : rows);
            }
        }
    }
}
