/* SPDX-License-Identifier: Apache-2.0
 * Decodes a record once, at load: into a dense tensor, or into the entries that the sparse kernels walk along. */
#include "tk_packed.h"

/* The number of the n-th living row or column: remembers the last one, for positions come in ascending order. */
typedef struct {
    const uint8_t *bits; /* NULL: all alive */
    uint32_t living, number;
} place_t;

static void place_start(place_t *p, const uint8_t *bits) {
    p->bits = bits;
    p->living = 0;
    p->number = 0;
    while (bits && !(bits[p->number >> 3] >> (p->number & 7) & 1)) {
        p->number++;
    }
}

static uint32_t place(place_t *p, uint32_t nth) {
    if (!p->bits) {
        return nth;
    }
    if (nth < p->living) {
        place_start(p, p->bits);
    }
    while (p->living < nth) {
        p->number++;
        p->living += p->bits[p->number >> 3] >> (p->number & 7) & 1;
    }
    return p->number;
}

/* A walk over the non-zeros in the order of the record; lines are its rows, or its columns in column order. */
typedef struct {
    tk_reader_t *d;
    place_t row, column;
    uint32_t width; /* places of one line */
} walk_t;

static int walk_start(walk_t *w, tk_reader_t *d, const tk_record_t *r) {
    int status = tk_reader_start(d, r);
    uint32_t lines = 0;
    if (status || d->line == 0) {
        return status;
    }
    w->d = d;
    place_start(&w->row, r->row_bits);
    place_start(&w->column, r->column_bits);
    uint32_t count = r->flags & TK_COLUMNS ? r->columns : r->rows;
    const uint8_t *bits = r->flags & TK_COLUMNS ? r->column_bits : r->row_bits;
    for (uint32_t i = 0; bits && i < count; i++) {
        lines += bits[i >> 3] >> (i & 7) & 1;
    }
    w->width = d->line / (bits ? lines : count);
    return TK_PACKED_OK;
}

static int walk(walk_t *w, uint32_t *row, uint32_t *column) {
    int code = tk_reader_next(w->d);
    uint32_t at = w->d->at - 1, line = at / w->width, rest = at % w->width;
    int columns = w->d->r.flags & TK_COLUMNS;
    if (code < 0) {
        return code;
    }
    *row = place(&w->row, columns ? rest : line);
    *column = place(&w->column, columns ? line : rest);
    return code;
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t count) {
    while (count--) {
        *to++ = *from++;
    }
}

int tk_unpack_dense(tk_reader_t *d, const tk_record_t *r, uint8_t *out, size_t out_bytes) {
    uint32_t count = r->rows * r->columns, row, column;
    if (out_bytes < (size_t)count * r->width) {
        return TK_PACKED_SPACE;
    }
    if (!(r->flags & (TK_CODED | TK_SPARSE))) {
        copy(out, r->stream, count * r->width);
        return TK_PACKED_OK;
    }
    for (uint32_t i = 0; i < count * r->width; i++) {
        out[i] = 0;
    }
    walk_t w;
    int code = walk_start(&w, d, r);
    while (code >= 0 && d->left) {
        code = walk(&w, &row, &column);
        if (code >= 0) {
            copy(out + (row * r->columns + column) * r->width, r->book + code * r->width, r->width);
        }
    }
    return code < 0 ? code : TK_PACKED_OK;
}

int tk_unpack_codes(tk_reader_t *d, const tk_record_t *r, int bits, uint8_t *out, size_t out_bytes) {
    uint32_t per_byte = 8 / (uint32_t)bits, stride = (r->columns + per_byte - 1) / per_byte, row, column;
    uint32_t last = r->book_count - (r->flags & TK_SPARSE ? 0 : 1), zeros = 0;
    if (!(r->flags & TK_CODED) || last >= 1u << bits) {
        return TK_PACKED_BAD;
    }
    if (out_bytes < (size_t)r->rows * stride) {
        return TK_PACKED_SPACE;
    }
    for (uint32_t i = 0; i < per_byte; i++) {
        zeros |= last << (i * (uint32_t)bits);
    }
    for (uint32_t i = 0; i < r->rows * stride; i++) {
        out[i] = (uint8_t)zeros;
    }
    walk_t w;
    int code = walk_start(&w, d, r);
    while (code >= 0 && d->left) {
        code = walk(&w, &row, &column);
        if (code >= 0) {
            uint8_t *at = out + row * stride + column / per_byte;
            uint32_t shift = column % per_byte * (uint32_t)bits;
            *at = (uint8_t)((*at & ~(((1u << bits) - 1) << shift)) | (uint32_t)code << shift);
        }
    }
    return code < 0 ? code : TK_PACKED_OK;
}

/* Where entries go: memory, or nowhere when they are only counted. */
typedef struct {
    uint16_t *starts;
    uint8_t *entries;
    size_t bytes, used;
    uint32_t line, next; /* the line being filled and the first free place on it */
} sink_t;

/* Adds one entry; without memory it only counts. */
static int put(sink_t *s, uint8_t distance, uint8_t value) {
    if (s->entries) {
        if (s->used + 2 > s->bytes) {
            return TK_PACKED_SPACE;
        }
        s->entries[s->used] = distance;
        s->entries[s->used + 1] = value;
    }
    s->used += 2;
    return TK_PACKED_OK;
}

static void close_lines(sink_t *s, uint32_t line) {
    while (s->line < line) {
        s->line++;
        s->next = 0;
        if (s->starts) {
            s->starts[s->line] = (uint16_t)(s->used / 2);
        }
    }
}

static int32_t entries(tk_reader_t *d, const tk_record_t *r, sink_t *s, int by_columns) {
    uint32_t row, column;
    walk_t w;
    if (r->kind != TK_VALUE_I8 || !(r->flags & TK_SPARSE) || !(r->flags & TK_COLUMNS) != !by_columns) {
        return TK_PACKED_BAD;
    }
    int code = walk_start(&w, d, r);
    while (code >= 0 && d->left) {
        code = walk(&w, &row, &column);
        if (code < 0) {
            break;
        }
        uint32_t line = by_columns ? column : row, at = by_columns ? row : column;
        close_lines(s, line);
        for (; at - s->next > 255; s->next += 256) {
            if (put(s, 255, 0)) {
                return TK_PACKED_SPACE;
            }
        }
        if (put(s, (uint8_t)(at - s->next), r->book[code])) {
            return TK_PACKED_SPACE;
        }
        s->next = at + 1;
    }
    close_lines(s, by_columns ? r->columns : r->rows);
    return code < 0 ? code : s->used / 2 > 0xFFFF ? TK_PACKED_SPACE : (int32_t)s->used;
}

static int32_t fill(tk_reader_t *d, const tk_record_t *r, uint16_t *starts, uint8_t *to, size_t bytes, int by_columns) {
    sink_t s;
    s.starts = starts;
    s.entries = to;
    s.bytes = bytes;
    s.used = 0;
    s.line = s.next = 0;
    return entries(d, r, &s, by_columns);
}

int32_t tk_unpack_entries(tk_reader_t *d, const tk_record_t *r, uint16_t *starts, uint8_t *to, size_t bytes,
                          int by_columns) {
    starts[0] = 0;
    return fill(d, r, starts, to, bytes, by_columns);
}

int32_t tk_count_entries(tk_reader_t *d, const tk_record_t *r, int by_columns) {
    return fill(d, r, NULL, NULL, 0, by_columns);
}
