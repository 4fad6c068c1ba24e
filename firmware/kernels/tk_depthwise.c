/* SPDX-License-Identifier: Apache-2.0
 * Depthwise convolution: each channel by itself, four pixels of a row in registers, on the Cortex-M4F eight. */
#include "tk_block.h"
#include "tk_conv.h"

typedef struct {
    int first, end;
} range_t;

/* the kernel's rows (columns) that lie inside the image at this position */
static range_t kernel_range(int position, int kernel, int extent) {
    range_t r = {position < 0 ? -position : 0, extent - position < kernel ? extent - position : kernel};
    return r;
}

static float one_pixel(const tk_conv_t *g, const float *x, const float *w, float sum, int top, int left) {
    range_t rows = kernel_range(top, g->kernel_height, g->in_height);
    range_t columns = kernel_range(left, g->kernel_width, g->in_width);
    for (int r = rows.first; r < rows.end; r++) {
        const float *at = x + (top + r) * g->in_width + left;
        for (int c = columns.first; c < columns.end; c++) {
            sum = sum + at[c] * w[r * g->kernel_width + c];
        }
    }
    return sum;
}

/* four pixels of a row whose windows lie inside the image's columns */
static void four_pixels(const tk_conv_t *g, float *y, const float *x, const float *w, float bias, int top, int left) {
    range_t rows = kernel_range(top, g->kernel_height, g->in_height);
    int step = g->stride_width;
    float s0 = bias, s1 = bias, s2 = bias, s3 = bias;
    for (int r = rows.first; r < rows.end; r++) {
        const float *at = x + (top + r) * g->in_width + left, *f = w + r * g->kernel_width;
        for (int c = 0; c < g->kernel_width; c++, at++) {
            float v = *f++;
            s0 = s0 + at[0] * v;
            s1 = s1 + at[step] * v;
            s2 = s2 + at[2 * step] * v;
            s3 = s3 + at[3 * step] * v;
        }
    }
    y[0] = s0, y[1] = s1, y[2] = s2, y[3] = s3;
}

#if TK_M4
#define PRODUCTS(w, x0, x1, x2, x3, x4, x5, x6, x7)                                                                  \
    "vmul.f32 s13," x0 "," w "\n vmul.f32 s14," x1 "," w "\n vmul.f32 s15," x2 "," w "\n vmul.f32 s16," x3 "," w "\n" \
    "vmul.f32 s17," x4 "," w "\n vmul.f32 s18," x5 "," w "\n vmul.f32 s19," x6 "," w "\n vmul.f32 s20," x7 "," w "\n" \
    "vadd.f32 s24,s24,s13\n vadd.f32 s25,s25,s14\n vadd.f32 s26,s26,s15\n vadd.f32 s27,s27,s16\n"                    \
    "vadd.f32 s28,s28,s17\n vadd.f32 s29,s29,s18\n vadd.f32 s30,s30,s19\n vadd.f32 s31,s31,s20\n"

