/* SPDX-License-Identifier: Apache-2.0
 * Convolution and pooling on maps of whole numbers, NCHW, one sample: each receptive field is gathered and multiplied in
 * whatever format the weights have. */
#include "tk_packed.h"

void tk_packed_multiply(int format, int32_t *acc, const void *weights, const void *more, const int16_t *x, int rows,
                        int columns) {
    if (format == TK_DENSE) {
        tk_packed_dense(acc, weights, x, rows, columns);
    } else if (format == TK_DELTA) {
        tk_packed_delta(acc, more, weights, x, rows);
    } else if (format == TK_CSC) {
        tk_packed_csc(acc, more, weights, x, columns);
    } else {
        tk_packed_table(acc, weights, more, x, rows, columns, format == TK_TABLE4 ? 4 : 2);
    }
}

static void gather(int16_t *field, const int16_t *map, const tk_window_t *w, int top, int left) {
    for (int c = 0; c < w->channels; c++, map += w->height * w->width) {
        for (int i = 0; i < w->kernel_height; i++) {
            int row = top + i;
            for (int j = 0; j < w->kernel_width; j++) {
                int column = left + j;
                int inside = row >= 0 && row < w->height && column >= 0 && column < w->width;
                *field++ = inside ? map[row * w->width + column] : 0;
            }
        }
    }
}

void tk_packed_conv(int16_t *out, const int16_t *map, const tk_window_t *w, int16_t *field, int32_t *acc, int channels,
                    const tk_packed_layer_t *layer) {
    int columns = w->channels * w->kernel_height * w->kernel_width, places = w->out_height * w->out_width;
    for (int place = 0; place < places; place++) {
        int top = place / w->out_width * w->stride_height - w->top;
        int left = place % w->out_width * w->stride_width - w->left;
        gather(field, map, w, top, left);
        tk_packed_bias(acc, layer->bias, channels, layer->bias_shift);
        tk_packed_multiply(layer->format, acc, layer->weights, layer->more, field, channels, columns);
        for (int c = 0; c < channels; c++) {
            tk_packed_requantise(out + c * places + place, acc + c, 1, layer->shift, layer->low);
        }
    }
}

void tk_packed_max_pool(int16_t *out, const int16_t *map, const tk_window_t *w) {
    for (int c = 0; c < w->channels; c++, map += w->height * w->width) {
        for (int place = 0; place < w->out_height * w->out_width; place++) {
            int top = place / w->out_width * w->stride_height - w->top;
            int left = place % w->out_width * w->stride_width - w->left, best = -128;
            for (int i = top < 0 ? 0 : top; i < top + w->kernel_height && i < w->height; i++) {
                for (int j = left < 0 ? 0 : left; j < left + w->kernel_width && j < w->width; j++) {
                    int value = map[i * w->width + j];
                    best = value > best ? value : best;
                }
            }
            *out++ = (int16_t)best;
        }
    }
}
