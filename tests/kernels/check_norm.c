/* SPDX-License-Identifier: Apache-2.0
 * Batch, group and layer normalisation against the naive ones, bit by bit. */
#include "../../firmware/kernels/naive/naive_norm.h"
#include "../../firmware/kernels/tk_layers.h"
#include "check.h"

typedef struct {
    size_t count, channels, statistics;
    float *x, *dy, *gamma, *beta, *mean, *variance;
} operands_t;

static operands_t operands(const naive_norm_t *d) {
    size_t channels = (size_t)d->channels, statistics = d->groups ? (size_t)(d->batch * d->groups) : channels;
    size_t count = (size_t)d->batch * channels * (size_t)d->spatial;
    operands_t t = {count, channels, statistics, random_floats(count), random_floats(count), random_floats(channels),
                    random_floats(channels), take(4 * statistics), take(4 * statistics)};
    return t;
}

static void batch_norm(const naive_norm_t *d) {
    operands_t t = operands(d);
    float *y = take(4 * t.count), *z = take(4 * t.count), *m = take(4 * t.statistics), *v = take(4 * t.statistics);
    float *dg = take(4 * t.channels), *eg = take(4 * t.channels), *db = take(4 * t.channels), *eb = take(4 * t.channels);
    tk_batchnorm_statistics(t.mean, t.variance, t.x, d->batch, d->channels, d->spatial);
    naive_norm_statistics(d, m, v, t.x);
    SAME(t.mean, m, t.statistics, d->batch, d->channels, d->spatial);
    SAME(t.variance, v, t.statistics, d->batch, d->channels, d->spatial);
    tk_batchnorm_forward(y, t.x, m, v, t.gamma, t.beta, d->batch, d->channels, d->spatial, d->epsilon, TK_NONE);
    naive_norm_forward(d, z, t.x, m, v, t.gamma, t.beta);
    SAME(y, z, t.count, d->batch, d->channels, d->spatial);
    tk_batchnorm_backward(y, dg, db, t.dy, t.x, m, v, t.gamma, d->batch, d->channels, d->spatial, d->epsilon);
    naive_batchnorm_backward(d, z, eg, eb, t.dy, t.x, m, v, t.gamma);
    SAME(y, z, t.count, d->batch, d->channels, d->spatial);
    SAME(dg, eg, t.channels, d->batch, d->channels, d->spatial);
    SAME(db, eb, t.channels, d->batch, d->channels, d->spatial);
    tk_batchnorm_backward(t.dy, dg, db, t.dy, t.x, m, v, t.gamma, d->batch, d->channels, d->spatial, d->epsilon);
    SAME(t.dy, z, t.count, d->batch, d->channels, d->spatial); /* in place: the same */
    give_all();
}

static void group_norm(const naive_norm_t *d) {
    operands_t t = operands(d);
    float *y = take(4 * t.count), *z = take(4 * t.count), *m = take(4 * t.statistics), *v = take(4 * t.statistics);
    float *dg = take(4 * t.channels), *eg = take(4 * t.channels), *db = take(4 * t.channels), *eb = take(4 * t.channels);
    tk_groupnorm_forward(y, t.mean, t.variance, t.x, t.gamma, t.beta, d->batch, d->channels, d->spatial, d->groups,
                         d->epsilon);
    naive_norm_statistics(d, m, v, t.x);
    naive_norm_forward(d, z, t.x, m, v, t.gamma, t.beta);
    SAME(t.mean, m, t.statistics, d->groups, d->channels, d->spatial);
    SAME(t.variance, v, t.statistics, d->groups, d->channels, d->spatial);
    SAME(y, z, t.count, d->groups, d->channels, d->spatial);
    tk_groupnorm_backward(y, dg, db, t.dy, t.x, m, v, t.gamma, d->batch, d->channels, d->spatial, d->groups, d->epsilon);
    naive_groupnorm_backward(d, z, eg, eb, t.dy, t.x, m, v, t.gamma);
    SAME(y, z, t.count, d->groups, d->channels, d->spatial);
    SAME(dg, eg, t.channels, d->groups, d->channels, d->spatial);
    SAME(db, eb, t.channels, d->groups, d->channels, d->spatial);
    give_all();
}

void check_norm(void) {
    for (int i = 0; i < 200; i++) {
        naive_norm_t d = {.batch = i % 3 + 1, .channels = i % 7 + 1, .spatial = i * 5 % 23 + 1, .epsilon = 1e-5f};
        batch_norm(&d);
        d.groups = i % 2 + 1;
        d.channels *= d.groups;
        group_norm(&d);
        d.channels = d.spatial, d.spatial = d.groups = 1; /* layer norm */
        group_norm(&d);
    }
}
