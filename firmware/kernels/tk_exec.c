/* SPDX-License-Identifier: Apache-2.0
 * From an opcode of the kernel table to a call. */
#include "tk_opcodes.h"
#include "tk_exec.h"

static int exec_dense(int opcode, void *const *t, const int32_t *d, const float *h) {
    switch (opcode) {
        case TK_DENSE_FORWARD:
            tk_dense_forward(t[0], (size_t)d[2], t[1], t[2], t[3], d[0], d[1], d[2], d[3]);
            return 0;
        case TK_DENSE_BACKWARD_DATA:
            tk_dense_backward_data(t[0], t[1], t[2], d[0], d[1], d[2]);
            return 0;
        case TK_DENSE_BACKWARD_WEIGHTS:
            tk_dense_backward_weights(t[0], t[1], t[2], t[3], d[0], d[1], d[2]);
            return 0;
        case TK_DENSE_UPDATE_SGD:
            tk_dense_update_sgd(t[0], t[1], t[2], t[3], d[0], d[1], d[2], h[TK_H_RATE]);
            return 0;
        case TK_DENSE_UPDATE_MOMENTUM:
            tk_dense_update_momentum(t[0], t[1], t[2], t[3], t[4], t[5], d[0], d[1], d[2], h[TK_H_RATE],
                                     h[TK_H_MOMENTUM]);
            return 0;
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
    int status = exec_dense(opcode, tensors, dims, hyper);
#ifdef TK_WITH_CONV
    if (status != 0 && opcode >= 64 && opcode < 96) {
        return tk_exec_conv(opcode, tensors, dims, hyper);
    }
#endif
#ifdef TK_WITH_EXTRA
    if (status != 0) {
        return tk_exec_extra(opcode, tensors, dims, hyper);
    }
#endif
    return status;
}
