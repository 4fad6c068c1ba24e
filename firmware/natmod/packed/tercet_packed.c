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

enum { DENSE, DELTA, CSC, TABLE4, TABLE2 };
enum { FORMAT, ROWS, INPUTS, BIAS_SHIFT, SHIFT, LOW, ROUNDED, REPEATS, SETTINGS };

static void multiply(int format, int32_t *acc, const uint8_t *weights, const void *more, const int16_t *x, int rows,
                     int columns) {
    if (format == DENSE) {
        tk_packed_dense(acc, (const int8_t *)weights, x, rows, columns);
    } else if (format == DELTA) {
        tk_packed_delta(acc, more, weights, x, rows);
    } else if (format == CSC) {
        tk_packed_csc(acc, more, weights, x, columns);
    } else {
        tk_packed_table(acc, weights, more, x, rows, columns, format == TABLE4 ? 4 : 2);
    }
}

/* layer(settings i32, acc i32, x i16, y i16 or None, bias i8 or None, weights, more or None)
 * settings: format, rows, columns, bias shift, shift, low, rounded (1: y is made), repeats (1; more to time it).
 * `more`: starts or table.
 * The caller's starts and entries come from `entries`, so rows and columns in them are within the tensor. */
static mp_obj_t layer(size_t n_args, const mp_obj_t *o) {
    const int32_t *s = buffer(o[0], 4 * SETTINGS, 4, MP_BUFFER_READ).buf;
    int rows = s[ROWS], columns = s[INPUTS], format = s[FORMAT];
    int32_t *acc = buffer(o[1], 4 * (size_t)rows, 4, MP_BUFFER_WRITE).buf;
    const int16_t *x = buffer(o[2], 2 * (size_t)columns, 4, MP_BUFFER_READ).buf;
    const int8_t *bias = o[4] == mp_const_none ? NULL : buffer(o[4], rows, 1, MP_BUFFER_READ).buf;
    const uint8_t *weights;
    const void *more = NULL;
    if (format == DENSE) {
        weights = buffer(o[5], (size_t)rows * columns, 1, MP_BUFFER_READ).buf;
    } else if (format == DELTA || format == CSC) {
        int lines = format == CSC ? columns : rows;
        more = buffer(o[6], 2 * ((size_t)lines + 1), 2, MP_BUFFER_READ).buf;
        weights = buffer(o[5], 2 * (size_t)((const uint16_t *)more)[lines], 1, MP_BUFFER_READ).buf;
    } else {
        size_t bits = format == TABLE4 ? 4 : 2;
        weights = buffer(o[5], (size_t)rows * (((size_t)columns * bits + 7) / 8), 1, MP_BUFFER_READ).buf;
        more = buffer(o[6], 512 * (8 / bits), 4, MP_BUFFER_READ).buf;
    }
    int16_t *y = s[ROUNDED] ? buffer(o[3], 2 * (size_t)rows, 2, MP_BUFFER_WRITE).buf : NULL;
    for (int i = 0; i < s[REPEATS]; i++) {
        tk_packed_bias(acc, bias, rows, s[BIAS_SHIFT]);
        multiply(format, acc, weights, more, x, rows, columns);
        if (y) {
            tk_packed_requantise(y, acc, rows, s[SHIFT], s[LOW]);
        }
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(layer_obj, 7, 7, layer);

mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_dense, MP_OBJ_FROM_PTR(&dense_obj));
    mp_store_global(MP_QSTR_count, MP_OBJ_FROM_PTR(&count_obj));
    mp_store_global(MP_QSTR_entries, MP_OBJ_FROM_PTR(&entries_obj));
    mp_store_global(MP_QSTR_codes, MP_OBJ_FROM_PTR(&codes_obj));
    mp_store_global(MP_QSTR_table, MP_OBJ_FROM_PTR(&table_obj));
    mp_store_global(MP_QSTR_lookup, MP_OBJ_FROM_PTR(&lookup_obj));
    mp_store_global(MP_QSTR_layer, MP_OBJ_FROM_PTR(&layer_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
