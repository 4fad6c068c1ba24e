/* SPDX-License-Identifier: Apache-2.0
 * Convolutions against the naive ones, bit by bit; depthwise ones are grouped ones, but for the order of dx. */
#include "../../firmware/kernels/naive/naive_conv.h"
#include "check.h"

static int between(int low, int high) { return low + (int)(random_word() % (uint32_t)(high - low + 1)); }

static tk_conv_t random_conv(int depthwise) {
    tk_conv_t g = {.batch = between(1, 3), .groups = between(0, 3) ? 1 : between(1, 3)};
    if (depthwise) {
        g.groups = between(1, 6);
    }
    g.in_channels = g.groups * (depthwise ? 1 : between(1, 9));
    g.out_channels = g.groups * (depthwise ? 1 : between(1, 9));
    g.kernel_height = between(1, 5), g.kernel_width = between(1, 5);
    g.stride_height = between(1, 2), g.stride_width = between(1, 2);
    g.pad_top = between(0, g.kernel_height - 1), g.pad_left = between(0, g.kernel_width - 1);
    g.in_height = between(g.kernel_height, 13), g.in_width = between(g.kernel_width, 13);
    int bottom = between(0, g.kernel_height - 1), right = between(0, g.kernel_width - 1);
    g.out_height = (g.in_height + g.pad_top + bottom - g.kernel_height) / g.stride_height + 1;
    g.out_width = (g.in_width + g.pad_left + right - g.kernel_width) / g.stride_width + 1;
    return g;
}

typedef struct {
    size_t x, y, w, o;
    float *data, *weights, *bias, *dz;
} operands_t;

static operands_t operands(const tk_conv_t *g) {
    operands_t t = {(size_t)(g->batch * g->in_channels * g->in_height * g->in_width),
                    (size_t)(g->batch * g->out_channels * g->out_height * g->out_width),
                    (size_t)(g->out_channels * (g->in_channels / g->groups) * g->kernel_height * g->kernel_width),
                    (size_t)g->out_channels, 0, 0, 0, 0};
    t.data = random_floats(t.x), t.weights = random_floats(t.w), t.bias = random_floats(t.o), t.dz = random_floats(t.y);
    return t;
}

static void forward(const tk_conv_t *g) {
    operands_t t = operands(g);
    float *y = take(4 * t.y), *z = take(4 * t.y), *tiled = take(4 * t.y), *b = g->batch & 1 ? t.bias : NULL;
    size_t plane = (size_t)(g->out_height * g->out_width), image = (size_t)g->out_channels * plane;
    int activation = between(0, 4);
    tk_conv2d_forward(g, y, image, t.data, t.weights, b, activation);
    naive_conv2d_forward(g, z, t.data, t.weights, b, activation);
    SAME(y, z, t.y, g->kernel_height, g->kernel_width, g->in_channels);
    if (g->groups == 1 && g->out_channels > 1) { /* in two tiles of output channels */
        tk_conv_t part = *g;
        int first = part.out_channels = g->out_channels / 2;
        tk_conv2d_forward(&part, tiled, image, t.data, t.weights, b, activation);
        part.out_channels = g->out_channels - first;
        tk_conv2d_forward(&part, tiled + (size_t)first * plane, image, t.data,
                          t.weights + (size_t)first * (t.w / (size_t)g->out_channels), b ? b + first : NULL, activation);
        SAME(y, tiled, t.y, g->kernel_height, g->kernel_width, g->in_channels);
    }
    give_all();
}

