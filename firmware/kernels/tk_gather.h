/* SPDX-License-Identifier: Apache-2.0
 * What four neighbouring pixels of a convolution's result read, gathered into a panel [depth, 4]. */
#ifndef TK_GATHER_H
#define TK_GATHER_H

#include "tk_conv.h"

enum { TK_DEPTH = 72 };

typedef struct { /* what is read: planes of height x width, through a kernel */
    const float *data;
    int height, width, kernel_height, kernel_width;
} tk_source_t;

typedef struct {
    int rows[4], columns[4]; /* the place under the kernel's element 0, 0 */
    int count, step;         /* step: columns from one pixel to the next if they share a row, else 0 */
} tk_pixels_t;

typedef struct { /* a place in the kernel, in (channel, row, column) order */
    int channel, row, column;
} tk_element_t;

/* pixels first .. first + 3 of rows of `width`, of which `total` exist */
tk_pixels_t tk_pixels(int first, int total, int width, int stride_height, int stride_width, int offset_row,
                      int offset_column);
/* gathers the next `depth` elements from *e on, which moves on */
void tk_gather(float *panel, const tk_source_t *source, const tk_pixels_t *p, tk_element_t *e, int depth);

static inline void tk_next_element(tk_element_t *e, const tk_conv_t *g) {
    if (++e->column == g->kernel_width) {
        e->column = 0;
        if (++e->row == g->kernel_height) {
            e->row = 0;
            e->channel++;
        }
    }
}

/* to[i] = from[i]; they do not overlap */
void tk_copy(float *to, const float *from, int count);

#endif
