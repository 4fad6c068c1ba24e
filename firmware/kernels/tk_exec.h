/* SPDX-License-Identifier: Apache-2.0
 * The families of operators behind tk_exec, and how a pair of dimensions is read. */
#ifndef TK_EXEC_H
#define TK_EXEC_H

#include "tk_conv.h"
#include "tk_opcodes.h"

int tk_exec_conv(int opcode, void *const *tensors, const int32_t *dims, const float *hyper);
int tk_exec_extra(int opcode, void *const *tensors, const int32_t *dims, const float *hyper);

static inline size_t tk_count(const int32_t *pair) { return (size_t)pair[0] | (size_t)pair[1] << 16; }

static inline float tk_real(const int32_t *pair) {
    union {
        uint32_t u;
        float f;
    } bits = {.u = (uint32_t)pair[0] | (uint32_t)pair[1] << 16};
    return bits.f;
}

/* pooling and depthwise convolutions leave channels out twice */
static inline tk_conv_t tk_plane_of(const int32_t *d) {
    tk_conv_t g = {d[0], d[1], d[2], d[3], d[1], d[4], d[5], d[6], d[7], d[8], d[9], d[10], d[11], d[1]};
    return g;
}

typedef struct {
    tk_sink_t weights, bias;
} tk_sinks_t;

/* where the gradients of an opcode go: dw db, or w b, or w b vw vb; `first` is the plain gradient's opcode */
static inline tk_sinks_t tk_sinks_of(int opcode, int first, void *const *t, const float *h) {
    tk_sinks_t s = {{t[0], NULL, 0.0f, 0.0f, opcode == first}, {t[1], NULL, 0.0f, 0.0f, opcode == first}};
    if (opcode > first) {
        s.weights.rate = s.bias.rate = h[TK_H_RATE];
    }
    if (opcode == first + 2) {
        s.weights.v = t[2], s.bias.v = t[3];
        s.weights.momentum = s.bias.momentum = h[TK_H_MOMENTUM];
    }
    return s;
}

#endif
