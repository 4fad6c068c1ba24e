/* SPDX-License-Identifier: Apache-2.0
 * Convolution backward to the data: for a run of pixels of dz and four elements of the kernel the products, summed over
 * the output channels in rows on the stack, are added to the rows of dx that the elements lie on. Stride and padding cost
 * no idle products. */
#include "tk_block.h"
#include "tk_conv_direct.h"

enum { RUN = 64, OUTPUTS = 64 };

typedef struct {
    const tk_conv_t *g;
    float *dx;
    const float *dz, *w;
    int k, outputs, pixels; /* elements of the kernel over all input channels of the group; pixels of dz */
} task_t;

/* row[i] += sum over the output channels of w[., k] dz[., pixel + i] */
static void sum_row(const task_t *t, float *row, int k, int pixel, int length) {
    float column[OUTPUTS];
    for (int first = 0; first < t->outputs; first += OUTPUTS) {
        int count = t->outputs - first < OUTPUTS ? t->outputs - first : OUTPUTS;
        const float *w = t->w + (size_t)first * (size_t)t->k + k;
        for (int o = 0; o < count; o++) {
            column[o] = w[(size_t)o * (size_t)t->k];
        }
        tk_combine_rows(row, column, t->dz + (size_t)first * (size_t)t->pixels + pixel, (size_t)t->pixels, length, count);
    }
}

/* rows [count, RUN] = the sums of elements k .. of the kernel for `length` pixels */
static void sum_outputs(const task_t *t, float *rows, int k, int count, int pixel, int length) {
    int done = 0;
    tk_fill(rows, 0.0f, (size_t)count * RUN);
    if (count == 4) {
        tk_blocks_t blocks = {rows, t->w + k, t->dz + pixel, RUN, (size_t)t->k, (size_t)t->pixels, 4, 0, 4, length / 4,
                              t->outputs};
        tk_blocks_tn(&blocks);
        done = length & ~3;
    }
    for (int i = 0; done < length && i < count; i++) {
        sum_row(t, rows + i * RUN + done, k + i, pixel + done, length - done);
    }
}

/* to[i] += from[i] */
static void add_words(float *to, const float *from, int count) {
#if TK_M4
    for (; count >= 8; count -= 8) {
        __asm__ volatile("vldmia %[to],{s0-s7}\n vldmia %[from]!,{s8-s15}\n"
                         "vadd.f32 s0,s0,s8\n vadd.f32 s1,s1,s9\n vadd.f32 s2,s2,s10\n vadd.f32 s3,s3,s11\n"
                         "vadd.f32 s4,s4,s12\n vadd.f32 s5,s5,s13\n vadd.f32 s6,s6,s14\n vadd.f32 s7,s7,s15\n"
                         "vstmia %[to]!,{s0-s7}\n"
                         : [to] "+r"(to), [from] "+r"(from)
                         :
                         : "memory", "s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "s12",
                           "s13", "s14", "s15");
    }
#endif
    for (; count > 0; count--, to++, from++) {
        *to = *to + *from;
    }
}

/* adds a row of sums to what element e of the kernel lies on */
static void scatter(const task_t *t, const float *row, const tk_element_t *e, int first, int count) {
    const tk_conv_t *g = t->g;
    float *plane = t->dx + (size_t)e->channel * (size_t)g->in_height * (size_t)g->in_width;
    int line = first / g->out_width, column = first - line * g->out_width, step = g->stride_width;
    while (count > 0) {
        int length = g->out_width - column < count ? g->out_width - column : count, i = 0;
        int y = line * g->stride_height - g->pad_top + e->row, at = column * step - g->pad_left + e->column;
        if ((unsigned)y < (unsigned)g->in_height) {
            float *to = plane + y * g->in_width;
            for (; i < length && at < 0; i++) {
                at += step;
            }
            if (step == 1) {
                int end = i + g->in_width - at < length ? i + g->in_width - at : length;
                add_words(to + at, row + i, end - i);
            } else {
                for (; i < length && at < g->in_width; i++, at += step) {
                    to[at] = to[at] + row[i];
                }
            }
        }
        row += length;
        count -= length;
        column = 0;
        line++;
    }
}

static void backward_group(const task_t *t) {
    float rows[4 * RUN];
    for (int pixel = 0; pixel < t->pixels; pixel += RUN) {
        int length = t->pixels - pixel < RUN ? t->pixels - pixel : RUN;
        tk_element_t e = {0, 0, 0};
        for (int k = 0; k < t->k; k += 4) {
            int count = t->k - k < 4 ? t->k - k : 4;
            sum_outputs(t, rows, k, count, pixel, length);
            for (int i = 0; i < count; i++) {
                scatter(t, rows + i * RUN, &e, pixel, length);
                tk_next_element(&e, t->g);
            }
        }
    }
}

/* every pixel of dx collects its products: a convolution of dz with the kernel turned around */
static void collect(const task_t *t) {
    const tk_conv_t *g = t->g;
    size_t elements = (size_t)g->kernel_height * (size_t)g->kernel_width;
    tk_direct_t d = {t->dx, t->dz, t->w, elements, (size_t)t->k, g->in_channels / g->groups, g->in_height, g->in_width,
                     t->outputs, g->out_height, g->out_width, g->kernel_height, g->kernel_width,
                     g->kernel_height - 1 - g->pad_top, g->kernel_width - 1 - g->pad_left, 1};
    tk_direct(&d);
}

void tk_conv2d_add_data(const tk_conv_t *g, float *dx, const float *dz, size_t z_image, const float *w) {
    int total = g->in_height * g->in_width, inputs = g->in_channels / g->groups, outputs = g->out_channels / g->groups;
    task_t t = {g, dx, dz, w, inputs * g->kernel_height * g->kernel_width, outputs, g->out_height * g->out_width};
    for (int n = 0; n < g->batch * g->groups; n++) {
        int group = n % g->groups;
        t.w = w + (size_t)group * (size_t)outputs * (size_t)t.k;
        t.dz = dz + (size_t)(n / g->groups) * z_image + (size_t)(group * outputs) * (size_t)t.pixels;
        if (tk_is_pointwise(g)) {
            tk_gemm_tn(t.dx, (size_t)total, 1.0f, t.w, (size_t)inputs, t.dz, (size_t)total, inputs, total, outputs);
        } else if (tk_collects(g)) {
            collect(&t);
        } else {
            backward_group(&t);
        }
        t.dx += inputs * total;
    }
}

void tk_conv2d_backward_data(const tk_conv_t *g, float *dx, const float *dz, const float *w) {
    tk_fill(dx, 0.0f, (size_t)g->batch * (size_t)g->in_channels * (size_t)g->in_height * (size_t)g->in_width);
    tk_conv2d_add_data(g, dx, dz, tk_image(g), w);
}
