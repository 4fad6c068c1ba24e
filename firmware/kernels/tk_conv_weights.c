/* SPDX-License-Identifier: Apache-2.0
 * The weight gradient of a convolution: four elements of the kernel at a time, what they read under a run of pixels is
 * copied into rows (zeros for padding), and these are multiplied with rows of dz; summed over all images, delivered once. */
#include "tk_block.h"
#include "tk_gather.h"

enum { RUN = 128, OUTPUTS = 16 };

typedef struct {
    const tk_conv_t *g;
    const float *dz, *x; /* of the group's first image */
    size_t z_image;      /* elements of dz from one image to the next */
    int pixels, outputs; /* of dz; output channels that are summed at once, at most OUTPUTS */
} task_t;

/* row[i] = what element e reads under pixel first + i */
static void copy_run(float *row, const tk_conv_t *g, const float *x, const tk_element_t *e, int first, int count) {
    const float *plane = x + (size_t)e->channel * (size_t)g->in_height * (size_t)g->in_width;
    int line = first / g->out_width, column = first - line * g->out_width, step = g->stride_width;
    while (count > 0) {
        int length = g->out_width - column < count ? g->out_width - column : count, i = 0;
        int y = line * g->stride_height - g->pad_top + e->row, at = column * step - g->pad_left + e->column;
        const float *source = plane + y * g->in_width;
        if ((unsigned)y < (unsigned)g->in_height) {
            for (; i < length && at < 0; i++, at += step) {
                row[i] = 0.0f;
            }
            if (step == 1) {
                int end = i + g->in_width - at < length ? i + g->in_width - at : length;
                if (i < end) {
                    tk_copy(row + i, source + at, end - i);
                    i = end;
                }
            } else {
                for (; i < length && at < g->in_width; i++, at += step) {
                    row[i] = source[at];
                }
            }
        }
        for (; i < length; i++) {
            row[i] = 0.0f;
        }
        row += length;
        count -= length;
        column = 0;
        line++;
    }
}

/* tile [outputs, 4] = gradient of `count` elements of the kernel from `e` on */
static void element_gradients(const task_t *t, float *tile, const tk_element_t *e, int count) {
    float rows[4 * RUN];
    const tk_conv_t *g = t->g;
    const float *dz = t->dz, *x = t->x;
    size_t plane = (size_t)t->pixels;
    tk_fill(tile, 0.0f, 4 * OUTPUTS);
    for (int n = 0; n < g->batch; n++) {
        for (int first = 0; first < t->pixels; first += RUN) {
            int length = t->pixels - first < RUN ? t->pixels - first : RUN, o = 0;
            for (int i = 0; i < count; i++) {
                copy_run(rows + i * RUN, g, x, e + i, first, length);
            }
            if (count == 4) {
                tk_blocks_t blocks = {tile, dz + first, rows, 4, plane, RUN, 16, 4 * plane, 0, t->outputs / 4, length};
                tk_blocks_nt(&blocks);
                for (o = t->outputs & ~3; o < t->outputs; o++) {
                    tk_dot_rows(tile + 4 * o, 1, rows, RUN, dz + (size_t)o * plane + first, 4, length);
                }
            } else {
                for (int i = 0; i < count; i++) {
                    tk_dot_rows(tile + i, 4, dz + first, plane, rows + i * RUN, t->outputs, length);
                }
            }
        }
        dz += t->z_image;
        x += (size_t)g->in_channels * (size_t)g->in_height * (size_t)g->in_width;
    }
}

static void bias_gradient(const tk_conv_t *g, const tk_sink_t *bias, const float *dz, size_t z_image) {
    size_t plane = (size_t)g->out_height * (size_t)g->out_width;
    for (int o = 0; o < g->out_channels; o++) {
        float sum = 0.0f;
        for (int n = 0; n < g->batch; n++) {
            const float *d = dz + (size_t)n * z_image + (size_t)o * plane;
            for (size_t i = 0; i < plane; i++) {
                sum = sum + d[i];
            }
        }
        tk_sink(bias, (size_t)o, sum);
    }
}

void tk_conv2d_backward_weights(const tk_conv_t *g, const tk_sink_t *weights, const tk_sink_t *bias, const float *dz,
                                size_t z_image, const float *x) {
    float tile[4 * OUTPUTS];
    int outputs = g->out_channels / g->groups, inputs = g->in_channels / g->groups;
    int k = inputs * g->kernel_height * g->kernel_width;
    task_t t = {g, dz, x, z_image, g->out_height * g->out_width, 0};
    for (int first = 0; first < g->out_channels; first += t.outputs) {
        int left = outputs - first % outputs; /* of this group */
        t.outputs = left < OUTPUTS ? left : OUTPUTS;
        t.dz = dz + (size_t)first * (size_t)t.pixels;
        t.x = x + (size_t)(first / outputs * inputs) * (size_t)g->in_height * (size_t)g->in_width;
        tk_element_t e[5] = {{0, 0, 0}};
        for (int at = 0; at < k; at += 4, e[0] = e[4]) {
            int count = k - at < 4 ? k - at : 4;
            for (int i = 0; i < 4; i++) {
                e[i + 1] = e[i];
                tk_next_element(&e[i + 1], g);
            }
            element_gradients(&t, tile, e, count);
            for (int o = 0; o < t.outputs; o++) {
                for (int i = 0; i < count; i++) {
                    tk_sink(weights, (size_t)(first + o) * (size_t)k + (size_t)(at + i), tile[4 * o + i]);
                }
            }
        }
    }
    if (bias->w) {
        bias_gradient(g, bias, dz, z_image);
    }
}
