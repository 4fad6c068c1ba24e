/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAIVE_NORM_H
#define NAIVE_NORM_H

#include "naive.h"

typedef struct {
    int batch, channels, spatial, groups; /* groups 0: batch normalisation */
    float epsilon;
} naive_norm_t;

void naive_norm_statistics(const naive_norm_t *d, float *mean, float *variance, const float *x);
void naive_norm_forward(const naive_norm_t *d, float *y, const float *x, const float *mean, const float *variance,
                        const float *gamma, const float *beta);
void naive_batchnorm_backward(const naive_norm_t *d, float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *mean, const float *variance, const float *gamma);
void naive_groupnorm_backward(const naive_norm_t *d, float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *mean, const float *variance, const float *gamma);

#endif
