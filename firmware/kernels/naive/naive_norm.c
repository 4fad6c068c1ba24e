/* SPDX-License-Identifier: Apache-2.0
 * Normalisation over any set of elements: `statistic(n, c)` says which mean belongs to an element. */
#include "naive_norm.h"

#define EACH                                                                                                         \
    for (int n = 0; n < d->batch; n++)                                                                               \
    for (int c = 0; c < d->channels; c++)                                                                            \
    for (int i = 0; i < d->spatial; i++)

static int element(const naive_norm_t *d, int n, int c, int i) { return (n * d->channels + c) * d->spatial + i; }

/* batch norm (groups 0): a statistic for each channel; group norm: one for each sample and group */
static int statistic(const naive_norm_t *d, int n, int c) {
    return d->groups ? n * d->groups + c / (d->channels / d->groups) : c;
}

static float members(const naive_norm_t *d) {
    return d->groups ? (float)(d->channels / d->groups) * (float)d->spatial : (float)d->batch * (float)d->spatial;
}

static float deviation(const naive_norm_t *d, const float *variance, int n, int c) {
    return 1.0f / tk_sqrtf(variance[statistic(d, n, c)] + d->epsilon);
}

void naive_norm_statistics(const naive_norm_t *d, float *mean, float *variance, const float *x) {
    int count = d->groups ? d->batch * d->groups : d->channels;
    for (int s = 0; s < count; s++) {
        float sum = 0, squares = 0;
        EACH {
            sum += statistic(d, n, c) == s ? x[element(d, n, c, i)] : 0;
        }
        mean[s] = sum * (1.0f / members(d));
        EACH {
            float distance = x[element(d, n, c, i)] - mean[s];
            squares += statistic(d, n, c) == s ? distance * distance : 0;
        }
        variance[s] = squares * (1.0f / members(d));
    }
}

void naive_norm_forward(const naive_norm_t *d, float *y, const float *x, const float *mean, const float *variance,
                        const float *gamma, const float *beta) {
    EACH {
        int at = element(d, n, c, i);
        float r = deviation(d, variance, n, c), centred = x[at] - mean[statistic(d, n, c)];
        y[at] = (d->groups ? centred * r * gamma[c] : centred * (gamma[c] * r)) + beta[c];
    }
}

void naive_batchnorm_backward(const naive_norm_t *d, float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *mean, const float *variance, const float *gamma) {
    float share = 1.0f / members(d);
    for (int c = 0; c < d->channels; c++) {
        dgamma[c] = 0, dbeta[c] = 0;
    }
    EACH {
        int at = element(d, n, c, i);
        dgamma[c] += dy[at] * ((x[at] - mean[c]) * deviation(d, variance, n, c));
        dbeta[c] += dy[at];
    }
    EACH {
        int at = element(d, n, c, i);
        float r = deviation(d, variance, n, c), normal = (x[at] - mean[c]) * r;
        dx[at] = (dy[at] - (dbeta[c] * share + normal * (dgamma[c] * share))) * (gamma[c] * r);
    }
}

/* the sums over a channel of a sample come first, then those over the channels of its group */
void naive_groupnorm_backward(const naive_norm_t *d, float *dx, float *dgamma, float *dbeta, const float *dy,
                              const float *x, const float *mean, const float *variance, const float *gamma) {
    float share = 1.0f / members(d);
    for (int c = 0; c < d->channels; c++) {
        dgamma[c] = 0, dbeta[c] = 0;
    }
    for (int n = 0; n < d->batch; n++)
    for (int group = 0; group < d->groups; group++) {
        float sum = 0, products = 0;
        for (int c = 0; c < d->channels; c++) {
            float plain = 0, normed = 0;
            for (int i = 0; c / (d->channels / d->groups) == group && i < d->spatial; i++) {
                int at = element(d, n, c, i);
                plain += dy[at];
                normed += dy[at] * ((x[at] - mean[statistic(d, n, c)]) * deviation(d, variance, n, c));
            }
            dbeta[c] += plain, dgamma[c] += normed;
            sum += gamma[c] * plain, products += gamma[c] * normed;
        }
        for (int c = 0; c < d->channels; c++)
        for (int i = 0; c / (d->channels / d->groups) == group && i < d->spatial; i++) {
            int at = element(d, n, c, i);
            float r = deviation(d, variance, n, c), normal = (x[at] - mean[statistic(d, n, c)]) * r;
            dx[at] = (dy[at] * gamma[c] - sum * share - normal * (products * share)) * r;
        }
    }
}
