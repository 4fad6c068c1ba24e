/* SPDX-License-Identifier: Apache-2.0
 * Eight-bit layers against sums written down as they are. */
#include "../../firmware/kernels/tk_int8.h"
#include "check.h"

static int between(int low, int high) { return low + (int)(random_word() % (uint32_t)(high - low + 1)); }

static int8_t *random_bytes(int count) {
    int8_t *x = take((size_t)count);
    for (int i = 0; i < count; i++) {
        x[i] = (int8_t)random_word();
    }
    return x;
}

static tk_scale_t random_scale(int outputs) {
    int32_t *bias = take(4 * (size_t)outputs), *multiplier = take(4 * (size_t)outputs);
    uint8_t *shift = take((size_t)outputs);
    for (int i = 0; i < outputs; i++) {
        bias[i] = (int32_t)random_word() >> 16;
        multiplier[i] = (int32_t)(random_word() >> 1 | 1u << 30);
        shift[i] = (uint8_t)between(i & 1 ? 36 : 26, 46);
    }
    tk_scale_t s = {bias, multiplier, shift, between(-20, 20), -128, between(60, 127)};
    return s;
}

/* what a sum becomes, by division instead of shifts */
static int expected(int32_t sum, const tk_scale_t *s, int o) {
    int64_t unit = (int64_t)1 << s->shift[o], product = (int64_t)sum * s->multiplier[o] + unit / 2;
    int64_t floor = product >= 0 ? product / unit : -((-product + unit - 1) / unit);
    int64_t v = s->zero + floor;
    return (int)(v < s->low ? s->low : v > s->high ? s->high : v);
}

static void dense(int batch, int inputs, int outputs) {
    int8_t *x = random_bytes(batch * inputs), *w = random_bytes(outputs * inputs), *y = random_bytes(batch * outputs);
    tk_scale_t s = random_scale(outputs);
    tk_int8_dense(y, x, w, &s, batch, inputs, outputs);
    comparisons++;
    for (int i = 0; i < batch * outputs; i++) {
        int32_t sum = s.bias[i % outputs];
        for (int k = 0; k < inputs; k++) {
            sum += x[i / outputs * inputs + k] * w[i % outputs * inputs + k];
        }
        if (y[i] != expected(sum, &s, i % outputs)) {
            fail(__func__, __LINE__, inputs, outputs, i);
            break;
        }
    }
    give_all();
}

static int32_t window_sum(const tk_conv_t *g, const int8_t *x, const int8_t *w, int n, int o, int row, int column,
                          int8_t padding) {
    int inputs = g->in_channels / g->groups, first = o / (g->out_channels / g->groups) * inputs;
    int32_t sum = 0;
    for (int i = 0; i < inputs * g->kernel_height * g->kernel_width; i++) {
        int c = first + i / (g->kernel_height * g->kernel_width);
        int r = row * g->stride_height - g->pad_top + i / g->kernel_width % g->kernel_height;
        int q = column * g->stride_width - g->pad_left + i % g->kernel_width;
        int inside = r >= 0 && q >= 0 && r < g->in_height && q < g->in_width;
        sum += (inside ? x[((n * g->in_channels + c) * g->in_height + r) * g->in_width + q] : padding) *
               w[o * inputs * g->kernel_height * g->kernel_width + i];
    }
    return sum;
}

static void conv(int depthwise) {
    tk_conv_t g = {.batch = between(1, 2), .groups = depthwise ? between(1, 5) : between(1, 2)};
    g.in_channels = g.groups * (depthwise ? 1 : between(1, 5));
    g.out_channels = g.groups * (depthwise ? 1 : between(1, 9));
    g.kernel_height = between(1, 4), g.kernel_width = between(1, 4);
    g.stride_height = between(1, 2), g.stride_width = between(1, 2);
    g.pad_top = between(0, g.kernel_height - 1), g.pad_left = between(0, g.kernel_width - 1);
    g.in_height = between(4, 9), g.in_width = between(4, 9);
    g.out_height = (g.in_height + 2 * g.pad_top - g.kernel_height) / g.stride_height + 1;
    g.out_width = (g.in_width + 2 * g.pad_left - g.kernel_width) / g.stride_width + 1;
    int plane = g.out_height * g.out_width, count = g.batch * g.out_channels * plane;
    int8_t *x = random_bytes(g.batch * g.in_channels * g.in_height * g.in_width), *y = random_bytes(count);
    int8_t *w = random_bytes(g.out_channels * (g.in_channels / g.groups) * g.kernel_height * g.kernel_width);
    int8_t padding = (int8_t)between(-9, 9);
    tk_scale_t s = random_scale(g.out_channels);
    if (depthwise) {
        tk_int8_depthwise(&g, y, x, w, &s, padding);
    } else if (tk_int8_conv2d(&g, y, x, w, &s, padding) != 0) {
        fail(__func__, __LINE__, g.in_channels, 0, 0);
    }
    comparisons++;
    for (int i = 0; i < count; i++) {
        int o = i / plane % g.out_channels, n = i / plane / g.out_channels, row = i % plane / g.out_width;
        int32_t sum = s.bias[o] + window_sum(&g, x, w, n, o, row, i % plane % g.out_width, padding);
        if (y[i] != expected(sum, &s, o)) {
            fail(__func__, __LINE__, depthwise, g.kernel_width, i);
            break;
        }
    }
    give_all();
}

void check_int8(void) {
    for (int inputs = 1; inputs < 40; inputs++) {
        dense(inputs % 3 + 1, inputs, inputs * 7 % 19 + 1);
    }
    dense(1, 784, 13);
    dense(2, 513, 33);
    for (int i = 0; i < 300; i++) {
        conv(i & 1);
    }
}
