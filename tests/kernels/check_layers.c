/* SPDX-License-Identifier: Apache-2.0
 * The edges of what has no naive twin: every element of exact buffers is touched, none beside them. */
#include "../../firmware/kernels/tk_layers.h"
#include "check.h"

static void bytes(int count) {
    uint8_t *data = take((size_t)count);
    float *y = take(4 * (size_t)count);
    for (int i = 0; i < count; i++) {
        data[i] = (uint8_t)random_word();
    }
    tk_u8_to_f32(y, data, 0.5f, -1.0f, (size_t)count);
    for (int i = 0; i < count; i++) {
        float expected = (float)data[i] * 0.5f + -1.0f;
        SAME(y + i, &expected, 1, count, i, 0);
    }
    uint32_t whole = tk_crc32(data, (size_t)count, 0), half = tk_crc32(data, (size_t)count / 2, 0);
    if (tk_crc32(data + count / 2, (size_t)(count - count / 2), half) != whole) {
        fail(__func__, __LINE__, count, 0, 0);
    }
    give_all();
}

static void layers(int rows, int width) {
    size_t count = (size_t)(rows * width);
    float *x = random_floats(count), *y = take(4 * count), *z = copy_floats(x, count), metric[2];
    uint16_t *labels = take(4 * (size_t)rows);
    for (int i = 0; i < rows; i++) {
        labels[i] = (uint16_t)(random_word() % (uint32_t)width);
    }
    tk_softmax_forward(y, x, rows, width);
    tk_softmax_cross_entropy(z, metric, labels, rows, width);
    labels[rows - 1] = (uint16_t)width; /* no class: the loss must say so */
    tk_softmax_cross_entropy(z, metric, labels, rows, width);
    if (metric[0] == metric[0]) {
        fail(__func__, __LINE__, rows, width, 0);
    }
    float *a = random_floats(count), *b = take(8 * count), *c = take(4 * count);
    tk_concat(b, x, a, rows, width, width);
    tk_slice(c, b, rows, 2 * width, width, width);
    SAME(a, c, count, rows, width, 0);
    tk_activate(c, x, count, TK_TANH);
    tk_activate(x, x, count, TK_TANH); /* in place: the same */
    SAME(c, x, count, rows, width, 0);
    tk_dropout(c, a, count, 3, 0.3f, 5, 9);
    tk_dropout(a, a, count, 3, 0.3f, 5, 9);
    SAME(c, a, count, rows, width, 0);
    give_all();
}

void check_layers(void) {
    for (int i = 1; i < 40; i++) {
        bytes(i);
        layers(i % 7 + 1, i);
    }
}