static void backward(const tk_conv_t *g) {
    operands_t t = operands(g);
    float *dx = take(4 * t.x), *ex = take(4 * t.x), *dw = take(4 * t.w), *ew = take(4 * t.w), *db = take(4 * t.o),
          *eb = take(4 * t.o);
    tk_conv2d_backward_data(g, dx, t.dz, t.weights);
    naive_conv2d_backward_data(g, ex, t.dz, t.weights);
    SAME(dx, ex, t.x, g->kernel_height, g->stride_height, g->in_channels);
    tk_sink_t weights = {.w = dw, .store = 1}, bias = {.w = db, .store = 1};
    tk_conv2d_backward_weights(g, &weights, &bias, t.dz, tk_image(g), t.data);
    naive_conv2d_backward_weights(g, ew, eb, t.dz, t.data);
    SAME(dw, ew, t.w, g->kernel_height, g->stride_width, g->in_channels);
    SAME(db, eb, t.o, g->kernel_height, g->stride_width, g->in_channels);
    if (g->groups == 1) { /* the weights' gradient in two tiles of output channels */
        tk_conv_t part = *g;
        size_t first = (size_t)g->out_channels / 2, plane = (size_t)(g->out_height * g->out_width);
        tk_sink_t rest = {.w = dw + first * (t.w / t.o), .store = 1}, rest_bias = {.w = db + first, .store = 1};
        part.out_channels = (int)first;
        tk_conv2d_backward_weights(&part, &weights, &bias, t.dz, tk_image(g), t.data);
        part.out_channels = g->out_channels - (int)first;
        tk_conv2d_backward_weights(&part, &rest, &rest_bias, t.dz + first * plane, tk_image(g), t.data);
        SAME(dw, ew, t.w, g->kernel_height, g->stride_width, g->in_channels);
        SAME(db, eb, t.o, g->kernel_height, g->stride_width, g->in_channels);
    }
    float *v = random_floats(t.w), *ev = copy_floats(v, t.w), *w = copy_floats(t.weights, t.w);
    tk_sink_t momentum = {.w = w, .v = v, .rate = 0.1f, .momentum = 0.9f}, none = {.w = NULL};
    tk_conv2d_backward_weights(g, &momentum, &none, t.dz, tk_image(g), t.data);
    for (size_t i = 0; i < t.w; i++) {
        ev[i] = ev[i] * 0.9f + ew[i];
        t.weights[i] += -0.1f * ev[i];
    }
    SAME(v, ev, t.w, g->kernel_height, g->stride_width, g->in_channels);
    SAME(w, t.weights, t.w, g->kernel_height, g->stride_width, g->in_channels);
    give_all();
}

static void depthwise(const tk_conv_t *g) {
    operands_t t = operands(g);
    float *y = take(4 * t.y), *z = take(4 * t.y), *dw = take(4 * t.w), *ew = take(4 * t.w), *db = take(4 * t.o),
          *eb = take(4 * t.o);
    tk_depthwise_forward(g, y, t.data, t.weights, t.bias, TK_TANH);
    naive_conv2d_forward(g, z, t.data, t.weights, t.bias, TK_TANH);
    SAME(y, z, t.y, g->kernel_height, g->kernel_width, g->in_channels);
    tk_sink_t weights = {.w = dw, .store = 1}, bias = {.w = db, .store = 1};
    tk_depthwise_backward_weights(g, &weights, &bias, t.dz, t.data);
    naive_conv2d_backward_weights(g, ew, eb, t.dz, t.data);
    SAME(dw, ew, t.w, g->kernel_height, g->kernel_width, g->in_channels);
    SAME(db, eb, t.o, g->kernel_height, g->kernel_width, g->in_channels);
    give_all();
}

static void planes(const tk_conv_t *g) {
    operands_t t = operands(g);
    float *y = take(4 * t.y), *z = take(4 * t.y), *dx = take(4 * t.x), *ex = take(4 * t.x);
    tk_depthwise_backward_data(g, dx, t.dz, t.weights);
    naive_depthwise_backward_data(g, ex, t.dz, t.weights);
    SAME(dx, ex, t.x, g->kernel_height, g->stride_height, g->in_channels);
    int *argmax = take(4 * t.y), padded = between(0, 1);
    uint8_t *narrow = take(t.y);
    tk_maxpool2d_forward(g, y, narrow, t.data);
    naive_maxpool2d(g, z, argmax, t.data);
    SAME(y, z, t.y, g->kernel_height, g->stride_height, g->in_channels);
    tk_maxpool2d_backward(g, dx, t.dz, narrow);
    naive_maxpool2d_backward(g, ex, t.dz, argmax);
    SAME(dx, ex, t.x, g->kernel_height, g->stride_height, g->in_channels);
    if (g->kernel_height <= g->stride_height && g->kernel_width <= g->stride_width) {
        tk_maxpool2d_backward_inplace(g, t.data, t.dz);
        SAME(t.data, ex, t.x, g->kernel_height, g->stride_height, g->in_channels);
    }
    tk_avgpool2d_forward(g, y, t.data, padded);
    naive_avgpool2d(g, z, t.data, padded);
    SAME(y, z, t.y, g->kernel_height, g->stride_height, g->in_channels);
    tk_avgpool2d_backward(g, dx, t.dz, padded);
    naive_avgpool2d_backward(g, ex, t.dz, padded);
    SAME(dx, ex, t.x, g->kernel_height, g->stride_height, g->in_channels);
    give_all();
}

/* every window holds a pixel, as the reference of pooling demands */
static int can_pool(const tk_conv_t *g) {
    return (g->out_height - 1) * g->stride_height - g->pad_top < g->in_height &&
           (g->out_width - 1) * g->stride_width - g->pad_left < g->in_width;
}

void check_conv(void) {
    for (int i = 0; i < 1200; i++) {
        tk_conv_t g = random_conv(0), d = random_conv(1);
        forward(&g);
        backward(&g);
        depthwise(&d);
        if (i % 32 == 0 && can_pool(&d)) { /* the naive ones ask every window for every pixel */
            planes(&d);
        }
    }
}
