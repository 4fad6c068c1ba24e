/* SPDX-License-Identifier: Apache-2.0
 * The families of operators behind tk_exec, and how a pair of dimensions is read. */
#ifndef TK_EXEC_H
#define TK_EXEC_H

#include "tk.h"

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

#endif
