/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the packed kernels: module tercet_packed. Everything is a buffer or an int; a wrong record or a
 * buffer that is too short raises ValueError. */
#include "py/dynruntime.h"

#include "tk_packed.h"

static mp_buffer_info_t buffer(mp_obj_t o, size_t bytes, size_t align, int flags) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, flags);
    if (info.len < bytes || ((uintptr_t)info.buf & (align - 1))) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer too short or not aligned"));
    }
    return info;
}

static int32_t fine(int32_t status) {
    if (status < 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("damaged tensor"));
    }
    return status;
}

static tk_record_t parse(mp_obj_t data, mp_obj_t offset) {
    mp_buffer_info_t file = buffer(data, 0, 1, MP_BUFFER_READ);
    uint32_t at = (uint32_t)mp_obj_get_int(offset);
    tk_record_t r;
    if (at > file.len) {
        mp_raise_ValueError(MP_ERROR_TEXT("offset outside the file"));
    }
    fine(tk_record_parse(&r, (const uint8_t *)file.buf + at, file.len - at));
    return r;
}

/* dense(data, offset, out): all stored values of the tensor at `offset`. */
static mp_obj_t dense(mp_obj_t data, mp_obj_t offset, mp_obj_t out) {
    tk_record_t r = parse(data, offset);
    mp_buffer_info_t to = buffer(out, 0, 1, MP_BUFFER_WRITE);
    tk_reader_t reader;
    fine(tk_unpack_dense(&reader, &r, to.buf, to.len));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(dense_obj, dense);

/* count(data, offset, by_columns) -> bytes of the entries. */
static mp_obj_t count(mp_obj_t data, mp_obj_t offset, mp_obj_t by_columns) {
    tk_record_t r = parse(data, offset);
    tk_reader_t reader;
    return mp_obj_new_int(fine(tk_count_entries(&reader, &r, mp_obj_is_true(by_columns))));
}
static MP_DEFINE_CONST_FUN_OBJ_3(count_obj, count);

/* entries(data, offset, by_columns, starts u16, out) -> bytes written. */
static mp_obj_t entries(size_t n_args, const mp_obj_t *o) {
    tk_record_t r = parse(o[0], o[1]);
    int by_columns = mp_obj_is_true(o[2]);
    mp_buffer_info_t starts = buffer(o[3], 2 * ((by_columns ? r.columns : r.rows) + 1), 2, MP_BUFFER_WRITE);
    mp_buffer_info_t out = buffer(o[4], 0, 1, MP_BUFFER_WRITE);
    tk_reader_t reader;
    return mp_obj_new_int(fine(tk_unpack_entries(&reader, &r, starts.buf, out.buf, out.len, by_columns)));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(entries_obj, 5, 5, entries);

/* codes(data, offset, bits, out): places in the codebook for a table kernel. */
static mp_obj_t codes(size_t n_args, const mp_obj_t *o) {
    tk_record_t r = parse(o[0], o[1]);
    int bits = mp_obj_get_int(o[2]);
    mp_buffer_info_t out = buffer(o[3], 0, 1, MP_BUFFER_WRITE);
    tk_reader_t reader;
    if (bits != 4 && bits != 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("codes of 4 or 2 bits"));
    }
    fine(tk_unpack_codes(&reader, &r, bits, out.buf, out.len));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(codes_obj, 4, 4, codes);

/* table(out i16[256 * 8 / bits], book i8, bits) */
static mp_obj_t table(mp_obj_t out, mp_obj_t book, mp_obj_t bits) {
    int width = mp_obj_get_int(bits);
    mp_buffer_info_t values = buffer(book, 0, 1, MP_BUFFER_READ);
    if (width != 4 && width != 2) {
        mp_raise_ValueError(MP_ERROR_TEXT("codes of 4 or 2 bits"));
    }
    tk_packed_make_table(buffer(out, 256 * 2 * (8 / width), 4, MP_BUFFER_WRITE).buf, values.buf, (int)values.len, width);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(table_obj, table);

/* lookup(out i16, samples u8, offset, table i16[256]): the input map of one sample. */
static mp_obj_t lookup(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t out = buffer(o[0], 0, 2, MP_BUFFER_WRITE), from = buffer(o[1], 0, 1, MP_BUFFER_READ);
    const int16_t *values = buffer(o[3], 512, 2, MP_BUFFER_READ).buf;
    size_t at = (size_t)mp_obj_get_int(o[2]), many = out.len / 2;
    if (at > from.len || many > from.len - at) {
        mp_raise_ValueError(MP_ERROR_TEXT("sample outside the buffer"));
    }
    for (size_t i = 0; i < many; i++) {
        ((int16_t *)out.buf)[i] = values[((const uint8_t *)from.buf)[at + i]];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(lookup_obj, 4, 4, lookup);

enum { FORMAT, ROWS, INPUTS, BIAS_SHIFT, SHIFT, LOW, ROUNDED, REPEATS, SETTINGS };

/* The operands that layer and conv share, o: bias i8 or None, weights, starts or table or None; checked against `s`.
 * The caller's starts and entries come from `entries`, so rows and columns in them are within the tensor. */
static tk_packed_layer_t operands(const int32_t *s, const mp_obj_t *o) {
    size_t rows = (size_t)s[ROWS], columns = (size_t)s[INPUTS];
    tk_packed_layer_t l = {NULL, NULL, NULL, s[FORMAT], s[BIAS_SHIFT], s[SHIFT], s[LOW]};
    if (o[0] != mp_const_none) {
        l.bias = buffer(o[0], rows, 1, MP_BUFFER_READ).buf;
    }
    if (l.format == TK_DENSE) {
        l.weights = buffer(o[1], rows * columns, 1, MP_BUFFER_READ).buf;
    } else if (l.format == TK_DELTA || l.format == TK_CSC) {
        size_t lines = l.format == TK_CSC ? columns : rows;
        l.more = buffer(o[2], 2 * (lines + 1), 2, MP_BUFFER_READ).buf;
        l.weights = buffer(o[1], 2 * (size_t)((const uint16_t *)l.more)[lines], 1, MP_BUFFER_READ).buf;
    } else {
        size_t bits = l.format == TK_TABLE4 ? 4 : 2;
        l.weights = buffer(o[1], rows * ((columns * bits + 7) / 8), 1, MP_BUFFER_READ).buf;
        l.more = buffer(o[2], 512 * (8 / bits), 4, MP_BUFFER_READ).buf;
    }
    return l;
}

/* layer(settings i32, acc i32, x i16, y i16 or None, bias i8 or None, weights, more or None)
 * settings: format, rows, columns, bias shift, shift, low, rounded (1: y is made), repeats (1; more to time it). */
static mp_obj_t layer(size_t n_args, const mp_obj_t *o) {
    const int32_t *s = buffer(o[0], 4 * SETTINGS, 4, MP_BUFFER_READ).buf;
    int rows = s[ROWS], columns = s[INPUTS];
    int32_t *acc = buffer(o[1], 4 * (size_t)rows, 4, MP_BUFFER_WRITE).buf;
    const int16_t *x = buffer(o[2], 2 * (size_t)columns, 4, MP_BUFFER_READ).buf;
    int16_t *y = s[ROUNDED] ? buffer(o[3], 2 * (size_t)rows, 2, MP_BUFFER_WRITE).buf : NULL;
    tk_packed_layer_t l = operands(s, o + 4);
    for (int i = 0; i < s[REPEATS]; i++) {
        tk_packed_bias(acc, l.bias, rows, l.bias_shift);
        tk_packed_multiply(l.format, acc, l.weights, l.more, x, rows, columns);
        if (y) {
            tk_packed_requantise(y, acc, rows, l.shift, l.low);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(layer_obj, 7, 7, layer);

static const tk_window_t *window(const int32_t *s, mp_obj_t x) {
    const tk_window_t *w = (const tk_window_t *)s;
    buffer(x, 2 * (size_t)w->channels * w->height * w->width, 2, MP_BUFFER_READ);
    return w;
}

/* conv(settings i32, acc i32, x i16, y i16, bias, weights, more, field i16)
 * settings: those of a layer, then channels, height, width, kernel (2), stride (2), top, left, output height and width. */
static mp_obj_t conv(size_t n_args, const mp_obj_t *o) {
    const int32_t *s = buffer(o[0], 4 * SETTINGS + sizeof(tk_window_t), 4, MP_BUFFER_READ).buf;
    const tk_window_t *w = window(s + SETTINGS, o[2]);
    size_t rows = (size_t)s[ROWS], columns = (size_t)s[INPUTS];
    if (s[INPUTS] != w->channels * w->kernel_height * w->kernel_width) {
        mp_raise_ValueError(MP_ERROR_TEXT("settings do not fit the weights"));
    }
    tk_packed_layer_t l = operands(s, o + 4);
    mp_buffer_info_t map = buffer(o[2], 0, 2, MP_BUFFER_READ), acc = buffer(o[1], 4 * rows, 4, MP_BUFFER_WRITE);
    mp_buffer_info_t out = buffer(o[3], 2 * rows * w->out_height * w->out_width, 2, MP_BUFFER_WRITE);
    mp_buffer_info_t field = buffer(o[7], 2 * columns, 4, MP_BUFFER_WRITE);
    tk_packed_conv(out.buf, map.buf, w, field.buf, acc.buf, s[ROWS], &l);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(conv_obj, 8, 8, conv);

/* pool(window i32, x i16, y i16): the maximum of each window. */
static mp_obj_t pool(mp_obj_t settings, mp_obj_t x, mp_obj_t y) {
    const tk_window_t *w = window(buffer(settings, sizeof(tk_window_t), 4, MP_BUFFER_READ).buf, x);
    size_t count = (size_t)w->channels * w->out_height * w->out_width;
    tk_packed_max_pool(buffer(y, 2 * count, 2, MP_BUFFER_WRITE).buf, buffer(x, 0, 2, MP_BUFFER_READ).buf, w);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(pool_obj, pool);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_dense, MP_OBJ_FROM_PTR(&dense_obj));
    mp_store_global(MP_QSTR_count, MP_OBJ_FROM_PTR(&count_obj));
    mp_store_global(MP_QSTR_entries, MP_OBJ_FROM_PTR(&entries_obj));
    mp_store_global(MP_QSTR_codes, MP_OBJ_FROM_PTR(&codes_obj));
    mp_store_global(MP_QSTR_table, MP_OBJ_FROM_PTR(&table_obj));
    mp_store_global(MP_QSTR_lookup, MP_OBJ_FROM_PTR(&lookup_obj));
    mp_store_global(MP_QSTR_conv, MP_OBJ_FROM_PTR(&conv_obj));
    mp_store_global(MP_QSTR_pool, MP_OBJ_FROM_PTR(&pool_obj));
    mp_store_global(MP_QSTR_layer, MP_OBJ_FROM_PTR(&layer_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
