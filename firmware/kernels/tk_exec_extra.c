/* SPDX-License-Identifier: Apache-2.0
 * Opcodes of depthwise convolutions, normalisation, element-wise operators, data movement, further losses and optimizers. */
#include "tk_exec.h"
#include "tk_layers.h"

static int exec_depthwise(int opcode, void *const *t, const int32_t *d, const float *h) {
    tk_conv_t g = tk_plane_of(d);
    tk_sinks_t s = tk_sinks_of(opcode, TK_DEPTHWISE_BACKWARD_WEIGHTS, t, h);
    switch (opcode) {
        case TK_DEPTHWISE_FORWARD:
            tk_depthwise_forward(&g, t[0], t[1], t[2], t[3], d[12]);
            return 0;
        case TK_DEPTHWISE_BACKWARD_DATA:
            tk_depthwise_backward_data(&g, t[0], t[1], t[2]);
            return 0;
        case TK_DEPTHWISE_BACKWARD_WEIGHTS:
        case TK_DEPTHWISE_UPDATE_SGD:
            tk_depthwise_backward_weights(&g, &s.weights, &s.bias, t[2], t[3]);
            return 0;
        case TK_DEPTHWISE_UPDATE_MOMENTUM:
            tk_depthwise_backward_weights(&g, &s.weights, &s.bias, t[4], t[5]);
            return 0;
        default:
            return -1;
    }
}

static int exec_norm(int opcode, void *const *t, const int32_t *d) {
    switch (opcode) {
        case TK_BATCHNORM_STATISTICS:
            tk_batchnorm_statistics(t[0], t[1], t[2], d[0], d[1], d[2]);
            return 0;
        case TK_BATCHNORM_FORWARD:
            tk_batchnorm_forward(t[0], t[1], t[2], t[3], t[4], t[5], d[0], d[1], d[2], tk_real(d + 3), d[5]);
            return 0;
        case TK_BATCHNORM_BACKWARD:
            tk_batchnorm_backward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], d[0], d[1], d[2], tk_real(d + 3));
            return 0;
        case TK_BATCHNORM_RUNNING:
            tk_batchnorm_running(t[0], t[1], t[2], t[3], d[0] * d[2], d[1], tk_real(d + 3));
            return 0;
        case TK_BATCHNORM_FROZEN_BACKWARD:
            tk_batchnorm_frozen_backward(t[0], t[1], t[2], t[3], d[0], d[1], d[2], tk_real(d + 3));
            return 0;
        case TK_GROUPNORM_FORWARD:
            tk_groupnorm_forward(t[0], t[1], t[2], t[3], t[4], t[5], d[0], d[1], d[2], d[3], tk_real(d + 4));
            return 0;
        case TK_GROUPNORM_BACKWARD:
            tk_groupnorm_backward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], d[0], d[1], d[2], d[3],
                                  tk_real(d + 4));
            return 0;
        default:
            return -1;
    }
}

static int exec_elementwise(int opcode, void *const *t, const int32_t *d) {
    size_t count = tk_count(d);
    switch (opcode) {
        case TK_ACTIVATION_FORWARD:
            tk_activate(t[0], t[1], count, d[2]);
            return 0;
        case TK_LEAKY_RELU_FORWARD:
            tk_leaky_relu_forward(t[0], t[1], tk_real(d + 2), count);
            return 0;
        case TK_LEAKY_RELU_BACKWARD:
            tk_leaky_relu_backward(t[0], t[1], t[2], tk_real(d + 2), count);
            return 0;
        case TK_ADD_FORWARD:
            tk_add(t[0], t[1], t[2], count);
            tk_activate(t[0], t[0], count, d[2]);
            return 0;
        case TK_MULTIPLY_FORWARD:
            tk_multiply(t[0], t[1], t[2], count);
            return 0;
        case TK_ACCUMULATE:
            tk_add(t[0], t[0], t[1], count);
            return 0;
        case TK_SCALE:
            tk_scale(t[0], t[1], tk_real(d + 2), count);
            return 0;
        case TK_COPY:
            tk_activate(t[0], t[1], count, TK_NONE);
            return 0;
        default:
            return -1;
    }
}

