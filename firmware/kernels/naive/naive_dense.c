/* SPDX-License-Identifier: Apache-2.0 */
#include "naive.h"

float naive_activation(float v, int activation) {
    switch (activation) {
        case TK_RELU: return v > 0 ? v : 0;
        case TK_RELU6: return v > 6 ? 6 : v > 0 ? v : 0;
        case TK_TANH: return tk_tanhf(v);
        case TK_SIGMOID: return tk_sigmoidf(v);
        default: return v;
    }
}

float naive_activation_slope(float y, int activation) {
    switch (activation) {
        case TK_RELU: return y > 0;
        case TK_RELU6: return y > 0 && y < 6;
        case TK_TANH: return 1 - y * y;
        case TK_SIGMOID: return y * (1 - y);
        default: return 1;
    }
}

void naive_dense_forward(float *y, const float *x, const float *w, const float *b, int batch, int inputs, int outputs,
                         int activation) {
    for (int s = 0; s < batch; s++) {
        for (int o = 0; o < outputs; o++) {
            float sum = b ? b[o] : 0;
            for (int i = 0; i < inputs; i++) {
                sum += x[s * inputs + i] * w[o * inputs + i];
            }
            y[s * outputs + o] = naive_activation(sum, activation);
        }
    }
}

void naive_dense_backward_data(float *dx, const float *dz, const float *w, int batch, int inputs, int outputs) {
    for (int s = 0; s < batch; s++) {
        for (int i = 0; i < inputs; i++) {
            float sum = 0;
            for (int o = 0; o < outputs; o++) {
                sum += dz[s * outputs + o] * w[o * inputs + i];
            }
            dx[s * inputs + i] = sum;
        }
    }
}

/* w += factor dz' x, b += factor sum(dz) */
static void add_gradient(float *w, float *b, float factor, const float *dz, const float *x, int batch, int inputs,
                         int outputs) {
    for (int o = 0; o < outputs; o++) {
        for (int s = 0; s < batch; s++) {
            float d = factor * dz[s * outputs + o];
            for (int i = 0; i < inputs; i++) {
                w[o * inputs + i] += d * x[s * inputs + i];
            }
            if (b) {
                b[o] += d;
            }
        }
    }
}

void naive_dense_backward_weights(float *dw, float *db, const float *dz, const float *x, int batch, int inputs,
                                  int outputs) {
    for (int i = 0; i < inputs * outputs; i++) {
        dw[i] = 0;
    }
    for (int o = 0; db && o < outputs; o++) {
        db[o] = 0;
    }
    add_gradient(dw, db, 1, dz, x, batch, inputs, outputs);
}

void naive_dense_update_sgd(float *w, float *b, const float *dz, const float *x, int batch, int inputs, int outputs,
                            float rate) {
    add_gradient(w, b, -rate, dz, x, batch, inputs, outputs);
}

void naive_dense_update_momentum(float *w, float *b, float *vw, float *vb, const float *dz, const float *x, int batch,
                                 int inputs, int outputs, float rate, float momentum) {
    for (int i = 0; i < inputs * outputs; i++) {
        vw[i] *= momentum;
    }
    for (int o = 0; b && o < outputs; o++) {
        vb[o] *= momentum;
    }
    add_gradient(vw, b ? vb : 0, 1, dz, x, batch, inputs, outputs);
    for (int i = 0; i < inputs * outputs; i++) {
        w[i] += -rate * vw[i];
    }
    for (int o = 0; b && o < outputs; o++) {
        b[o] += -rate * vb[o];
    }
}
