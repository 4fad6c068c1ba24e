/* SPDX-License-Identifier: Apache-2.0
 * Convolution, forward and backward to the data, as implicit matrix products: four pixels and DEPTH products at a time
 * are gathered into a panel on the stack; a whole im2col buffer never exists. */
#include "tk_block.h"
#include "tk_conv.h"

enum { DEPTH = 72 };

typedef struct { /* four neighbouring pixels of the result */
    int rows[4], columns[4], count, inside; /* inside: no element of their windows is padding */
} pixels_t;

/* a 4 x 4 block of which only rows x columns exist */
static void partial_block(float *c, size_t ldc, const float *a, const float *b, int rows, int columns, int depth) {
    float tile[16];
    for (int i = 0; i < 16; i++) {
        tile[i] = i / 4 < rows && i % 4 < columns ? c[(size_t)(i / 4) * ldc + (size_t)(i % 4)] : 0.0f;
    }
    tk_blocks_t t = {tile, a, b, 4, 4, 4, 0, 0, 0, 1, depth};
    tk_blocks_tn(&t);
    for (int r = 0; r < rows; r++) {
        for (int j = 0; j < columns; j++) {
            c[(size_t)r * ldc + (size_t)j] = tile[4 * r + j];
        }
    }
}

static tk_conv_t flattened(const tk_conv_t *g) { /* a 1 x 1 kernel sees one long row */
    tk_conv_t f = *g;
    if (g->kernel_height == 1 && g->kernel_width == 1 && g->stride_height == 1 && g->stride_width == 1 &&
        g->pad_top == 0 && g->pad_left == 0 && g->in_width == g->out_width && g->in_height == g->out_height) {
        f.in_width *= f.in_height;
        f.out_width = f.in_width;
        f.in_height = f.out_height = 1;
    }
    return f;
}

static pixels_t forward_pixels(const tk_conv_t *g, int first, int total) {
    pixels_t p = {.count = total - first < 4 ? total - first : 4, .inside = total - first >= 4};
    int row = first / g->out_width, column = first - row * g->out_width;
    for (int j = 0; j < 4; j++) {
        int top = row * g->stride_height - g->pad_top, left = column * g->stride_width - g->pad_left;
        p.rows[j] = top;
        p.columns[j] = left;
        p.inside &= top >= 0 && left >= 0 && top + g->kernel_height <= g->in_height &&
                    left + g->kernel_width <= g->in_width;
        if (++column == g->out_width) {
            column = 0;
            row++;
        }
    }
    return p;
}

/* The kernel's elements in (channel, row, column) order, from any of them on. */
typedef struct {
    int channel, row, column;
} element_t;

static inline void next_element(element_t *e, const tk_conv_t *g) {
    if (++e->column == g->kernel_width) {
        e->column = 0;
        if (++e->row == g->kernel_height) {
            e->row = 0;
            e->channel++;
        }
    }
}

static void gather_forward(float *panel, const tk_conv_t *g, const float *x, const pixels_t *p, element_t *e,
                           int depth) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width;
    if (p->inside) {
        int o[4];
        for (int j = 0; j < 4; j++) {
            o[j] = p->rows[j] * g->in_width + p->columns[j];
        }
        for (; depth > 0; depth--, panel += 4) {
            const float *at = x + (size_t)e->channel * plane + e->row * g->in_width + e->column;
            panel[0] = at[o[0]], panel[1] = at[o[1]], panel[2] = at[o[2]], panel[3] = at[o[3]];
            next_element(e, g);
        }
        return;
    }
    for (; depth > 0; depth--, panel += 4) {
        const float *at = x + (size_t)e->channel * plane;
        for (int j = 0; j < 4; j++) {
            int row = p->rows[j] + e->row, column = p->columns[j] + e->column;
            int there = j < p->count && (unsigned)row < (unsigned)g->in_height && (unsigned)column < (unsigned)g->in_width;
            panel[j] = there ? at[row * g->in_width + column] : 0.0f;
        }
        next_element(e, g);
    }
}

/* y += w x for the output channels of one group and four pixels */
static void forward_group(const tk_conv_t *g, float *y, const float *x, const float *w, int first, int total) {
    float panel[4 * DEPTH];
    int k = g->in_channels / g->groups * g->kernel_height * g->kernel_width, outputs = g->out_channels / g->groups;
    pixels_t p = forward_pixels(g, first, total);
    element_t e = {0, 0, 0};
    for (int done = 0; done < k; done += DEPTH) {
        int depth = k - done < DEPTH ? k - done : DEPTH, o = 0;
        float *c = y + first;
        const float *a = w + done;
        gather_forward(panel, g, x, &p, &e, depth);
        if (p.count == 4) {
            tk_blocks_t t = {c, a, panel, (size_t)total, (size_t)k, 4, 4 * (size_t)total, 4 * (size_t)k, 0, outputs / 4, depth};
            tk_blocks_nn(&t);
            o = outputs & ~3;
            c += o * total;
            a += o * k;
        }
        for (; o < outputs; o++) {
            float row[4] = {0.0f, 0.0f, 0.0f, 0.0f};
            for (int j = 0; j < p.count; j++) {
                row[j] = c[j];
            }
            tk_combine_rows(row, a, panel, 4, 4, depth);
            for (int j = 0; j < p.count; j++) {
                c[j] = row[j];
            }
            c += total;
            a += k;
        }
    }
}

