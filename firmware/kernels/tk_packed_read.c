/* SPDX-License-Identifier: Apache-2.0
 * Reads records of a compressed file and decodes their canonical Huffman streams. */
#include "tk_packed.h"

static const uint8_t widths[4] = {4, 2, 2, 1};
#define MAX_ELEMENTS (1u << 24)

static uint32_t number(const uint8_t *p, int bytes) {
    uint32_t value = 0;
    while (bytes--) {
        value = value << 8 | p[bytes];
    }
    return value;
}

/* Moves past `need` bytes; NULL when there are fewer. */
static const uint8_t *take(const uint8_t **p, const uint8_t *end, size_t need) {
    const uint8_t *at = *p;
    if ((size_t)(end - at) < need) {
        return NULL;
    }
    *p = at + need;
    return at;
}

static int parse_sparse(tk_record_t *r, const uint8_t **p, const uint8_t *end) {
    const uint8_t *q = take(p, end, 1);
    if (!q) {
        return TK_PACKED_SHORT;
    }
    r->gap_count = *q + 1;
    r->gap_lengths = take(p, end, (r->gap_count + 1) / 2);
    q = take(p, end, 3);
    if (!r->gap_lengths || !q) {
        return TK_PACKED_SHORT;
    }
    r->nonzeros = number(q, 3);
    if (r->flags & TK_TRIMMED) {
        r->row_bits = take(p, end, (r->rows + 7) / 8);
        r->column_bits = take(p, end, (r->columns + 7) / 8);
        if (!r->row_bits || !r->column_bits) {
            return TK_PACKED_SHORT;
        }
    }
    return TK_PACKED_OK;
}

static int parse_book(tk_record_t *r, const uint8_t **p, const uint8_t *end) {
    const uint8_t *q = take(p, end, 1);
    if (!q) {
        return TK_PACKED_SHORT;
    }
    r->book_count = *q + 1;
    r->book = take(p, end, (size_t)r->book_count * r->width);
    r->value_lengths = r->book ? take(p, end, (r->book_count + 1) / 2) : NULL;
    return r->value_lengths ? TK_PACKED_OK : TK_PACKED_SHORT;
}

int32_t tk_record_parse(tk_record_t *r, const uint8_t *data, size_t count) {
    const uint8_t *p = data, *end = data + count, *q = take(&p, end, 6);
    if (!q) {
        return TK_PACKED_SHORT;
    }
    for (size_t i = 0; i < sizeof *r; i++) { /* no initialiser: a native module has no memset */
        ((uint8_t *)r)[i] = 0;
    }
    r->flags = q[0] & 15;
    r->kind = q[0] >> 4;
    r->fraction = (int8_t)q[1];
    r->rows = number(q + 2, 2);
    r->columns = number(q + 4, 2);
    if (r->kind > TK_VALUE_I8 || r->rows * r->columns > MAX_ELEMENTS) {
        return TK_PACKED_BAD;
    }
    r->width = widths[r->kind];
    if (!(r->flags & (TK_CODED | TK_SPARSE))) {
        r->stream_bytes = r->rows * r->columns * r->width;
        r->stream = take(&p, end, r->stream_bytes);
        return r->stream ? (int32_t)(p - data) : TK_PACKED_SHORT;
    }
    int status = r->flags & TK_CODED ? parse_book(r, &p, end) : TK_PACKED_OK;
    if (!status && r->flags & TK_SPARSE) {
        status = parse_sparse(r, &p, end);
    }
    if (status || !(q = take(&p, end, 3))) {
        return TK_PACKED_SHORT;
    }
    r->stream_bytes = number(q, 3);
    r->stream = take(&p, end, r->stream_bytes);
    if (r->stream && !(r->flags & TK_CODED)) {
        r->book = take(&p, end, (size_t)r->nonzeros * r->width);
    }
    return r->stream && r->book ? (int32_t)(p - data) : TK_PACKED_SHORT;
}

static int length_of(const uint8_t *lengths, int symbol) {
    return lengths[symbol >> 1] >> (4 * (symbol & 1)) & 15;
}

/* Symbols in the order of their codes; refuses lengths that are no prefix code. */
static int huffman_start(tk_huffman_t *h, const uint8_t *lengths, int symbols) {
    uint32_t used = 0, total = 0;
    for (int length = 0; length < 16; length++) {
        h->counts[length] = 0;
    }
    for (int length = 1; length < 16; length++) {
        for (int symbol = 0; symbol < symbols; symbol++) {
            if (length_of(lengths, symbol) == length) {
                h->symbols[used++] = (uint8_t)symbol;
                h->counts[length]++;
                total += 1u << (15 - length);
            }
        }
    }
    return used == 0 || (used == 1 ? h->counts[1] == 1 : total == 1u << 15) ? TK_PACKED_OK : TK_PACKED_BAD;
}

static int huffman_next(const tk_huffman_t *h, tk_reader_t *d) {
    int32_t code = 0, first = 0, index = 0;
    for (int length = 1; length < 16; length++) {
        if (d->bit >= 8 * d->r.stream_bytes) {
            return TK_PACKED_SHORT;
        }
        code |= d->r.stream[d->bit >> 3] >> (7 - (d->bit & 7)) & 1;
        d->bit++;
        int32_t count = h->counts[length];
        if (code - first < count) {
            return h->symbols[index + code - first];
        }
        index += count;
        first = (first + count) << 1;
        code <<= 1;
    }
    return TK_PACKED_BAD;
}

static uint32_t living(const uint8_t *bits, uint32_t count) {
    uint32_t total = 0;
    for (uint32_t i = 0; i < count; i++) {
        total += bits[i >> 3] >> (i & 7) & 1;
    }
    return total;
}

int tk_reader_start(tk_reader_t *d, const tk_record_t *r) {
    if (!(r->flags & (TK_CODED | TK_SPARSE))) {
        return TK_PACKED_BAD;
    }
    d->r = *r;
    d->bit = d->at = 0;
    uint32_t rows = r->row_bits ? living(r->row_bits, r->rows) : r->rows;
    uint32_t columns = r->column_bits ? living(r->column_bits, r->columns) : r->columns;
    d->line = rows * columns;
    d->left = r->flags & TK_SPARSE ? r->nonzeros : d->line;
    int status = r->flags & TK_CODED ? huffman_start(&d->values, r->value_lengths, r->book_count) : TK_PACKED_OK;
    return status || !(r->flags & TK_SPARSE) ? status : huffman_start(&d->gaps, r->gap_lengths, r->gap_count);
}

int tk_reader_next(tk_reader_t *d) {
    if (d->left == 0) {
        return TK_PACKED_SHORT;
    }
    if (d->r.flags & TK_SPARSE) {
        int gap;
        do {
            gap = huffman_next(&d->gaps, d);
            if (gap < 0 || d->at + gap > d->line) {
                return gap < 0 ? gap : TK_PACKED_BAD;
            }
            d->at += gap;
        } while (gap == d->r.gap_count - 1);
    }
    if (d->at >= d->line) {
        return TK_PACKED_BAD;
    }
    d->at++;
    d->left--;
    return d->r.flags & TK_CODED ? huffman_next(&d->values, d) : (int)(d->r.nonzeros - d->left - 1);
}