static int exec_movement(int opcode, void *const *t, const int32_t *d, const float *h) {
    switch (opcode) {
        case TK_SOFTMAX_FORWARD:
            tk_softmax_forward(t[0], t[1], d[0], d[1]);
            return 0;
        case TK_SOFTMAX_BACKWARD:
            tk_softmax_backward(t[0], t[1], t[2], d[0], d[1]);
            return 0;
        case TK_CONCAT:
            tk_concat(t[0], t[1], t[2], d[0], d[1], d[2]);
            return 0;
        case TK_SLICE:
            tk_slice(t[0], t[1], d[0], d[1], d[2], d[3]);
            return 0;
        case TK_SLICE_BACKWARD:
            tk_slice_backward(t[0], t[1], d[0], d[1], d[2], d[3]);
            return 0;
        case TK_TRANSPOSE:
            tk_transpose(t[0], t[1], d, d + 4);
            return 0;
        case TK_DROPOUT:
            tk_dropout(t[0], t[1], tk_count(d), (uint32_t)d[2], tk_real(d + 3), (uint32_t)h[TK_H_SEED],
                       (uint32_t)h[TK_H_STEP]);
            return 0;
        default:
            return exec_elementwise(opcode, t, d);
    }
}

static int exec_optimizer(int opcode, void *const *t, const int32_t *d, const float *h) {
    size_t count = tk_count(d);
    tk_adam_t adam = {h[TK_H_RATE],  h[TK_H_BETA1],       h[TK_H_BETA2],      h[TK_H_EPSILON],
                      h[TK_H_DECAY], h[TK_H_CORRECTION1], h[TK_H_CORRECTION2]};
    switch (opcode) {
        case TK_SGD_UPDATE:
            tk_sgd_update(t[0], t[1], count, h[TK_H_RATE], h[TK_H_DECAY]);
            return 0;
        case TK_MOMENTUM_UPDATE:
            tk_momentum_update(t[0], t[1], t[2], count, d[2], h[TK_H_RATE], h[TK_H_MOMENTUM], h[TK_H_DECAY]);
            return 0;
        case TK_ADAM_UPDATE:
            tk_adam_update(t[0], t[1], t[2], t[3], count, d[2], &adam);
            return 0;
        case TK_WEIGHT_DECAY:
            tk_scale(t[0], t[0], 1.0f - h[TK_H_RATE] * h[TK_H_DECAY], count);
            return 0;
        case TK_CLIP_VALUE:
            tk_clip_value(t[0], count, h[TK_H_CLIP]);
            return 0;
        case TK_SQUARE_SUM:
            *(float *)t[0] = tk_square_sum(t[1], count);
            return 0;
        case TK_CLIP_NORM:
            tk_clip_norm(t[0], count, *(float *)t[1], h[TK_H_CLIP]);
            return 0;
        default:
            return -1;
    }
}

int tk_exec_extra(int opcode, void *const *t, const int32_t *d, const float *hyper) {
    switch (opcode) {
        case TK_BINARY_CROSS_ENTROPY:
            tk_binary_cross_entropy(t[0], t[1], t[2], d[0], d[1]);
            return 0;
        case TK_MEAN_ABSOLUTE_ERROR:
            tk_mean_absolute_error(t[0], t[1], t[2], d[0], d[1]);
            return 0;
        case TK_HUBER:
            tk_huber(t[0], t[1], t[2], d[0], d[1], tk_real(d + 2));
            return 0;
        default:
            break;
    }
    if (opcode < TK_BATCHNORM_STATISTICS) {
        return exec_depthwise(opcode, t, d, hyper);
    }
    if (opcode >= TK_SGD_UPDATE) {
        return exec_optimizer(opcode, t, d, hyper);
    }
    return opcode >= TK_ACTIVATION_FORWARD ? exec_movement(opcode, t, d, hyper) : exec_norm(opcode, t, d);
}
