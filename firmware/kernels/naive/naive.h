/* SPDX-License-Identifier: Apache-2.0
 * The kernels as one would write them down: the oracle of tests, never built for a board. */
#ifndef NAIVE_H
#define NAIVE_H

#include "../tk.h"

void naive_dense_forward(float *y, const float *x, const float *w, const float *b, int batch, int inputs, int outputs,
                         int activation);
void naive_dense_backward_data(float *dx, const float *dz, const float *w, int batch, int inputs, int outputs);
void naive_dense_backward_weights(float *dw, float *db, const float *dz, const float *x, int batch, int inputs,
                                  int outputs);
void naive_dense_update_sgd(float *w, float *b, const float *dz, const float *x, int batch, int inputs, int outputs,
                            float rate);
void naive_dense_update_momentum(float *w, float *b, float *vw, float *vb, const float *dz, const float *x, int batch,
                                 int inputs, int outputs, float rate, float momentum);
float naive_activation(float v, int activation);
float naive_activation_slope(float y, int activation);

#endif
