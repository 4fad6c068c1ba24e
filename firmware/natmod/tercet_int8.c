/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the eight-bit kernels: module tercet_int8, for inference. All memory comes as buffers. */
#include "py/dynruntime.h"

#include "tk_int8.h"

/* bytes of a buffer; raises when there are fewer than `least`, or when words do not stand at a multiple of 4 */
static void *bytes(mp_obj_t o, size_t least, int flags, uintptr_t alignment) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, flags);
    if (info.len < least || ((uintptr_t)info.buf & (alignment - 1))) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer too short or not at a multiple of 4"));
    }
    return info.buf;
}

static tk_scale_t scale_of(const mp_obj_t *o, const int32_t *a, size_t outputs) {
    tk_scale_t s = {bytes(o[0], 4 * outputs, MP_BUFFER_READ, 4), bytes(o[1], 4 * outputs, MP_BUFFER_READ, 4),
                    bytes(o[2], outputs, MP_BUFFER_READ, 1), a[0], a[1], a[2]};
    for (size_t i = 0; i < outputs; i++) {
        if (s.shift[i] < 1 || s.shift[i] > 62) {
            mp_raise_ValueError(MP_ERROR_TEXT("a shift is not 1 to 62"));
        }
    }
    return s;
}

static void positive(const int32_t *a, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (a[i] < 1 || a[i] > 0xFFFF) {
            mp_raise_ValueError(MP_ERROR_TEXT("a dimension is not 1 to 65535"));
        }
    }
}

/* dense(args, y, x, w, bias, multiplier, shift); args: array('i', [batch, inputs, outputs, zero, low, high]) */
static mp_obj_t dense(size_t n_args, const mp_obj_t *o) {
    const int32_t *a = bytes(o[0], 24, MP_BUFFER_READ, 4);
    positive(a, 3);
    size_t batch = (size_t)a[0], inputs = (size_t)a[1], outputs = (size_t)a[2];
    tk_scale_t s = scale_of(o + 4, a + 3, outputs);
    tk_int8_dense(bytes(o[1], batch * outputs, MP_BUFFER_WRITE, 1), bytes(o[2], batch * inputs, MP_BUFFER_READ, 1),
                  bytes(o[3], inputs * outputs, MP_BUFFER_READ, 1), &s, a[0], a[1], a[2]);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(dense_obj, 7, 7, dense);

/* The dimensions at the beginning of args, in the order of tk_conv_t; raises unless they fit each other. */
static tk_conv_t conv_of(const int32_t *a) {
    tk_conv_t g = {a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10], a[11], a[12], a[13]};
    positive(a, 11);
    positive(a + 13, 1);
    if (g.pad_top < 0 || g.pad_left < 0 || g.in_channels % g.groups || g.out_channels % g.groups) {
        mp_raise_ValueError(MP_ERROR_TEXT("padding or groups do not fit"));
    }
    return g;
}

typedef struct {
    int8_t *y, *x, *w;
} operands_t;

static operands_t operands_of(const mp_obj_t *o, const tk_conv_t *g) {
    size_t plane = (size_t)g->out_height * (size_t)g->out_width, image = (size_t)g->in_height * (size_t)g->in_width;
    size_t window = (size_t)g->kernel_height * (size_t)g->kernel_width, inputs = (size_t)(g->in_channels / g->groups);
    operands_t t = {bytes(o[0], (size_t)g->batch * (size_t)g->out_channels * plane, MP_BUFFER_WRITE, 1),
                    bytes(o[1], (size_t)g->batch * (size_t)g->in_channels * image, MP_BUFFER_READ, 1),
                    bytes(o[2], (size_t)g->out_channels * inputs * window, MP_BUFFER_READ, 1)};
    return t;
}

/* conv2d(args, y, x, w, bias, multiplier, shift)
 * args: array('i', [the 14 dimensions of a convolution, zero, low, high, padding]); depthwise when groups equals both channels */
static mp_obj_t conv2d(size_t n_args, const mp_obj_t *o) {
    const int32_t *a = bytes(o[0], 72, MP_BUFFER_READ, 4);
    tk_conv_t g = conv_of(a);
    operands_t t = operands_of(o + 1, &g);
    tk_scale_t s = scale_of(o + 4, a + 14, (size_t)g.out_channels);
    if (g.groups == g.in_channels && g.groups == g.out_channels) {
        tk_int8_depthwise(&g, t.y, t.x, t.w, &s, (int8_t)a[17]);
    } else if (tk_int8_conv2d(&g, t.y, t.x, t.w, &s, (int8_t)a[17]) != 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("inputs per group times window exceed 1024"));
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(conv2d_obj, 7, 7, conv2d);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_dense, MP_OBJ_FROM_PTR(&dense_obj));
    mp_store_global(MP_QSTR_conv2d, MP_OBJ_FROM_PTR(&conv2d_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
