/* SPDX-License-Identifier: Apache-2.0
 * Opcodes of convolutions and pooling. */
#include "tk_exec.h"

static tk_conv_t conv_of(const int32_t *d) {
    tk_conv_t g = {d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[12], d[13]};
    return g;
}

/* A convolution or a tile of one, whose last two dimensions are the channels before it and those of the whole output. */
static int exec_conv2d(int opcode, void *const *t, const int32_t *d, const float *h) {
    tk_conv_t g = conv_of(d);
    int tile = opcode >= TK_CONV2D_FORWARD_TILE;
    opcode -= tile ? TK_CONV2D_FORWARD_TILE - TK_CONV2D_FORWARD : 0;
    const int32_t *range = d + (opcode == TK_CONV2D_FORWARD ? 15 : 14);
    size_t plane = (size_t)g.out_height * (size_t)g.out_width;
    size_t first = tile ? (size_t)range[0] * plane : 0, image = (size_t)(tile ? range[1] : g.out_channels) * plane;
    if (opcode == TK_CONV2D_FORWARD) {
        tk_conv2d_forward(&g, (float *)t[0] + first, image, t[1], t[2], t[3], d[14]);
    } else if (opcode == TK_CONV2D_BACKWARD_DATA) {
        if (first == 0) {
            tk_fill(t[0], 0.0f, (size_t)g.batch * (size_t)g.in_channels * (size_t)g.in_height * (size_t)g.in_width);
        }
        tk_conv2d_add_data(&g, t[0], (const float *)t[1] + first, image, t[2]);
    } else if (opcode <= TK_CONV2D_UPDATE_MOMENTUM) {
        tk_sinks_t s = tk_sinks_of(opcode, TK_CONV2D_BACKWARD_WEIGHTS, t, h);
        void *const *rest = t + (opcode == TK_CONV2D_UPDATE_MOMENTUM ? 4 : 2);
        tk_conv2d_backward_weights(&g, &s.weights, &s.bias, (const float *)rest[0] + first, image, rest[1]);
    } else {
        return -1;
    }
    return 0;
}

static int exec_pool(int opcode, void *const *t, const int32_t *d) {
    if (opcode == TK_GLOBAL_AVERAGE_FORWARD) {
        tk_global_average_forward(t[0], t[1], d[0] * d[1], d[2]);
        return 0;
    }
    if (opcode == TK_GLOBAL_AVERAGE_BACKWARD) {
        tk_global_average_backward(t[0], t[1], d[0] * d[1], d[2]);
        return 0;
    }
    tk_conv_t g = tk_plane_of(d);
    switch (opcode) {
        case TK_MAXPOOL2D_FORWARD:
            tk_maxpool2d_forward(&g, t[0], t[1], t[2]);
            return 0;
        case TK_MAXPOOL2D_BACKWARD:
            tk_maxpool2d_backward(&g, t[0], t[1], t[2]);
            return 0;
        case TK_MAXPOOL2D_FORWARD_ONLY:
            tk_maxpool2d_forward(&g, t[0], NULL, t[1]);
            return 0;
        case TK_MAXPOOL2D_BACKWARD_INPLACE:
            tk_maxpool2d_backward_inplace(&g, t[0], t[1]);
            return 0;
        case TK_AVGPOOL2D_FORWARD:
            tk_avgpool2d_forward(&g, t[0], t[1], d[12]);
            return 0;
        case TK_AVGPOOL2D_BACKWARD:
            tk_avgpool2d_backward(&g, t[0], t[1], d[12]);
            return 0;
        default:
            return -1;
    }
}

int tk_exec_conv(int opcode, void *const *tensors, const int32_t *dims, const float *hyper) {
    int tile = opcode >= TK_CONV2D_FORWARD_TILE && opcode <= TK_CONV2D_UPDATE_MOMENTUM_TILE;
    if (tile || opcode < TK_DEPTHWISE_FORWARD) {
        return exec_conv2d(opcode, tensors, dims, hyper);
    }
    return exec_pool(opcode, tensors, dims);
}
