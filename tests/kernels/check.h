/* SPDX-License-Identifier: Apache-2.0
 * What the checks of the kernels share. They run on the host under sanitizers and, the same files, on an emulated
 * Cortex-M4F; hence no library beyond take(). */
#ifndef CHECK_H
#define CHECK_H

#include "../../firmware/kernels/naive/naive.h"

void *take(size_t bytes); /* memory of exactly this size, a multiple of 4 but not of 8 from the start of a block */
void give_all(void);      /* returns everything taken; fails the run when something beside it was written */
void fail(const char *what, int line, int a, int b, int c);
extern int failures, comparisons;

float *random_floats(size_t count);  /* -1 .. 1, the same in every run */
uint32_t random_word(void);
float *copy_floats(const float *x, size_t count);
void same_bits(const float *x, const float *y, size_t count, const char *what, int line, int a, int b, int c);
#define SAME(x, y, count, a, b, c) same_bits(x, y, count, __func__, __LINE__, a, b, c)

void check_dense(void);
void check_conv(void);
void check_layers(void);
void check_int8(void);
void check_norm(void);

#endif
