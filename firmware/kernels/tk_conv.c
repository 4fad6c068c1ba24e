/* SPDX-License-Identifier: Apache-2.0
 * Convolution, forward and backward to the data, as implicit matrix products: what four pixels read is gathered into a
 * panel on the stack, TK_DEPTH products at a time; a whole im2col buffer never exists. */
#include "tk_block.h"
#include "tk_gather.h"

/* a 1 x 1 kernel without stride and padding is a plain matrix product over the pixels of an image */
static int is_pointwise(const tk_conv_t *g) {
    return g->kernel_height == 1 && g->kernel_width == 1 && g->stride_height == 1 && g->stride_width == 1 &&
           g->pad_top == 0 && g->pad_left == 0 && g->in_width == g->out_width && g->in_height == g->out_height;
}

/* c [rows, pixels] += a . panel for four pixels of which `count` exist; `repeats` pieces of `depth` elements, whose rows
 * of a lie lda apart and from piece to piece a_jump further on */
typedef struct {
    const float *a, *panel;
    size_t lda, a_jump;
    int rows, count, depth, repeats;
} product_t;

static void one_row(float *c, const float *a, const product_t *t) {
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    const float *panel = t->panel;
    for (int j = 0; j < t->count; j++) {
        sums[j] = c[j];
    }
    for (int i = 0; i < t->repeats; i++) {
        tk_combine_rows(sums, a, panel, 4, 4, t->depth);
        a += (size_t)t->depth + t->a_jump;
        panel += 4 * t->depth;
    }
    for (int j = 0; j < t->count; j++) {
        c[j] = sums[j];
    }
}

static void add_product(float *c, size_t ldc, const product_t *t) {
    int row = 0;
    if (t->count == 4 && t->rows >= 4) {
        tk_panel_t blocks = {c, t->a, t->panel, ldc, t->lda, 4 * ldc, 4 * t->lda, t->a_jump, t->rows / 4, t->depth,
                             t->repeats};
        tk_blocks_panel(&blocks);
        row = t->rows & ~3;
    }
    for (; row < t->rows; row++) {
        one_row(c + (size_t)row * ldc, t->a + (size_t)row * t->lda, t);
    }
}

/* y += w x for the output channels of one group */
static void forward_group(const tk_conv_t *g, float *y, const float *x, const float *w) {
    float panel[4 * TK_DEPTH];
    int total = g->out_height * g->out_width, outputs = g->out_channels / g->groups;
    int k = g->in_channels / g->groups * g->kernel_height * g->kernel_width;
    int most = g->kernel_width < TK_DEPTH ? TK_DEPTH / g->kernel_width * g->kernel_width : TK_DEPTH; /* whole rows */
    tk_source_t source = {x, g->in_height, g->in_width, g->kernel_height, g->kernel_width, 1, 1, 1};
    for (int first = 0; first < total; first += 4) {
        tk_pixels_t p = tk_pixels(first, total, g->out_width, g->stride_height, g->stride_width, -g->pad_top, -g->pad_left);
        tk_element_t e = {0, 0, 0};
        for (int done = 0; done < k; done += most) {
            int depth = k - done < most ? k - done : most;
            tk_gather(panel, &source, &p, &e, depth);
            product_t t = {w + done, panel, (size_t)k, 0, outputs, p.count, depth, 1};
            add_product(y + first, (size_t)total, &t);
        }
    }
}

void tk_conv2d_forward(const tk_conv_t *g, float *y, size_t y_image, const float *x, const float *w, const float *b,
                       int activation) {
    int total = g->out_height * g->out_width, outputs = g->out_channels / g->groups, inputs = g->in_channels / g->groups;
    int pointwise = is_pointwise(g);
    size_t image = (size_t)inputs * (size_t)g->in_height * (size_t)g->in_width;
    size_t weights = (size_t)outputs * (size_t)inputs * (size_t)g->kernel_height * (size_t)g->kernel_width;
    for (int n = 0; n < g->batch; n++, y += y_image) {
        for (int o = 0; o < g->out_channels; o++) {
            tk_fill(y + (size_t)o * (size_t)total, b ? b[o] : 0.0f, (size_t)total);
        }
        for (int group = 0; group < g->groups; group++, x += image) {
            float *z = y + (size_t)(group * outputs) * (size_t)total;
            const float *v = w + (size_t)group * weights;
            if (pointwise) {
                tk_gemm_nn(z, (size_t)total, v, (size_t)inputs, x, (size_t)total, outputs, total, inputs);
            } else {
                forward_group(g, z, x, v);
            }
        }
        if (activation != TK_NONE) {
            tk_activate(y, y, (size_t)g->out_channels * (size_t)total, activation);
        }
    }
}

/* How many elements of (output channel, row, column) go into one panel: whole windows, or a part of one. */
static int piece_of(int window, int in_window, int left) {
    if (window > TK_DEPTH) {
        return window - in_window < TK_DEPTH ? window - in_window : TK_DEPTH;
    }
    int whole = TK_DEPTH / window * window;
    return left < whole ? left : whole;
}

/* dx += w' dz for the input channels of one group */
static void backward_group(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    float panel[4 * TK_DEPTH];
    int total = g->in_height * g->in_width, inputs = g->in_channels / g->groups;
    int window = g->kernel_height * g->kernel_width, k = g->out_channels / g->groups * window;
    tk_source_t source = {dz, g->out_height, g->out_width, g->kernel_height, g->kernel_width, -1,
                          g->stride_height, g->stride_width};
    for (int first = 0; first < total; first += 4) {
        tk_pixels_t p = tk_pixels(first, total, g->in_width, 1, 1, g->pad_top, g->pad_left);
        tk_element_t e = {0, 0, 0};
        for (int done = 0; done < k;) {
            int output = done / window, in_window = done - output * window, count = piece_of(window, in_window, k - done);
            int depth = count < window ? count : window;
            const float *a = w + (size_t)output * (size_t)inputs * (size_t)window + in_window;
            tk_gather(panel, &source, &p, &e, count);
            product_t t = {a, panel, (size_t)window, (size_t)(inputs - 1) * (size_t)window, inputs, p.count, depth,
                           count / depth};
            add_product(dx + first, (size_t)total, &t);
            done += count;
        }
    }
}

void tk_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    size_t total = (size_t)g->in_height * (size_t)g->in_width, pixels = (size_t)g->out_height * (size_t)g->out_width;
    int inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups, pointwise = is_pointwise(g);
    size_t weights = (size_t)outputs * (size_t)inputs * (size_t)g->kernel_height * (size_t)g->kernel_width;
    tk_fill(dx, 0.0f, (size_t)g->batch * (size_t)g->in_channels * total);
    for (int n = 0; n < g->batch; n++) {
        for (int group = 0; group < g->groups; group++) {
            const float *v = w + (size_t)group * weights;
            if (pointwise) {
                tk_gemm_tn(dx, total, 1.0f, v, (size_t)inputs, dz, total, inputs, (int)total, outputs);
            } else {
                backward_group(g, dx, dz, v);
            }
            dx += (size_t)inputs * total;
            dz += (size_t)outputs * pixels;
        }
    }
}
