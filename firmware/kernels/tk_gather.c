/* SPDX-License-Identifier: Apache-2.0
 * Gathering panels: row by row of the kernel, from the image itself where the windows lie inside, through a padded copy
 * of a piece of the row at its ends; element by element where the four pixels do not share a row. */
#include "tk_gather.h"

enum { PIECE = 40 };

tk_pixels_t tk_pixels(int first, int total, int width, int stride_height, int stride_width, int offset_row,
                      int offset_column) {
    tk_pixels_t p = {.count = total - first < 4 ? total - first : 4};
    int row = first / width, column = first - row * width;
    p.step = column + p.count <= width ? stride_width : 0;
    for (int j = 0; j < 4; j++) {
        p.rows[j] = row * stride_height + offset_row;
        p.columns[j] = column * stride_width + offset_column;
        if (++column == width && !p.step) {
            column = 0;
            row++;
        }
    }
    return p;
}

/* four neighbours, `count` times, each time from the next place */
#if defined(__thumb2__)
#define FOUR "ldm %[at],{r4,r5,r6,r8}\n adds %[at],#4\n stmia %[to]!,{r4,r5,r6,r8}\n"
static inline void copy_fours(float *panel, const float *at, int count) { /* LDM and STM move a word a cycle */
    __asm__ volatile("subs %[n],#3\n blt 2f\n"
                     "1:" FOUR FOUR FOUR "subs %[n],#3\n bge 1b\n"
                     "2: adds %[n],#3\n beq 4f\n"
                     "3:" FOUR "subs %[n],#1\n bne 3b\n"
                     "4:\n"
                     : [at] "+r"(at), [to] "+r"(panel), [n] "+r"(count)
                     :
                     : "cc", "memory", "r4", "r5", "r6", "r8");
}
#else
static inline void copy_fours(float *panel, const float *at, int count) {
    for (; count > 0; count--, panel += 4, at++) {
        float v0 = at[0], v1 = at[1], v2 = at[2], v3 = at[3];
        panel[0] = v0, panel[1] = v1, panel[2] = v2, panel[3] = v3;
    }
}
#endif

void tk_copy(float *to, const float *from, int count) {
    for (; count >= 4; count -= 4) {
#if defined(__thumb2__)
        __asm__ volatile("ldmia %[from]!,{r4,r5,r6,r8}\n stmia %[to]!,{r4,r5,r6,r8}\n"
                         : [from] "+r"(from), [to] "+r"(to)
                         :
                         : "memory", "r4", "r5", "r6", "r8");
#else
        to[0] = from[0], to[1] = from[1], to[2] = from[2], to[3] = from[3];
        to += 4, from += 4;
#endif
    }
    for (; count > 0; count--) {
        *to++ = *from++;
    }
}

static void gather_zeros(float *panel, int count) {
    for (; count > 0; count--, panel += 4) {
        panel[0] = 0.0f, panel[1] = 0.0f, panel[2] = 0.0f, panel[3] = 0.0f;
    }
}

static void copy_strided(float *panel, const float *at, int step, int count) {
    for (; count > 0; count--, panel += 4, at++) {
        panel[0] = at[0], panel[1] = at[step], panel[2] = at[2 * step], panel[3] = at[3 * step];
    }
}

/* Where the four pixels read in a row that reaches over an end of the image's: zeros, but for from .. to - 1. */
typedef struct {
    float data[PIECE];
    int low, from, to; /* data[i] is the row's column low + i */
} piece_t;

static void piece_begin(piece_t *piece, int low, int span, int width) {
    piece->low = low;
    piece->from = low < 0 ? -low : 0;
    piece->to = width - low < span ? width - low : span;
    for (int i = 0; i < span; i++) {
        piece->data[i] = 0.0f;
    }
}

static inline const float *piece_of_row(piece_t *piece, const float *line) {
    for (int i = piece->from; i < piece->to; i++) {
        piece->data[i] = line[piece->low + i];
    }
    return piece->data - piece->low;
}

/* whole rows of the kernel, for pixels that share a row */
static void gather_rows(float *panel, const tk_source_t *s, const tk_pixels_t *p, tk_element_t *e, int depth) {
    piece_t piece;
    int width = s->width, kernel = s->kernel_width, step = p->step, column = p->columns[0];
    int span = kernel + 3 * step, inside = column >= 0 && column + span <= width;
    const float *line = s->data + ((size_t)e->channel * (size_t)s->height + (size_t)p->rows[0]) * (size_t)width;
    int row = p->rows[0] + e->row, left = s->kernel_height - e->row;
    line += e->row * width;
    if (!inside) {
        piece_begin(&piece, column, span, width);
    }
    for (; depth > 0; depth -= kernel, panel += 4 * kernel) {
        if ((unsigned)row >= (unsigned)s->height) {
            gather_zeros(panel, kernel);
        } else {
            const float *at = (inside ? line : piece_of_row(&piece, line)) + column;
            if (step == 1) {
                copy_fours(panel, at, kernel);
            } else {
                copy_strided(panel, at, step, kernel);
            }
        }
        row++;
        line += width;
        if (--left == 0) { /* the next channel */
            left = s->kernel_height;
            row -= s->kernel_height;
            line += (s->height - s->kernel_height) * width;
            e->channel++;
        }
    }
    e->row = s->kernel_height - left;
}

static void gather_scattered(float *panel, const tk_source_t *s, const tk_pixels_t *p, const float *plane,
                             tk_element_t e, int count) {
    for (int j = 0; j < 4; j++) {
        int row = p->rows[j] + e.row, column = p->columns[j] + e.column;
        int there = j < p->count && (unsigned)row < (unsigned)s->height;
        for (int i = 0; i < count; i++, column++) {
            panel[4 * i + j] = there && (unsigned)column < (unsigned)s->width ? plane[row * s->width + column] : 0.0f;
        }
    }
}

static void gather_any(float *panel, const tk_source_t *s, const tk_pixels_t *p, tk_element_t *e, int depth) {
    while (depth > 0) {
        int count = s->kernel_width - e->column < depth ? s->kernel_width - e->column : depth;
        const float *plane = s->data + (size_t)e->channel * (size_t)s->height * (size_t)s->width;
        gather_scattered(panel, s, p, plane, *e, count);
        panel += 4 * count;
        depth -= count;
        e->column += count;
        if (e->column == s->kernel_width) {
            e->column = 0;
            if (++e->row == s->kernel_height) {
                e->row = 0;
                e->channel++;
            }
        }
    }
}

void tk_gather(float *panel, const tk_source_t *s, const tk_pixels_t *p, tk_element_t *e, int depth) {
    if (p->step && s->kernel_width + 3 * p->step <= PIECE &&
        e->column == 0 && depth % s->kernel_width == 0) {
        gather_rows(panel, s, p, e, depth);
    } else {
        gather_any(panel, s, p, e, depth);
    }
}
