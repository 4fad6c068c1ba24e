/* SPDX-License-Identifier: Apache-2.0
 * Dense layers: forward with bias and activation fused, backward, and the update fused with the weight gradient, which
 * never exists as a tensor. */
#include "tk.h"

void tk_dense_forward(float *y, size_t ldy, const float *x, const float *w, const float *b, int batch, int inputs,
                      int outputs, int activation) {
    for (int s = 0; s < batch; s++) {
        float *row = y + s * ldy;
        if (b) {
            tk_activate(row, b, (size_t)outputs, TK_NONE);
        } else {
            tk_fill(row, 0.0f, (size_t)outputs);
        }
    }
    tk_gemm_nt(y, ldy, x, (size_t)inputs, w, (size_t)inputs, batch, outputs, inputs);
    if (activation != TK_NONE) {
        for (int s = 0; s < batch; s++) {
            tk_activate(y + s * ldy, y + s * ldy, (size_t)outputs, activation);
        }
    }
}

void tk_dense_add_data(float *dx, const float *dz, size_t ldz, const float *w, int batch, int inputs, int outputs) {
    tk_gemm_nn(dx, (size_t)inputs, dz, ldz, w, (size_t)inputs, batch, inputs, outputs);
}

void tk_dense_backward_data(float *dx, const float *dz, const float *w, int batch, int inputs, int outputs) {
    tk_fill(dx, 0.0f, (size_t)batch * (size_t)inputs);
    tk_dense_add_data(dx, dz, (size_t)outputs, w, batch, inputs, outputs);
}

/* b += factor (sum of dz over the batch), the bias's part of the matrix product */
static void add_bias_gradient(float *b, float factor, const float *dz, size_t ldz, int batch, int outputs) {
    for (int s = 0; b && s < batch; s++) {
        tk_axpy(b, factor, dz + (size_t)s * ldz, (size_t)outputs);
    }
}

void tk_dense_update_sgd(float *w, float *b, const float *dz, size_t ldz, const float *x, int batch, int inputs,
                         int outputs, float rate) {
    tk_gemm_tn(w, (size_t)inputs, -rate, dz, ldz, x, (size_t)inputs, outputs, inputs, batch);
    add_bias_gradient(b, -rate, dz, ldz, batch, outputs);
}

void tk_dense_backward_weights(float *dw, float *db, const float *dz, size_t ldz, const float *x, int batch, int inputs,
                               int outputs) {
    tk_fill(dw, 0.0f, (size_t)outputs * (size_t)inputs);
    tk_gemm_tn(dw, (size_t)inputs, 1.0f, dz, ldz, x, (size_t)inputs, outputs, inputs, batch);
    if (db) {
        tk_fill(db, 0.0f, (size_t)outputs);
        add_bias_gradient(db, 1.0f, dz, ldz, batch, outputs);
    }
}

void tk_dense_update_momentum(float *w, float *b, float *vw, float *vb, const float *dz, size_t ldz, const float *x,
                              int batch, int inputs, int outputs, float rate, float momentum) {
    size_t count = (size_t)outputs * (size_t)inputs;
    tk_scale(vw, vw, momentum, count);
    tk_gemm_tn(vw, (size_t)inputs, 1.0f, dz, ldz, x, (size_t)inputs, outputs, inputs, batch);
    tk_axpy(w, -rate, vw, count);
    if (b) {
        tk_scale(vb, vb, momentum, (size_t)outputs);
        add_bias_gradient(vb, 1.0f, dz, ldz, batch, outputs);
        tk_axpy(b, -rate, vb, (size_t)outputs);
    }
}
