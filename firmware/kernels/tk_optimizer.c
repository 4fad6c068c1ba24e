/* SPDX-License-Identifier: Apache-2.0
 * Optimizers on stored gradients, clipping, and the losses of regression. */
#include "tk_layers.h"

void tk_sgd_update(float *w, const float *dw, size_t count, float rate, float decay) {
    for (size_t i = 0; i < count; i++) {
        w[i] = w[i] - rate * (dw[i] + decay * w[i]);
    }
}

void tk_momentum_update(float *w, float *v, const float *dw, size_t count, int nesterov, float rate, float momentum,
                        float decay) {
    for (size_t i = 0; i < count; i++) {
        float g = dw[i] + decay * w[i];
        v[i] = momentum * v[i] + g;
        w[i] = w[i] - rate * (nesterov ? g + momentum * v[i] : v[i]);
    }
}

/* Kingma and Ba (2015); decoupled: Loshchilov and Hutter (2019). */
void tk_adam_update(float *w, float *m, float *v, const float *dw, size_t count, int decoupled, const tk_adam_t *adam) {
    float shrink = decoupled ? 1.0f - adam->rate * adam->decay : 1.0f, decay = decoupled ? 0.0f : adam->decay;
    float step = adam->rate / adam->correction1, inverse2 = 1.0f / adam->correction2;
    for (size_t i = 0; i < count; i++) {
        float g = dw[i] + decay * w[i];
        m[i] = adam->beta1 * m[i] + (1.0f - adam->beta1) * g;
        v[i] = adam->beta2 * v[i] + (1.0f - adam->beta2) * g * g;
        w[i] = w[i] * shrink - step * m[i] / (tk_sqrtf(v[i] * inverse2) + adam->epsilon);
    }
}

void tk_clip_value(float *dw, size_t count, float clip) {
    for (size_t i = 0; i < count; i++) {
        dw[i] = dw[i] > clip ? clip : dw[i] < -clip ? -clip : dw[i];
    }
}

float tk_square_sum(const float *dw, size_t count) {
    float sum = 0.0f;
    for (size_t i = 0; i < count; i++) {
        sum = sum + dw[i] * dw[i];
    }
    return sum;
}

void tk_clip_norm(float *dw, size_t count, float total, float clip) {
    float factor = clip / (tk_sqrtf(total) + 1e-6f);
    if (factor < 1.0f) {
        tk_scale(dw, dw, factor, count);
    }
}

void tk_binary_cross_entropy(float *logits, float *metric, const float *target, int batch, int width) {
    float loss = 0.0f, correct = 0.0f, factor = 1.0f / ((float)batch * (float)width), share = 1.0f / (float)width;
    for (int s = 0; s < batch; s++) {
        int hits = 0;
        float sum = 0.0f;
        for (int i = 0; i < width; i++, logits++, target++) {
            float z = *logits, a = z < 0.0f ? z : -z;
            sum = sum + ((z > 0.0f ? z : 0.0f) - z * *target + tk_logf(1.0f + tk_expf(a)));
            hits += (z > 0.0f) == (*target > 0.5f);
            *logits = (tk_sigmoidf(z) - *target) * factor;
        }
        loss = loss + sum * share;
        correct = correct + (hits == width ? 1.0f : 0.0f);
    }
    metric[0] = loss;
    metric[1] = correct;
}

void tk_mean_absolute_error(float *y, float *metric, const float *target, int batch, int width) {
    float loss = 0.0f, factor = 1.0f / ((float)batch * (float)width);
    for (int i = 0; i < batch * width; i++) {
        float error = y[i] - target[i];
        loss = loss + (error < 0.0f ? -error : error);
        y[i] = error > 0.0f ? factor : error < 0.0f ? -factor : error;
    }
    metric[0] = loss / (float)width;
    metric[1] = 0.0f;
}

void tk_huber(float *y, float *metric, const float *target, int batch, int width, float delta) {
    float loss = 0.0f, factor = 1.0f / ((float)batch * (float)width);
    for (int i = 0; i < batch * width; i++) {
        float error = y[i] - target[i], size = error < 0.0f ? -error : error;
        loss = loss + (size <= delta ? error * error * 0.5f : delta * (size - delta * 0.5f));
        y[i] = (size <= delta ? error : error < 0.0f ? -delta : delta) * factor;
    }
    metric[0] = loss / (float)width;
    metric[1] = 0.0f;
}
