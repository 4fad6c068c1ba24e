/* SPDX-License-Identifier: Apache-2.0
 * Further element-wise operators and the movement of data. */
#include "tk_layers.h"

void tk_leaky_relu_forward(float *y, const float *x, float alpha, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = x[i] > 0.0f ? x[i] : x[i] * alpha;
    }
}

void tk_leaky_relu_backward(float *dx, const float *dy, const float *y, float alpha, size_t count) {
    for (size_t i = 0; i < count; i++) {
        dx[i] = y[i] > 0.0f ? dy[i] : dy[i] * alpha;
    }
}

void tk_softmax_forward(float *y, const float *x, int rows, int width) {
    for (; rows > 0; rows--) {
        float top = x[0], sum = 0.0f;
        for (int i = 1; i < width; i++) {
            top = x[i] > top ? x[i] : top;
        }
        for (int i = 0; i < width; i++) {
            y[i] = tk_expf(x[i] - top);
            sum = sum + y[i];
        }
        tk_scale(y, y, 1.0f / sum, (size_t)width);
        x += width;
        y += width;
    }
}

void tk_softmax_backward(float *dx, const float *dy, const float *y, int rows, int width) {
    for (; rows > 0; rows--) {
        float sum = 0.0f;
        for (int i = 0; i < width; i++) {
            sum = sum + dy[i] * y[i];
        }
        for (int i = 0; i < width; i++) {
            dx[i] = y[i] * (dy[i] - sum);
        }
        dx += width;
        dy += width;
        y += width;
    }
}

void tk_add(float *y, const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = a[i] + b[i];
    }
}

void tk_multiply(float *y, const float *a, const float *b, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = a[i] * b[i];
    }
}

void tk_concat(float *y, const float *a, const float *b, int outer, int width_a, int width_b) {
    for (; outer > 0; outer--) {
        tk_activate(y, a, (size_t)width_a, TK_NONE);
        tk_activate(y + width_a, b, (size_t)width_b, TK_NONE);
        y += width_a + width_b;
        a += width_a;
        b += width_b;
    }
}

void tk_slice(float *y, const float *x, int outer, int width_x, int first, int width_y) {
    for (; outer > 0; outer--) {
        tk_activate(y, x + first, (size_t)width_y, TK_NONE);
        y += width_y;
        x += width_x;
    }
}

void tk_slice_backward(float *dx, const float *dy, int outer, int width_x, int first, int width_y) {
    for (; outer > 0; outer--) {
        tk_fill(dx, 0.0f, (size_t)width_x);
        tk_activate(dx + first, dy, (size_t)width_y, TK_NONE);
        dx += width_x;
        dy += width_y;
    }
}

void tk_transpose(float *y, const float *x, const int32_t *extents, const int32_t *axes) {
    int32_t strides[4] = {extents[1] * extents[2] * extents[3], extents[2] * extents[3], extents[3], 1};
    for (int32_t i = 0; i < extents[axes[0]]; i++) {
        for (int32_t j = 0; j < extents[axes[1]]; j++) {
            for (int32_t k = 0; k < extents[axes[2]]; k++) {
                const float *at = x + i * strides[axes[0]] + j * strides[axes[1]] + k * strides[axes[2]];
                for (int32_t l = 0; l < extents[axes[3]]; l++) {
                    *y++ = at[l * strides[axes[3]]];
                }
            }
        }
    }
}

void tk_dropout(float *y, const float *x, size_t count, uint32_t stream, float drop, uint32_t seed, uint32_t step) {
    float factor = 1.0f / (1.0f - drop);
    for (size_t i = 0; i < count; i += 2) {
        uint32_t words[2] = {(uint32_t)(i / 2), stream + (step << 16)}, key = seed;
        for (int round = 0; round < 10; round++) {
            uint64_t wide = (uint64_t)words[0] * 0xD256D193u;
            words[0] = (uint32_t)(wide >> 32) ^ key ^ words[1];
            words[1] = (uint32_t)wide;
            key += 0x9E3779B9u;
        }
        for (size_t j = 0; j < 2 && i + j < count; j++) {
            y[i + j] = (float)(words[j] >> 8) * 5.9604644775390625e-8f >= drop ? x[i + j] * factor : 0.0f;
        }
    }
}
