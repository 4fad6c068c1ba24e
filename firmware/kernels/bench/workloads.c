/* SPDX-License-Identifier: Apache-2.0
 * What is timed: whole training steps (forward, loss, backward, update by SGD) and single kernels, on dense random data. */
#include "../tk_int8.h"
#include "bench.h"

static float *x, *w1, *b1, *h, *w2, *b2, *y, *dh, *metric;
static uint16_t *labels;
static int batch, inputs, hidden, outputs;

static void network(int n, int in, int mid, int out) {
    batch = n, inputs = in, hidden = mid, outputs = out;
    x = take_floats((uint32_t)(n * in));
    w1 = take_floats((uint32_t)(mid * in));
    b1 = take_floats((uint32_t)mid);
    h = take_floats((uint32_t)(n * mid));
    w2 = take_floats((uint32_t)(out * mid));
    b2 = take_floats((uint32_t)out);
    y = take_floats((uint32_t)(n * out)); /* the logits, then their gradient */
    dh = take_floats((uint32_t)(n * mid));
    metric = take_floats(2);
    labels = (uint16_t *)take_floats((uint32_t)(n + 1) / 2);
    for (int i = 0; i < n; i++) {
        labels[i] = (uint16_t)(i % out);
    }
}

static void step(void) {
    tk_dense_forward(h, (size_t)hidden, x, w1, b1, batch, inputs, hidden, TK_RELU);
    tk_dense_forward(y, (size_t)outputs, h, w2, b2, batch, hidden, outputs, TK_NONE);
    tk_softmax_cross_entropy(y, metric, labels, batch, outputs);
    tk_dense_backward_data(dh, y, w2, batch, hidden, outputs);
    tk_dense_update_sgd(w2, b2, y, (size_t)outputs, h, batch, hidden, outputs, 0.01f);
    tk_activation_backward(dh, h, (size_t)(batch * hidden), TK_RELU);
    tk_dense_update_sgd(w1, b1, dh, (size_t)hidden, x, batch, inputs, hidden, 0.01f);
}

static void small_1(void) { network(1, 64, 32, 10); }
static void small_16(void) { network(16, 64, 32, 10); }
static void large_1(void) { network(1, 784, 128, 10); }
static void large_16(void) { network(16, 784, 128, 10); }

static float *a, *b, *c;

static void matvec_memory(void) {
    a = take_floats(128 * 784);
    b = take_floats(784);
    c = take_floats(128);
}
static void matvec(void) { tk_dot_rows(c, 1, a, 784, b, 128, 784); }

static float *panels_a, *panels_b;

static void pack(void) { /* [16][64][4]: four rows of a, four columns of b */
    for (int i = 0; i < 64; i++) {
        for (int k = 0; k < 64; k++) {
            panels_a[i / 4 * 256 + 4 * k + i % 4] = a[64 * i + k];
            panels_b[i / 4 * 256 + 4 * k + i % 4] = b[64 * k + i];
        }
    }
}
static void gemm_memory(void) {
    a = take_floats(64 * 64);
    b = take_floats(64 * 64);
    c = take_floats(64 * 64);
    panels_a = take_floats(64 * 64);
    panels_b = take_floats(64 * 64);
    pack();
}
static void gemm(void) {
    for (int i = 0; i < 16; i++) {
        tk_blocks_t t = {c + 256 * i, panels_a + 256 * i, panels_b, 64, 4, 4, 4, 0, 256, 16, 64};
        tk_blocks_tn(&t);
    }
}
static void gemm_unpacked(void) { tk_gemm_nn(c, 64, a, 64, b, 64, 64, 64, 64); }

static const tk_conv_t CONV = {1, 16, 32, 32, 16, 32, 32, 3, 3, 1, 1, 1, 1, 1};

