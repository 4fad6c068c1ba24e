/* SPDX-License-Identifier: Apache-2.0
 * The training kernels: pure C99, no heap, no library.
 *
 * Layouts: f32, batch first, dense weights [outputs, inputs], images NCHW, convolution weights OIHW.
 * Order of summation: each sum of products is ONE chain in ascending index order, every product rounded before it is
 * added (compile with -ffp-contract=off). Hence a result depends neither on blocking, tiles, alignment nor machine. */
#ifndef TK_H
#define TK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TK_NONE, TK_RELU, TK_TANH, TK_SIGMOID, TK_RELU6 };

/* Elementary functions; the errors are the largest found over all floats of the range (see docs/kernels.md). */
float tk_expf(float x);     /* 0 below -103.97, infinity above 88.72 */
float tk_logf(float x);     /* x > 0 */
float tk_tanhf(float x);
float tk_sigmoidf(float x);
float tk_sqrtf(float x);    /* correctly rounded */

/* Blocks: C += A B, the innermost loops of everything else. `ld` are row strides in elements. */
void tk_gemm_nt(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int m, int n, int k);
void tk_gemm_nn(float *c, size_t ldc, const float *a, size_t lda, const float *b, size_t ldb, int m, int n, int k);
/* C += alpha A' B with A [k, m] and B [k, n] */
void tk_gemm_tn(float *c, size_t ldc, float alpha, const float *a, size_t lda, const float *b, size_t ldb, int m, int n,
                int k);

/* Dense layers: x [batch, inputs], w [outputs, inputs], b [outputs] or NULL, y and dz [batch, outputs].
 * A range of outputs is a tile: pass w + first * inputs, b + first, y + first, dz + first, and as `ldy`, `ldz` the outputs
 * of the whole layer. */
void tk_dense_forward(float *y, size_t ldy, const float *x, const float *w, const float *b, int batch, int inputs,
                      int outputs, int activation);
void tk_dense_backward_data(float *dx, const float *dz, const float *w, int batch, int inputs, int outputs);
/* dx += dz w: tile after tile in ascending order the sum of the whole layer */
void tk_dense_add_data(float *dx, const float *dz, size_t ldz, const float *w, int batch, int inputs, int outputs);
void tk_dense_backward_weights(float *dw, float *db, const float *dz, size_t ldz, const float *x, int batch, int inputs,
                               int outputs);
void tk_dense_update_sgd(float *w, float *b, const float *dz, size_t ldz, const float *x, int batch, int inputs,
                         int outputs, float rate);
/* v = momentum v + g; w -= rate v */
void tk_dense_update_momentum(float *w, float *b, float *vw, float *vb, const float *dz, size_t ldz, const float *x,
                              int batch, int inputs, int outputs, float rate, float momentum);

/* Element-wise; outputs may be the buffer of an input. */
void tk_activate(float *y, const float *x, size_t count, int activation);
void tk_activation_backward(float *dz, const float *y, size_t count, int activation); /* dz in the buffer of dy */
void tk_fill(float *y, float value, size_t count);
void tk_scale(float *y, const float *x, float factor, size_t count);
void tk_axpy(float *y, float factor, const float *x, size_t count); /* y += factor x */

/* Losses: the gradient replaces the prediction; metric = {summed loss of the samples, number correct}.
 * Labels are u8 up to 256 classes, else u16; one that is no class makes the loss NaN. */
void tk_softmax_cross_entropy(float *logits, float *metric, const uint16_t *labels, int batch, int classes);
void tk_mean_squared_error(float *y, float *metric, const float *target, int batch, int width);

/* Bytes. */
void tk_u8_to_f32(float *y, const uint8_t *x, float scale, float offset, size_t count); /* y = x scale + offset */
uint32_t tk_crc32(const uint8_t *data, size_t count, uint32_t crc);                     /* IEEE 802.3; begin with 0 */
uint16_t tk_crc16(const uint8_t *data, size_t count, uint16_t crc);                     /* CCITT, as SD cards have it */
size_t tk_high_water(const uint8_t *data, size_t count, uint8_t byte); /* index after the last byte that differs */

/* One operator by its opcode: tensors and dims in the order of the kernel table, an absent tensor is NULL; hyper in the
 * order of tk_opcodes.h. Returns 0, or -1 for an opcode that this build does not have. */
int tk_exec(int opcode, void *const *tensors, const int32_t *dims, const float *hyper);

/* A record that is no kernel's but a transfer of a page, or (TK_WAIT) the wait for those of a tensor. */
typedef struct {
    uint32_t opcode, tensor, block, bytes;
    uint8_t *data;
} tk_page_t;

/* Who executes such records natively, and works beside the kernels between during(hook, true) and during(hook, false). */
typedef struct tk_hook {
    int32_t (*record)(struct tk_hook *hook, const tk_page_t *page); /* 0, or the caller of tk_run is to see to it */
    void (*during)(struct tk_hook *hook, bool on);
} tk_hook_t;

/* A plan in memory and the marker pins of its phases (set == 0: none). */
typedef struct {
    const uint8_t *records;
    const uint8_t *operands; /* u16, arena offsets in units of 16 bytes, 0xFFFF: absent */
    const uint8_t *dims;     /* u16 */
    uint32_t operand_count, dim_count;
    uint8_t *arena;
    uint32_t arena_bytes;
    const float *hyper;
    volatile uint32_t *gpio_set, *gpio_clear;
    uint32_t gpio_shift;
    tk_hook_t *hook; /* or NULL */
    bool evaluating; /* leaves out what only training needs, or else what only an evaluation needs */
} tk_plan_t;

/* Executes records pc .. end - 1 as far as they are kernels or the hook's. Returns the index of the first record that was not
 * executed (the runtime's own, or end), or -(index + 1) of one that is wrong. */
int32_t tk_run(const tk_plan_t *plan, uint32_t pc, uint32_t end);

#endif
