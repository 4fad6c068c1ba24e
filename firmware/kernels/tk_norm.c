/* SPDX-License-Identifier: Apache-2.0
 * Batch, group and layer normalisation. Variances are taken about the mean in a second pass: the sum of squares minus
 * the square of the sum cancels. */
#include "tk_layers.h"

static float reciprocal(float variance, float epsilon) { return 1.0f / tk_sqrtf(variance + epsilon); }

void tk_batchnorm_statistics(float *mean, float *variance, const float *x, int batch, int channels, int spatial) {
    float share = 1.0f / ((float)batch * (float)spatial);
    for (int c = 0; c < channels; c++) {
        float sum = 0.0f, squares = 0.0f;
        for (int n = 0; n < batch; n++) {
            const float *row = x + ((size_t)n * (size_t)channels + (size_t)c) * (size_t)spatial;
            for (int i = 0; i < spatial; i++) {
                sum = sum + row[i];
            }
        }
        mean[c] = sum * share;
        for (int n = 0; n < batch; n++) {
            const float *row = x + ((size_t)n * (size_t)channels + (size_t)c) * (size_t)spatial;
            for (int i = 0; i < spatial; i++) {
                float d = row[i] - mean[c];
                squares = squares + d * d;
            }
        }
        variance[c] = squares * share;
    }
}

void tk_batchnorm_forward(float *y, const float *x, const float *mean, const float *variance, const float *gamma,
                          const float *beta, int batch, int channels, int spatial, float epsilon, int activation) {
    for (int n = 0; n < batch; n++) {
        for (int c = 0; c < channels; c++) {
            float scale = gamma[c] * reciprocal(variance[c], epsilon), centre = mean[c], shift = beta[c];
            for (int i = 0; i < spatial; i++) {
                y[i] = (x[i] - centre) * scale + shift;
            }
            tk_activate(y, y, (size_t)spatial, activation);
            x += spatial;
            y += spatial;
        }
    }
}

void tk_batchnorm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                           const float *variance, const float *gamma, int batch, int channels, int spatial,
                           float epsilon) {
    float share = 1.0f / ((float)batch * (float)spatial);
    for (int c = 0; c < channels; c++) {
        float r = reciprocal(variance[c], epsilon), products = 0.0f, sum = 0.0f;
        for (int n = 0; n < batch; n++) {
            size_t at = ((size_t)n * (size_t)channels + (size_t)c) * (size_t)spatial;
            for (int i = 0; i < spatial; i++, at++) {
                products = products + dy[at] * ((x[at] - mean[c]) * r);
                sum = sum + dy[at];
            }
        }
        float scale = gamma[c] * r, mean_product = products * share, mean_sum = sum * share;
        for (int n = 0; n < batch; n++) {
            size_t at = ((size_t)n * (size_t)channels + (size_t)c) * (size_t)spatial;
            for (int i = 0; i < spatial; i++, at++) {
                float normal = (x[at] - mean[c]) * r;
                dx[at] = (dy[at] - (mean_sum + normal * mean_product)) * scale;
            }
        }
        dgamma[c] = products;
        dbeta[c] = sum;
    }
}

void tk_batchnorm_running(float *running_mean, float *running_variance, const float *mean, const float *variance,
                          int count, int channels, float keep) {
    float bessel = (float)count / (float)(count > 1 ? count - 1 : 1);
    for (int c = 0; c < channels; c++) {
        running_mean[c] = keep * running_mean[c] + (1.0f - keep) * mean[c];
        running_variance[c] = keep * running_variance[c] + (1.0f - keep) * (variance[c] * bessel);
    }
}

void tk_batchnorm_frozen_backward(float *dx, const float *dy, const float *variance, const float *gamma, int batch,
                                  int channels, int spatial, float epsilon) {
    for (int n = 0; n < batch; n++) {
        for (int c = 0; c < channels; c++) {
            tk_scale(dx, dy, gamma[c] * reciprocal(variance[c], epsilon), (size_t)spatial);
            dx += spatial;
            dy += spatial;
        }
    }
}

void tk_groupnorm_forward(float *y, float *mean, float *variance, const float *x, const float *gamma, const float *beta,
                          int batch, int channels, int spatial, int groups, float epsilon) {
    int members = channels / groups, count = members * spatial;
    for (int n = 0; n < batch * groups; n++) {
        tk_batchnorm_statistics(mean + n, variance + n, x, 1, 1, count);
        float r = reciprocal(variance[n], epsilon);
        for (int c = 0; c < members; c++) {
            int channel = n % groups * members + c;
            for (int i = 0; i < spatial; i++) {
                *y++ = (*x++ - mean[n]) * r * gamma[channel] + beta[channel];
            }
        }
    }
}

void tk_groupnorm_backward(float *dx, float *dgamma, float *dbeta, const float *dy, const float *x, const float *mean,
                           const float *variance, const float *gamma, int batch, int channels, int spatial, int groups,
                           float epsilon) {
    int members = channels / groups;
    float share = 1.0f / ((float)members * (float)spatial);
    tk_fill(dgamma, 0.0f, (size_t)channels);
    tk_fill(dbeta, 0.0f, (size_t)channels);
    for (int n = 0; n < batch * groups; n++) {
        float r = reciprocal(variance[n], epsilon), sum = 0.0f, products = 0.0f;
        for (int c = 0; c < members; c++) {
            int channel = n % groups * members + c;
            float plain = 0.0f, normed = 0.0f;
            for (int i = c * spatial; i < (c + 1) * spatial; i++) {
                plain = plain + dy[i];
                normed = normed + dy[i] * ((x[i] - mean[n]) * r);
            }
            dbeta[channel] = dbeta[channel] + plain;
            dgamma[channel] = dgamma[channel] + normed;
            sum = sum + gamma[channel] * plain;
            products = products + gamma[channel] * normed;
        }
        for (int i = 0; i < members * spatial; i++) {
            float normal = (x[i] - mean[n]) * r, inner = dy[i] * gamma[n % groups * members + i / spatial];
            dx[i] = (inner - sum * share - normal * (products * share)) * r;
        }
        dx += members * spatial;
        dy += members * spatial;
        x += members * spatial;
    }
}
