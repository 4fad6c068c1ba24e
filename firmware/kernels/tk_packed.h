/* SPDX-License-Identifier: Apache-2.0
 * Compressed tensors: reading their records, and integer kernels on the formats that execute. Pure C99, no heap.
 *
 * The file's layout stands in host/tercet/compress/packed/{container,tensor}.py and docs/compression.md. Weights are i8,
 * inputs i16 (each within the range of its feature map, 8 bits or fewer), sums i32; every result is exact. */
#ifndef TK_PACKED_H
#define TK_PACKED_H

#include <stddef.h>
#include <stdint.h>

enum { TK_CODED = 1, TK_SPARSE = 2, TK_COLUMNS = 4, TK_TRIMMED = 8 };
enum { TK_VALUE_F32, TK_VALUE_F16, TK_VALUE_I16, TK_VALUE_I8 };
enum { TK_PACKED_OK, TK_PACKED_SHORT = -1, TK_PACKED_BAD = -2, TK_PACKED_SPACE = -3 };

/* One tensor of a compressed file; the pointers lead into the file. `book` are the values of the codebook, or all
 * non-zeros in order when the record is sparse but not coded. */
typedef struct {
    const uint8_t *book, *value_lengths, *gap_lengths, *row_bits, *column_bits, *stream;
    uint32_t rows, columns, nonzeros, stream_bytes;
    uint16_t book_count, gap_count;
    uint8_t flags, kind, width;
    int8_t fraction;
} tk_record_t;

/* A canonical Huffman decoder. */
typedef struct {
    uint16_t counts[16];
    uint8_t symbols[256];
} tk_huffman_t;

/* The non-zeros of a record one after another. */
typedef struct {
    tk_record_t r;
    tk_huffman_t values, gaps;
    uint32_t bit, left, at, line; /* at: position + 1 on the line of living places */
} tk_reader_t;

/* Reads the record at `data`; returns its bytes, or an error below zero. */
int32_t tk_record_parse(tk_record_t *r, const uint8_t *data, size_t count);
/* Prepares the decoding of a coded record. */
int tk_reader_start(tk_reader_t *reader, const tk_record_t *r);
/* The next value's place in the codebook, and its position on the line when the record is sparse; or an error. */
int tk_reader_next(tk_reader_t *reader);
/* All values as stored (width bytes each, zeros included), rows * columns of them. */
int tk_unpack_dense(tk_reader_t *scratch, const tk_record_t *r, uint8_t *out, size_t out_bytes);

/* Places in the codebook, `bits` = 4 or 2 each, rows padded to whole bytes; in sparse records a zero is the place after the
 * last one. */
int tk_unpack_codes(tk_reader_t *scratch, const tk_record_t *r, int bits, uint8_t *out, size_t out_bytes);

/* Executable formats for i8 weights. `starts` has one element more than there are rows (delta) or columns (csc). An entry
 * is a distance from the place after the last entry (u8) and a value (i8); a distance above 255 is bridged by zeros. */
int32_t tk_unpack_entries(tk_reader_t *scratch, const tk_record_t *r, uint16_t *starts, uint8_t *entries, size_t bytes,
                          int by_columns);
/* The bytes that tk_unpack_entries needs for entries, or an error. */
int32_t tk_count_entries(tk_reader_t *scratch, const tk_record_t *r, int by_columns);

void tk_packed_dense(int32_t *acc, const int8_t *w, const int16_t *x, int rows, int columns);
void tk_packed_delta(int32_t *acc, const uint16_t *starts, const uint8_t *entries, const int16_t *x, int rows);
void tk_packed_csc(int32_t *acc, const uint16_t *starts, const uint8_t *entries, const int16_t *x, int columns);
/* Codes of `bits` = 4 or 2 in bytes, least significant first, rows padded to whole bytes; `table` holds for each byte the
 * two or four values as i16. */
void tk_packed_table(int32_t *acc, const uint8_t *codes, const int16_t *table, const int16_t *x, int rows, int columns,
                     int bits);
void tk_packed_make_table(int16_t *table, const int8_t *book, int entries, int bits);

/* y = clamp(round(acc 2^-shift)) to low..127, halves rounded up; a negative shift multiplies. */
void tk_packed_requantise(int16_t *y, const int32_t *acc, int count, int shift, int low);
/* acc = bias 2^shift (i8 bias), halves rounded up, or 0 without one. */
void tk_packed_bias(int32_t *acc, const int8_t *bias, int count, int shift);

/* Any of the formats. `more` are starts or a table. */
enum { TK_DENSE, TK_DELTA, TK_CSC, TK_TABLE4, TK_TABLE2 };
void tk_packed_multiply(int format, int32_t *acc, const void *weights, const void *more, const int16_t *x, int rows,
                        int columns);

/* A window that slides over a map [channels, height, width]; zeros surround it in a convolution. */
typedef struct {
    int32_t channels, height, width, kernel_height, kernel_width, stride_height, stride_width, top, left, out_height,
        out_width;
} tk_window_t;

typedef struct {
    const void *weights, *more;
    const int8_t *bias;
    int32_t format, bias_shift, shift, low;
} tk_packed_layer_t;

/* out [channels, out_height, out_width]; `field` holds one receptive field, acc one sum per channel. */
void tk_packed_conv(int16_t *out, const int16_t *map, const tk_window_t *w, int16_t *field, int32_t *acc, int channels,
                    const tk_packed_layer_t *layer);
void tk_packed_max_pool(int16_t *out, const int16_t *map, const tk_window_t *w);

#endif