/* eight pixels of a row under `rows` rows of a kernel of three columns: ten inputs serve 24 products */
static void eight_pixels(float *y, const float *x, size_t width, const float *w, const float *bias, int rows) {
    __asm__ volatile("vldr s24,[%[bias]]\n vmov s25,s24\n vmov s26,s24\n vmov s27,s24\n"
                     "vmov s28,s24\n vmov s29,s24\n vmov s30,s24\n vmov s31,s24\n"
                     "cmp %[n],#0\n ble 2f\n"
                     "1: vldmia %[x],{s0-s9}\n add %[x],%[width]\n vldmia %[w]!,{s10-s12}\n"
                     PRODUCTS("s10", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7")
                     PRODUCTS("s11", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8")
                     PRODUCTS("s12", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9")
                     "subs %[n],#1\n bgt 1b\n"
                     "2: vstmia %[y],{s24-s31}\n"
                     : [x] "+r"(x), [w] "+r"(w), [n] "+r"(rows)
                     : [y] "r"(y), [bias] "r"(bias), [width] "r"(4 * width)
                     : "cc", "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12",
                       "s13", "s14", "s15", "s16", "s17", "s18", "s19", "s20", "s24", "s25", "s26", "s27", "s28", "s29",
                       "s30", "s31");
}
#endif

/* how many pixels from `column` on, whose windows lie inside the image's columns, were written: 8, 4 or 0 */
static int some_pixels(const tk_conv_t *g, float *y, const float *x, const float *w, float bias, int top, int left,
                       int column) {
    if (left < 0) {
        return 0;
    }
#if TK_M4
    int end = g->in_width - 2 + g->pad_left < g->out_width ? g->in_width - 2 + g->pad_left : g->out_width;
    int back = column + 8 > end ? column + 8 - end : 0; /* the last eight of a row overlap with those before */
    if (g->stride_width == 1 && g->kernel_width == 3 && back < 8 && left - back >= 0) {
        range_t rows = kernel_range(top, g->kernel_height, g->in_height);
        eight_pixels(y - back, x + (top + rows.first) * g->in_width + left - back, (size_t)g->in_width,
                     w + 3 * rows.first, &bias, rows.end - rows.first);
        return 8 - back;
    }
#endif
    if (column + 4 > g->out_width || left + 3 * g->stride_width + g->kernel_width > g->in_width) {
        return 0;
    }
    four_pixels(g, y, x, w, bias, top, left);
    return 4;
}

void tk_depthwise_forward(const tk_conv_t *g, float *y, const float *x, const float *w, const float *b,
                          int activation) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width, out = (size_t)g->out_height * (size_t)g->out_width;
    int channels = g->in_channels;
    for (int n = 0; n < g->batch * channels; n++, x += plane) {
        const float *filter = w + n % channels * g->kernel_height * g->kernel_width;
        float bias = b ? b[n % channels] : 0.0f;
        for (int row = 0; row < g->out_height; row++) {
            int top = row * g->stride_height - g->pad_top;
            for (int column = 0; column < g->out_width;) {
                int left = column * g->stride_width - g->pad_left;
                int count = some_pixels(g, y, x, filter, bias, top, left, column);
                if (count == 0) {
                    *y = one_pixel(g, x, filter, bias, top, left);
                    count = 1;
                }
                y += count;
                column += count;
            }
        }
        if (activation != TK_NONE) {
            tk_activate(y - out, y - out, out, activation);
        }
    }
}

/* Scatters: each element of dz adds its window. Hence the sums run over dz in (row, column) order. */
void tk_depthwise_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width;
    int channels = g->in_channels;
    tk_fill(dx, 0.0f, (size_t)g->batch * (size_t)channels * plane);
    for (int n = 0; n < g->batch * channels; n++, dx += plane) {
        const float *filter = w + n % channels * g->kernel_height * g->kernel_width;
        for (int row = 0; row < g->out_height; row++) {
            int top = row * g->stride_height - g->pad_top;
            range_t rows = kernel_range(top, g->kernel_height, g->in_height);
            for (int column = 0; column < g->out_width; column++) {
                int left = column * g->stride_width - g->pad_left;
                range_t columns = kernel_range(left, g->kernel_width, g->in_width);
                float d = *dz++;
                for (int r = rows.first; r < rows.end; r++) {
                    float *at = dx + (top + r) * g->in_width + left;
                    const float *f = filter + r * g->kernel_width;
                    for (int c = columns.first; c < columns.end; c++) {
                        at[c] = at[c] + d * f[c];
                    }
                }
            }
        }
    }
}

/* the gradient of one element of a filter */
static float element_gradient(const tk_conv_t *g, const float *dz, const float *x, int row, int column) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width, out = (size_t)g->out_height * (size_t)g->out_width;
    float sum = 0.0f;
    int first = 0, end = g->out_width, shift = column - g->pad_left;
    while (first < end && first * g->stride_width + shift < 0) {
        first++;
    }
    while (end > first && (end - 1) * g->stride_width + shift >= g->in_width) {
        end--;
    }
    for (int n = 0; n < g->batch; n++) {
        for (int r = 0; r < g->out_height; r++) {
            int line = r * g->stride_height + row - g->pad_top;
            if (line < 0 || line >= g->in_height) {
                continue;
            }
            const float *d = dz + r * g->out_width, *at = x + line * g->in_width + shift;
            for (int c = first; c < end; c++) {
                sum = sum + d[c] * at[c * g->stride_width];
            }
        }
        dz += (size_t)g->in_channels * out;
        x += (size_t)g->in_channels * plane;
    }
    return sum;
}

void tk_depthwise_backward_weights(const tk_conv_t *g, const tk_sink_t *weights, const tk_sink_t *bias, const float *dz,
                                   const float *x) {
    size_t plane = (size_t)g->in_height * (size_t)g->in_width, out = (size_t)g->out_height * (size_t)g->out_width, at = 0;
    for (int c = 0; c < g->in_channels; c++, dz += out, x += plane) {
        for (int row = 0; row < g->kernel_height; row++) {
            for (int column = 0; column < g->kernel_width; column++) {
                tk_sink(weights, at++, element_gradient(g, dz, x, row, column));
            }
        }
        float sum = 0.0f;
        for (int n = 0; bias->w && n < g->batch; n++) {
            const float *d = dz + (size_t)n * (size_t)g->in_channels * out;
            for (size_t i = 0; i < out; i++) {
                sum = sum + d[i];
            }
        }
        if (bias->w) {
            tk_sink(bias, (size_t)c, sum);
        }
    }
}
