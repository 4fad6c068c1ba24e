/* SPDX-License-Identifier: Apache-2.0
 * From an opcode of the kernel table to a call. */
#include "tk_exec.h"

/* A dense layer or a tile of one, whose last two dimensions are the outputs before it and those of the whole layer. */
static int exec_dense(int opcode, void *const *t, const int32_t *d, const float *h) {
    int tile = opcode >= TK_DENSE_FORWARD_TILE;
    opcode -= tile ? TK_DENSE_FORWARD_TILE - TK_DENSE_FORWARD : 0;
    const int32_t *range = d + (opcode == TK_DENSE_FORWARD ? 4 : 3);
    size_t first = tile ? (size_t)range[0] : 0, total = (size_t)(tile ? range[1] : d[2]);
    switch (opcode) {
        case TK_DENSE_FORWARD:
            tk_dense_forward((float *)t[0] + first, total, t[1], t[2], t[3], d[0], d[1], d[2], d[3]);
            return 0;
        case TK_DENSE_BACKWARD_DATA:
            if (first == 0) {
                tk_fill(t[0], 0.0f, (size_t)d[0] * (size_t)d[1]);
            }
            tk_dense_add_data(t[0], (const float *)t[1] + first, total, t[2], d[0], d[1], d[2]);
            return 0;
        case TK_DENSE_BACKWARD_WEIGHTS:
            tk_dense_backward_weights(t[0], t[1], (const float *)t[2] + first, total, t[3], d[0], d[1], d[2]);
            return 0;
        case TK_DENSE_UPDATE_SGD:
            tk_dense_update_sgd(t[0], t[1], (const float *)t[2] + first, total, t[3], d[0], d[1], d[2], h[TK_H_RATE]);
            return 0;
        case TK_DENSE_UPDATE_MOMENTUM:
            tk_dense_update_momentum(t[0], t[1], t[2], t[3], (const float *)t[4] + first, total, t[5], d[0], d[1], d[2],
                                     h[TK_H_RATE], h[TK_H_MOMENTUM]);
            return 0;
        default:
            return -1;
    }
}

static int exec_other(int opcode, void *const *t, const int32_t *d) {
    switch (opcode) {
        case TK_ACTIVATION_BACKWARD:
            tk_activation_backward(t[0], t[1], tk_count(d), d[2]);
            return 0;
        case TK_SOFTMAX_CROSS_ENTROPY:
            tk_softmax_cross_entropy(t[0], t[1], t[2], d[0], d[1]);
            return 0;
        case TK_MEAN_SQUARED_ERROR:
            tk_mean_squared_error(t[0], t[1], t[2], d[0], d[1]);
            return 0;
        default:
            return -1;
    }
}

int tk_exec(int opcode, void *const *tensors, const int32_t *dims, const float *hyper) {
    int tile = opcode >= TK_DENSE_FORWARD_TILE && opcode <= TK_DENSE_UPDATE_MOMENTUM_TILE;
    int status = tile || opcode <= TK_DENSE_UPDATE_MOMENTUM ? exec_dense(opcode, tensors, dims, hyper)
                                                            : exec_other(opcode, tensors, dims);
#ifdef TK_WITH_CONV
    if (status != 0 && opcode >= 64 && opcode < 96) {
        status = tk_exec_conv(opcode, tensors, dims, hyper);
    }
#endif
#ifdef TK_WITH_EXTRA
    if (status != 0) {
        status = tk_exec_extra(opcode, tensors, dims, hyper);
    }
#endif
    return status;
}