void tk_conv2d_forward(const tk_conv_t *conv, float *y, size_t y_image, const float *x, const float *w, const float *b,
                       int activation) {
    tk_conv_t g = flattened(conv);
    int total = g.out_height * g.out_width, outputs = g.out_channels / g.groups, inputs = g.in_channels / g.groups;
    size_t image = (size_t)inputs * (size_t)g.in_height * (size_t)g.in_width;
    size_t weights = (size_t)outputs * (size_t)inputs * (size_t)g.kernel_height * (size_t)g.kernel_width;
    for (int n = 0; n < g.batch; n++, y += y_image) {
        for (int o = 0; o < g.out_channels; o++) {
            tk_fill(y + (size_t)o * (size_t)total, b ? b[o] : 0.0f, (size_t)total);
        }
        for (int group = 0; group < g.groups; group++, x += image) {
            for (int first = 0; first < total; first += 4) {
                forward_group(&g, y + (size_t)(group * outputs) * (size_t)total, x, w + (size_t)group * weights, first,
                              total);
            }
        }
        if (activation != TK_NONE) {
            tk_activate(y, y, (size_t)g.out_channels * (size_t)total, activation);
        }
    }
}

static pixels_t backward_pixels(const tk_conv_t *g, int first, int total) {
    pixels_t p = {.count = total - first < 4 ? total - first : 4,
                  .inside = total - first >= 4 && g->stride_height == 1 && g->stride_width == 1};
    int row = first / g->in_width, column = first - row * g->in_width;
    for (int j = 0; j < 4; j++) {
        int bottom = row + g->pad_top, right = column + g->pad_left; /* of dz, under the kernel's element 0, 0 */
        p.rows[j] = bottom;
        p.columns[j] = right;
        p.inside &= bottom >= g->kernel_height - 1 && right >= g->kernel_width - 1 && bottom < g->out_height &&
                    right < g->out_width;
        if (++column == g->in_width) {
            column = 0;
            row++;
        }
    }
    return p;
}

/* the extent's index that the stride reaches, or -1 */
static inline int strided(int distance, int stride, int extent) {
    int index = stride == 1 ? distance : distance / stride;
    return distance >= 0 && index < extent && index * stride == distance ? index : -1;
}

static void gather_backward(float *panel, const tk_conv_t *g, const float *dz, const pixels_t *p, element_t e,
                            int depth) {
    size_t plane = (size_t)g->out_height * (size_t)g->out_width;
    for (; depth > 0; depth--, panel += 4) {
        const float *at = dz + (size_t)e.channel * plane;
        if (p->inside) {
            at -= e.row * g->out_width + e.column;
            for (int j = 0; j < 4; j++) {
                panel[j] = at[p->rows[j] * g->out_width + p->columns[j]];
            }
        } else {
            for (int j = 0; j < 4; j++) {
                int row = strided(p->rows[j] - e.row, g->stride_height, g->out_height);
                int column = strided(p->columns[j] - e.column, g->stride_width, g->out_width);
                panel[j] = j < p->count && row >= 0 && column >= 0 ? at[row * g->out_width + column] : 0.0f;
            }
        }
        next_element(&e, g);
    }
}

/* panel [depth, 4]: the weights of four input channels, for the output channels and elements from e on */
static void gather_weights(float *panel, const tk_conv_t *g, const float *w, int channel, int channels, element_t *e,
                           int depth) {
    int inputs = g->in_channels / g->groups, window = g->kernel_height * g->kernel_width;
    for (; depth > 0; depth--, panel += 4) {
        const float *at = w + ((size_t)e->channel * (size_t)inputs + (size_t)channel) * (size_t)window +
                          e->row * g->kernel_width + e->column;
        for (int j = 0; j < 4; j++) {
            panel[j] = j < channels ? at[j * window] : 0.0f;
        }
        next_element(e, g);
    }
}

static void backward_channels(const tk_conv_t *g, float *dx, const float *dz, const float *w, int channel,
                              int channels) {
    float a[4 * DEPTH], b[4 * DEPTH];
    int total = g->in_height * g->in_width, k = g->out_channels / g->groups * g->kernel_height * g->kernel_width;
    element_t e = {0, 0, 0};
    for (int done = 0; done < k; done += DEPTH) {
        int depth = k - done < DEPTH ? k - done : DEPTH;
        element_t begin = e;
        gather_weights(a, g, w, channel, channels, &e, depth);
        for (int first = 0; first < total; first += 4) {
            pixels_t p = backward_pixels(g, first, total);
            gather_backward(b, g, dz, &p, begin, depth);
            if (channels == 4 && p.count == 4) {
                tk_blocks_t t = {dx + first, a, b, (size_t)total, 4, 4, 0, 0, 0, 1, depth};
                tk_blocks_tn(&t);
            } else {
                partial_block(dx + first, (size_t)total, a, b, channels, p.count, depth);
            }
        }
    }
}

void tk_conv2d_backward_data(const tk_conv_t *conv, float *dx, const float *dz, const float *w) {
    tk_conv_t g = flattened(conv);
    size_t total = (size_t)g.in_height * (size_t)g.in_width, pixels = (size_t)g.out_height * (size_t)g.out_width;
    int inputs = g.in_channels / g.groups, outputs = g.out_channels / g.groups;
    size_t weights = (size_t)outputs * (size_t)inputs * (size_t)g.kernel_height * (size_t)g.kernel_width;
    tk_fill(dx, 0.0f, (size_t)g.batch * (size_t)g.in_channels * total);
    for (int n = 0; n < g.batch; n++) {
        for (int group = 0; group < g.groups; group++) {
            for (int c = 0; c < inputs; c += 4) {
                backward_channels(&g, dx + (size_t)c * total, dz, w + (size_t)group * weights, c,
                                  inputs - c < 4 ? inputs - c : 4);
            }
            dx += (size_t)inputs * total;
            dz += (size_t)outputs * pixels;
        }
    }
}
