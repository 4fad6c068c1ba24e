/* SPDX-License-Identifier: Apache-2.0
 * Activations and the plain loops over elements. */
#include "tk.h"

void tk_activate(float *y, const float *x, size_t count, int activation) {
    switch (activation) {
        case TK_RELU:
            for (size_t i = 0; i < count; i++) {
                y[i] = x[i] > 0.0f ? x[i] : 0.0f;
            }
            break;
        case TK_RELU6:
            for (size_t i = 0; i < count; i++) {
                float v = x[i] > 0.0f ? x[i] : 0.0f;
                y[i] = v < 6.0f ? v : 6.0f;
            }
            break;
        case TK_TANH:
            for (size_t i = 0; i < count; i++) {
                y[i] = tk_tanhf(x[i]);
            }
            break;
        case TK_SIGMOID:
            for (size_t i = 0; i < count; i++) {
                y[i] = tk_sigmoidf(x[i]);
            }
            break;
        default:
            if (y != x) {
                for (size_t i = 0; i < count; i++) {
                    y[i] = x[i];
                }
            }
    }
}

void tk_activation_backward(float *dz, const float *y, size_t count, int activation) {
    switch (activation) {
        case TK_RELU:
            for (size_t i = 0; i < count; i++) {
                if (!(y[i] > 0.0f)) {
                    dz[i] = 0.0f;
                }
            }
            break;
        case TK_RELU6:
            for (size_t i = 0; i < count; i++) {
                if (!(y[i] > 0.0f && y[i] < 6.0f)) {
                    dz[i] = 0.0f;
                }
            }
            break;
        case TK_TANH:
            for (size_t i = 0; i < count; i++) {
                dz[i] = dz[i] * (1.0f - y[i] * y[i]);
            }
            break;
        case TK_SIGMOID:
            for (size_t i = 0; i < count; i++) {
                dz[i] = dz[i] * (y[i] * (1.0f - y[i]));
            }
            break;
        default:
            break;
    }
}

void tk_fill(float *y, float value, size_t count) {
    volatile float *to = y; /* volatile: a memset would have to be linked */
    for (; count >= 4; count -= 4, to += 4) {
        to[0] = value, to[1] = value, to[2] = value, to[3] = value;
    }
    for (; count > 0; count--) {
        *to++ = value;
    }
}

void tk_scale(float *y, const float *x, float factor, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = x[i] * factor;
    }
}

void tk_axpy(float *y, float factor, const float *x, size_t count) {
    for (size_t i = 0; i < count; i++) {
        y[i] = y[i] + factor * x[i];
    }
}
