/* SPDX-License-Identifier: Apache-2.0
 * The weight gradient of a convolution: for each element of the kernel a product of rows of dz with shifted rows of x,
 * summed in a 4 x 4 tile over all images, and delivered once. */
#include "tk_block.h"
#include "tk_conv.h"

enum { RUN = 32 }; /* columns of a strided row that are gathered at once */

typedef struct { /* of dz: the columns or rows under which one element of the kernel lies inside x */
    int first, end;
} range_t;

static range_t inside(int extent, int in_extent, int stride, int pad, int element) {
    range_t r = {0, extent};
    int shift = pad - element; /* position stride * i - shift must be 0 .. in_extent - 1 */
    if (shift > 0) {
        r.first = (shift + stride - 1) / stride;
    }
    int last = in_extent - 1 + shift;
    if (last < 0 || last / stride + 1 < extent) {
        r.end = last < 0 ? 0 : last / stride + 1;
    }
    return r;
}

/* tile [4, 4] += rows of dz . rows of x, over `length` columns */
static void add_run(float *tile, const float *dz, size_t dz_plane, const float *x, size_t x_plane, int outputs,
                    int channels, int length) {
    if (outputs == 4 && channels == 4) {
        tk_blocks_t t = {tile, dz, x, 4, dz_plane, x_plane, 0, 0, 0, 1, length};
        tk_blocks_nt(&t);
        return;
    }
    for (int c = 0; c < channels; c++) {
        tk_dot_rows(tile + c, 4, dz, dz_plane, x + (size_t)c * x_plane, outputs, length);
    }
}

static void add_strided_run(float *tile, const float *dz, size_t dz_plane, const float *x, size_t x_plane, int outputs,
                            int channels, int length, int stride) {
    float packed[4 * RUN];
    for (int done = 0; done < length; done += RUN) {
        int count = length - done < RUN ? length - done : RUN;
        for (int c = 0; c < channels; c++) {
            const float *row = x + (size_t)c * x_plane + done * stride;
            for (int i = 0; i < count; i++) {
                packed[c * RUN + i] = row[i * stride];
            }
        }
        add_run(tile, dz + done, dz_plane, packed, RUN, outputs, channels, count);
    }
}

/* tile = gradient of one kernel element for up to four output and four input channels */
static void element_gradient(float *tile, const tk_conv_t *g, const float *dz, const float *x, int outputs,
                             int channels, int row, int column) {
    range_t rows = inside(g->out_height, g->in_height, g->stride_height, g->pad_top, row);
    range_t columns = inside(g->out_width, g->in_width, g->stride_width, g->pad_left, column);
    size_t dz_plane = (size_t)g->out_height * (size_t)g->out_width, x_plane = (size_t)g->in_height * (size_t)g->in_width;
    for (int i = 0; i < 16; i++) {
        tile[i] = 0.0f;
    }
    if (columns.first >= columns.end) {
        return;
    }
    for (int n = 0; n < g->batch; n++) {
        for (int r = rows.first; r < rows.end; r++) {
            const float *d = dz + r * g->out_width + columns.first;
            const float *v = x + (r * g->stride_height + row - g->pad_top) * g->in_width +
                             columns.first * g->stride_width + column - g->pad_left;
            int length = columns.end - columns.first;
            if (g->stride_width == 1) {
                add_run(tile, d, dz_plane, v, x_plane, outputs, channels, length);
            } else {
                add_strided_run(tile, d, dz_plane, v, x_plane, outputs, channels, length, g->stride_width);
            }
        }
        dz += (size_t)g->out_channels * dz_plane;
        x += (size_t)g->in_channels * x_plane;
    }
}

static void block_gradient(const tk_conv_t *g, const tk_sink_t *sink, size_t at, const float *dz, const float *x,
                           int outputs, int channels) {
    float tile[16];
    size_t window = (size_t)g->kernel_height * (size_t)g->kernel_width;
    size_t row_stride = (size_t)(g->in_channels / g->groups) * window;
    for (int row = 0; row < g->kernel_height; row++) {
        for (int column = 0; column < g->kernel_width; column++, at++) {
            element_gradient(tile, g, dz, x, outputs, channels, row, column);
            for (int o = 0; o < outputs; o++) {
                for (int c = 0; c < channels; c++) {
                    tk_sink(sink, at + (size_t)o * row_stride + (size_t)c * window, tile[4 * o + c]);
                }
            }
        }
    }
}

static void bias_gradient(const tk_conv_t *g, const tk_sink_t *bias, const float *dz) {
    size_t plane = (size_t)g->out_height * (size_t)g->out_width;
    for (int o = 0; o < g->out_channels; o++) {
        float sum = 0.0f;
        for (int n = 0; n < g->batch; n++) {
            const float *d = dz + ((size_t)n * (size_t)g->out_channels + (size_t)o) * plane;
            for (size_t i = 0; i < plane; i++) {
                sum = sum + d[i];
            }
        }
        tk_sink(bias, (size_t)o, sum);
    }
}

void tk_conv2d_backward_weights(const tk_conv_t *conv, const tk_sink_t *weights, const tk_sink_t *bias, const float *dz,
                                const float *x) {
    tk_conv_t g = *conv;
    if (g.kernel_height == 1 && g.kernel_width == 1 && g.stride_height == 1 && g.stride_width == 1 && g.pad_top == 0 &&
        g.pad_left == 0 && g.in_width == g.out_width && g.in_height == g.out_height) {
        g.in_width *= g.in_height; /* a 1 x 1 kernel sees one long row */
        g.out_width = g.in_width;
        g.in_height = g.out_height = 1;
    }
    int outputs = g.out_channels / g.groups, inputs = g.in_channels / g.groups;
    size_t dz_plane = (size_t)g.out_height * (size_t)g.out_width, x_plane = (size_t)g.in_height * (size_t)g.in_width;
    size_t filter = (size_t)inputs * (size_t)g.kernel_height * (size_t)g.kernel_width;
    for (int group = 0; group < g.groups; group++) {
        for (int o = 0; o < outputs; o += 4) {
            for (int c = 0; c < inputs; c += 4) {
                size_t output = (size_t)(group * outputs + o), channel = (size_t)(group * inputs + c);
                size_t at = output * filter + (size_t)c * (filter / (size_t)inputs);
                block_gradient(&g, weights, at, dz + output * dz_plane, x + channel * x_plane,
                               outputs - o < 4 ? outputs - o : 4, inputs - c < 4 ? inputs - c : 4);
            }
        }
    }
    if (bias->w) {
        bias_gradient(conv, bias, dz);
    }
}
