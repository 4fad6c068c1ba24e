/* SPDX-License-Identifier: Apache-2.0
 * Dense kernels against the naive ones, bit by bit, over awkward shapes. */
#include "check.h"

static const int SIZES[] = {1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 16, 17, 23, 24, 31, 33, 37};
enum { N_SIZES = sizeof SIZES / sizeof *SIZES };

typedef struct {
    int batch, inputs, outputs;
    float *x, *w, *b, *dz;
} layer_t;

static layer_t layer(int batch, int inputs, int outputs) {
    layer_t l = {batch, inputs, outputs, 0, 0, 0, 0};
    l.x = random_floats((size_t)(batch * inputs));
    l.w = random_floats((size_t)(outputs * inputs));
    l.b = random_floats((size_t)outputs);
    l.dz = random_floats((size_t)(batch * outputs));
    return l;
}

static void forward(layer_t l, int activation, int bias) {
    size_t n = (size_t)(l.batch * l.outputs);
    float *y = take(4 * n), *z = take(4 * n), *b = bias ? l.b : NULL;
    tk_dense_forward(y, (size_t)l.outputs, l.x, l.w, b, l.batch, l.inputs, l.outputs, activation);
    naive_dense_forward(z, l.x, l.w, b, l.batch, l.inputs, l.outputs, activation);
    SAME(y, z, n, l.batch, l.inputs, l.outputs);
    int first = l.outputs / 3; /* the same layer in two tiles of outputs */
    float *tiled = take(4 * n);
    tk_dense_forward(tiled, (size_t)l.outputs, l.x, l.w, b, l.batch, l.inputs, first, activation);
    tk_dense_forward(tiled + first, (size_t)l.outputs, l.x, l.w + first * l.inputs, b ? b + first : NULL, l.batch,
                     l.inputs, l.outputs - first, activation);
    SAME(y, tiled, n, l.batch, l.inputs, l.outputs);
}

static void backward_tile(layer_t l, int first, int outputs, float *dx, float *dw, float *db) {
    int skipped = first * l.inputs;
    tk_dense_add_data(dx, l.dz + first, (size_t)l.outputs, l.w + skipped, l.batch, l.inputs, outputs);
    tk_dense_backward_weights(dw + skipped, db + first, l.dz + first, (size_t)l.outputs, l.x, l.batch, l.inputs, outputs);
}

static void backward(layer_t l) {
    size_t nx = (size_t)(l.batch * l.inputs), nw = (size_t)(l.outputs * l.inputs), nb = (size_t)l.outputs;
    float *dx = take(4 * nx), *ex = take(4 * nx), *dw = take(4 * nw), *ew = take(4 * nw), *db = take(4 * nb),
          *eb = take(4 * nb);
    tk_dense_backward_data(dx, l.dz, l.w, l.batch, l.inputs, l.outputs);
    naive_dense_backward_data(ex, l.dz, l.w, l.batch, l.inputs, l.outputs);
    SAME(dx, ex, nx, l.batch, l.inputs, l.outputs);
    tk_dense_backward_weights(dw, db, l.dz, nb, l.x, l.batch, l.inputs, l.outputs);
    naive_dense_backward_weights(ew, eb, l.dz, l.x, l.batch, l.inputs, l.outputs);
    SAME(dw, ew, nw, l.batch, l.inputs, l.outputs);
    SAME(db, eb, nb, l.batch, l.inputs, l.outputs);
    int first = l.outputs / 3; /* the same bits in two tiles of outputs */
    for (size_t i = 0; i < nx; i++) {
        ex[i] = 0.0f;
    }
    backward_tile(l, 0, first, ex, ew, eb);
    backward_tile(l, first, l.outputs - first, ex, ew, eb);
    SAME(dx, ex, nx, l.batch, l.inputs, l.outputs);
    SAME(dw, ew, nw, l.batch, l.inputs, l.outputs);
    SAME(db, eb, nb, l.batch, l.inputs, l.outputs);
}

static void update(layer_t l, int bias) {
    size_t nw = (size_t)(l.outputs * l.inputs), nb = (size_t)l.outputs;
    float *w = copy_floats(l.w, nw), *v = random_floats(nw), *ew = copy_floats(l.w, nw), *ev = copy_floats(v, nw);
    float *b = bias ? copy_floats(l.b, nb) : NULL, *eb = bias ? copy_floats(l.b, nb) : NULL;
    float *vb = bias ? random_floats(nb) : NULL, *evb = bias ? copy_floats(vb, nb) : NULL;
    tk_dense_update_sgd(w, b, l.dz, nb, l.x, l.batch, l.inputs, l.outputs, 0.3f);
    naive_dense_update_sgd(ew, eb, l.dz, l.x, l.batch, l.inputs, l.outputs, 0.3f);
    SAME(w, ew, nw, l.batch, l.inputs, l.outputs);
    tk_dense_update_momentum(w, b, v, vb, l.dz, nb, l.x, l.batch, l.inputs, l.outputs, 0.3f, 0.9f);
    naive_dense_update_momentum(ew, eb, ev, evb, l.dz, l.x, l.batch, l.inputs, l.outputs, 0.3f, 0.9f);
    SAME(w, ew, nw, l.batch, l.inputs, l.outputs);
    SAME(v, ev, nw, l.batch, l.inputs, l.outputs);
    if (bias) {
        SAME(b, eb, nb, l.batch, l.inputs, l.outputs);
        SAME(vb, evb, nb, l.batch, l.inputs, l.outputs);
    }
}

static void one_shape(int batch, int inputs, int outputs) {
    layer_t l = layer(batch, inputs, outputs);
    forward(l, (batch + inputs + outputs) % 5, outputs & 1);
    forward(l, TK_NONE, 1);
    give_all();
    l = layer(batch, inputs, outputs);
    backward(l);
    give_all();
    l = layer(batch, inputs, outputs);
    update(l, inputs & 1);
    give_all();
}

void check_dense(void) {
    for (int i = 0; i < N_SIZES; i++) {
        for (int o = 0; o < N_SIZES; o++) {
            for (int s = (i + o) % 3; s < N_SIZES; s += 3) {
                one_shape(SIZES[s], SIZES[i], SIZES[o]);
            }
        }
    }
    one_shape(70, 9, 6); /* more than two panels of the batch */
    one_shape(1, 784, 11);
    one_shape(3, 130, 66);
}