static void conv_memory(void) {
    a = take_floats(16 * 1024);
    b = take_floats(16 * 16 * 9);
    c = take_floats(16 * 1024);
    b1 = take_floats(16);
}
static void conv_forward(void) { tk_conv2d_forward(&CONV, c, 16 * 1024, a, b, b1, TK_NONE); }
static void conv_backward_data(void) { tk_conv2d_backward_data(&CONV, a, c, b); }
static void conv_backward_weights(void) {
    tk_sink_t weights = {.w = b, .store = 1}, bias = {.w = b1, .store = 1};
    tk_conv2d_backward_weights(&CONV, &weights, &bias, c, 16 * 1024, a);
}
static void depthwise(void) { tk_depthwise_forward(&CONV, c, a, b, b1, TK_NONE); }

static tk_scale_t scale;

static void int8_memory(void) {
    int32_t *multiplier = (int32_t *)take_floats(128), *bias = (int32_t *)take_floats(128);
    uint8_t *shift = (uint8_t *)take_floats(32);
    a = take_floats(128 * 784 / 4);
    b = take_floats(784 / 4);
    c = take_floats(128 / 4);
    for (int i = 0; i < 128; i++) {
        multiplier[i] = 1 << 30;
        bias[i] = 0;
        shift[i] = 42;
    }
    scale = (tk_scale_t){bias, multiplier, shift, 0, -128, 127};
}
static void int8_dense(void) { tk_int8_dense((int8_t *)c, (int8_t *)b, (int8_t *)a, &scale, 1, 784, 128); }
static void int8_conv(void) {
    static const tk_conv_t small = {1, 8, 16, 16, 16, 16, 16, 3, 3, 1, 1, 1, 1, 1};
    tk_int8_conv2d(&small, (int8_t *)a, (int8_t *)a + 8192, (int8_t *)a + 16384, &scale, 0);
}
static void int8_depthwise(void) {
    static const tk_conv_t small = {1, 16, 32, 32, 16, 32, 32, 3, 3, 1, 1, 1, 1, 16};
    tk_int8_depthwise(&small, (int8_t *)a, (int8_t *)a + 16384, (int8_t *)a + 32768, &scale, 0);
}

#define CONV_MACS (16 * 16 * 9 * 1024)
const workload_t workloads[] = {
    {"mlp-64-32-10-b1", small_1, step, 0},
    {"mlp-64-32-10-b16", small_16, step, 0},
    {"mlp-784-128-10-b1", large_1, step, 0},
    {"mlp-784-128-10-b16", large_16, step, 0},
    {"matvec-128x784", matvec_memory, matvec, 128 * 784},
    {"gemm-64", gemm_memory, gemm, 64 * 64 * 64},
    {"gemm-64-packing", gemm_memory, pack, 0},
    {"gemm-64-unpacked", gemm_memory, gemm_unpacked, 64 * 64 * 64},
    {"conv2d-3x3-16-16-32x32-forward", conv_memory, conv_forward, CONV_MACS},
    {"conv2d-3x3-16-16-32x32-backward-data", conv_memory, conv_backward_data, CONV_MACS},
    {"conv2d-3x3-16-16-32x32-backward-weights", conv_memory, conv_backward_weights, CONV_MACS},
    {"depthwise-3x3-16-32x32-forward", conv_memory, depthwise, 9 * 16 * 1024},
    {"int8-dense-128x784", int8_memory, int8_dense, 128 * 784},
    {"int8-conv2d-3x3-8-16-16x16", int8_memory, int8_conv, 8 * 16 * 9 * 256},
    {"int8-depthwise-3x3-16-32x32", int8_memory, int8_depthwise, 9 * 16 * 1024},
    {"crc16-512-bytes", page_memory, page_crc16, 0},
    {"crc32-512-bytes", page_memory, page_crc32, 0},
    {"chacha20-512-bytes", page_memory, page_chacha, 0},
    {"poly1305-512-bytes", page_memory, page_poly, 0},
    {"chacha20-poly1305-512-bytes", page_memory, page_seal, 0},
    {"aes-ctr-by-ecb-512-bytes", page_memory, page_ecb, 0},
};
const uint32_t workload_count = sizeof workloads / sizeof *workloads;
