/* SPDX-License-Identifier: Apache-2.0
 * Losses with their gradients. Each sample's maximum is its own, so that exp cannot overflow. */
#include "tk.h"

static const union {
    uint32_t u;
    float f;
} NOT_A_NUMBER = {0x7FC00000u};

void tk_softmax_cross_entropy(float *logits, float *metric, const uint16_t *labels, int batch, int classes) {
    float loss = 0.0f, correct = 0.0f, share = 1.0f / (float)batch;
    for (int s = 0; s < batch; s++) {
        float *row = logits + (size_t)s * (size_t)classes;
        int best = 0, label = labels[s];
        for (int c = 1; c < classes; c++) {
            if (row[c] > row[best]) {
                best = c;
            }
        }
        float top = row[best], sum = 0.0f;
        float shifted = label < classes ? row[label] - top : NOT_A_NUMBER.f;
        for (int c = 0; c < classes; c++) {
            row[c] = tk_expf(row[c] - top);
            sum = sum + row[c];
        }
        loss = loss + (tk_logf(sum) - shifted);
        correct = correct + (best == label ? 1.0f : 0.0f);
        float inverse = 1.0f / sum;
        for (int c = 0; c < classes; c++) {
            row[c] = (row[c] * inverse - (c == label ? 1.0f : 0.0f)) * share;
        }
    }
    metric[0] = loss;
    metric[1] = correct;
}

void tk_mean_squared_error(float *y, float *metric, const float *target, int batch, int width) {
    float loss = 0.0f, factor = 2.0f / ((float)batch * (float)width), inverse = 1.0f / (float)width;
    for (int s = 0; s < batch; s++) {
        float sum = 0.0f;
        for (int i = 0; i < width; i++) {
            float error = *y - *target++;
            sum = sum + error * error;
            *y++ = error * factor;
        }
        loss = loss + sum * inverse;
    }
    metric[0] = loss;
    metric[1] = 0.0f;
}
