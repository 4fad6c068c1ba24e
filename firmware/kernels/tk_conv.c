/* SPDX-License-Identifier: Apache-2.0
 * Convolution forward as an implicit matrix product, where it is not direct: what four pixels read is gathered into a panel on the stack,
 * TK_DEPTH products at a time; a whole im2col buffer never exists. */
#include "tk_block.h"
#include "tk_conv_direct.h"

/* c [rows, pixels] += a . panel for four pixels of which `count` exist */
typedef struct {
    const float *a, *panel;
    size_t lda;
    int rows, count, depth;
} product_t;

static void one_row(float *c, const float *a, const product_t *t) {
    if (t->count == 4) {
        tk_combine_rows(c, a, t->panel, 4, 4, t->depth);
        return;
    }
    float sums[4] = {0.0f, 0.0f, 0.0f, 0.0f};
    for (int j = 0; j < t->count; j++) {
        sums[j] = c[j];
    }
    tk_combine_rows(sums, a, t->panel, 4, 4, t->depth);
    for (int j = 0; j < t->count; j++) {
        c[j] = sums[j];
    }
}

static void add_product(float *c, size_t ldc, const product_t *t) {
    int row = 0;
    if (t->count == 4 && t->rows >= 4) {
        tk_blocks_t blocks = {c, t->a, t->panel, ldc, t->lda, 4, 4 * ldc, 4 * t->lda, 0, t->rows / 4, t->depth};
        tk_blocks_nn(&blocks);
        row = t->rows & ~3;
    }
    for (; row < t->rows; row++) {
        one_row(c + (size_t)row * ldc, t->a + (size_t)row * t->lda, t);
    }
}

static void forward_direct(const tk_conv_t *g, float *y, const float *x, const float *w) {
    size_t elements = (size_t)g->kernel_height * (size_t)g->kernel_width;
    int outputs = g->out_channels / g->groups, inputs = g->in_channels / g->groups;
    tk_direct_t d = {y, x, w, (size_t)inputs * elements, elements, outputs, g->out_height, g->out_width, inputs,
                     g->in_height, g->in_width, g->kernel_height, g->kernel_width, g->pad_top, g->pad_left, 0};
    tk_direct(&d);
}

/* y += w x for the output channels of one group */
static void forward_group(const tk_conv_t *g, float *y, const float *x, const float *w) {
    float panel[4 * TK_DEPTH];
    int total = g->out_height * g->out_width, outputs = g->out_channels / g->groups;
    int k = g->in_channels / g->groups * g->kernel_height * g->kernel_width;
    int most = g->kernel_width < TK_DEPTH ? TK_DEPTH / g->kernel_width * g->kernel_width : TK_DEPTH; /* whole rows */
    tk_source_t source = {x, g->in_height, g->in_width, g->kernel_height, g->kernel_width};
    for (int first = 0; first < total; first += 4) {
        tk_pixels_t p = tk_pixels(first, total, g->out_width, g->stride_height, g->stride_width, -g->pad_top, -g->pad_left);
        tk_element_t e = {0, 0, 0};
        for (int done = 0; done < k; done += most) {
            int depth = k - done < most ? k - done : most;
            tk_gather(panel, &source, &p, &e, depth);
            product_t t = {w + done, panel, (size_t)k, outputs, p.count, depth};
            add_product(y + first, (size_t)total, &t);
        }
    }
}

void tk_conv2d_forward(const tk_conv_t *g, float *y, size_t y_image, const float *x, const float *w, const float *b,
                       int activation) {
    int total = g->out_height * g->out_width, outputs = g->out_channels / g->groups, inputs = g->in_channels / g->groups;
    int pointwise = tk_is_pointwise(g);
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
            } else if (tk_is_direct(g)) {
                forward_direct(g, z, x, v);
            } else {
                forward_group(g, z, x, v);
            }
        }
        if (activation != TK_NONE) {
            tk_activate(y, y, (size_t)g->out_channels * (size_t)total, activation);
        }
    }
}
