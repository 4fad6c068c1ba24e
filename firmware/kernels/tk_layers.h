/* SPDX-License-Identifier: Apache-2.0
 * Normalisation, element-wise operators, movement of data, further losses and the optimizers on stored gradients.
 * The formulas are those of the reference of the same names on the host. */
#ifndef TK_LAYERS_H
#define TK_LAYERS_H

#include "tk.h"

/* Batch normalisation, x [batch, channels, spatial]; mean and the biased variance per channel. */
void tk_batchnorm_statistics(float *mean, float *variance, const float *x, int batch, int channels, int spatial);
void tk_batchnorm_forward(float *y, const float *x, const float *mean, const float *variance, const float *gamma,
                          const float *beta, int batch, int channels, int spatial, float epsilon, int activation);
void tk_batchnorm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                           const float *variance, const float *gamma, int batch, int channels, int spatial,
                           float epsilon);
void tk_batchnorm_running(float *running_mean, float *running_variance, const float *mean, const float *variance,
                          int count, int channels, float keep);
void tk_batchnorm_frozen_backward(float *dx, const float *dy, const float *variance, const float *gamma, int batch,
                                  int channels, int spatial, float epsilon);
/* Group normalisation; mean and variance [batch, groups]. Layer normalisation: spatial 1, groups 1. */
void tk_groupnorm_forward(float *y, float *mean, float *variance, const float *x, const float *gamma, const float *beta,
                          int batch, int channels, int spatial, int groups, float epsilon);
void tk_groupnorm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                           const float *variance, const float *gamma, int batch, int channels, int spatial, int groups,
                           float epsilon);

void tk_leaky_relu_forward(float *y, const float *x, float alpha, size_t count);
void tk_leaky_relu_backward(float *dx, const float *dy, const float *y, float alpha, size_t count);
void tk_softmax_forward(float *y, const float *x, int rows, int width);
void tk_softmax_backward(float *dx, const float *dy, const float *y, int rows, int width);
void tk_add(float *y, const float *a, const float *b, size_t count);
void tk_multiply(float *y, const float *a, const float *b, size_t count);
/* y [outer, width_a + width_b] of a [outer, width_a] and b */
void tk_concat(float *y, const float *a, const float *b, int outer, int width_a, int width_b);
/* columns first .. of x [outer, width_x]; backward: zeros elsewhere */
void tk_slice(float *y, const float *x, int outer, int width_x, int first, int width_y);
void tk_slice_backward(float *dx, const float *dy, int outer, int width_x, int first, int width_y);
void tk_transpose(float *y, const float *x, const int32_t *extents, const int32_t *axes);
/* Philox-2x32-10 (Salmon et al., SC'11): the same mask whenever it is asked for */
void tk_dropout(float *y, const float *x, size_t count, uint32_t stream, float drop, uint32_t seed, uint32_t step);

void tk_binary_cross_entropy(float *logits, float *metric, const float *target, int batch, int width);
void tk_mean_absolute_error(float *y, float *metric, const float *target, int batch, int width);
void tk_huber(float *y, float *metric, const float *target, int batch, int width, float delta);

void tk_sgd_update(float *w, const float *dw, size_t count, float rate, float decay);
void tk_momentum_update(float *w, float *v, const float *dw, size_t count, int nesterov, float rate, float momentum,
                        float decay);
typedef struct {
    float rate, beta1, beta2, epsilon, decay, correction1, correction2; /* corrections: 1 - beta^step */
} tk_adam_t;
void tk_adam_update(float *w, float *m, float *v, const float *dw, size_t count, int decoupled, const tk_adam_t *adam);
void tk_clip_value(float *dw, size_t count, float clip);
float tk_square_sum(const float *dw, size_t count);
void tk_clip_norm(float *dw, size_t count, float total, float clip);

#endif
