/* SPDX-License-Identifier: Apache-2.0 */
#ifndef NAIVE_CONV_H
#define NAIVE_CONV_H

#include "../tk_conv.h"
#include "naive.h"

void naive_conv2d_forward(const tk_conv_t *g, float *y, const float *x, const float *w, const float *b, int activation);
void naive_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w);
void naive_conv2d_backward_weights(const tk_conv_t *g, float *dw, float *db, const float *dz, const float *x);

/* batch and in_channels planes, each by itself; argmax: index in the window */
void naive_maxpool2d(const tk_conv_t *g, float *y, int *argmax, const float *x);
void naive_maxpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, const int *argmax);
void naive_avgpool2d(const tk_conv_t *g, float *y, const float *x, int count_padding);
void naive_avgpool2d_backward(const tk_conv_t *g, float *dx, const float *dy, int count_padding);
void naive_depthwise_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w);

#endif
