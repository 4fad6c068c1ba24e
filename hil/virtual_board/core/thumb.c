// SPDX-License-Identifier: GPL-2.0-or-later
// Cycle table of the Cortex-M4F: Cortex-M4 TRM (ARM 100166) tables 3-1 and 7-1; CYCLES.md has every row with its source.
#include "thumb.h"

#include <string.h>

static int bits_set(uint32_t word)
{
    return __builtin_popcount(word);
}

static void single(struct thumb *t, int is_load)
{
    t->cycles = is_load ? 2 : 1;
    t->load = (uint8_t)is_load;
    t->store = (uint8_t)!is_load;
    t->memory_words = 1;
}

static void multiple(struct thumb *t, int words)
{
    t->cycles = (uint8_t)(1 + words);
    t->memory_words = (uint8_t)words;
}

static void miscellaneous16(struct thumb *t, uint32_t op)
{
    if ((op & 0xf500) == 0xb100)
        t->flow = FLOW_DIRECT;  // CBZ, CBNZ
    else if ((op & 0xfe00) == 0xb400)
        multiple(t, bits_set(op & 0x1ff));
    else if ((op & 0xfe00) == 0xbc00) {
        multiple(t, bits_set(op & 0x1ff));
        if (op & 0x100)
            t->flow = FLOW_INDIRECT;
    } else if ((op & 0xff00) == 0xbf00) {
        if (op & 0xf)
            t->it = (uint8_t)op;
        else
            t->hint = (uint8_t)(HINT_NOP + (op >> 4 & 7));
    }
}

static void decode16(struct thumb *t, uint32_t op)
{
    switch (op >> 12) {
    case 4:
        if (op & 0x800) {
            single(t, 1);
            t->literal = 1;
        }
        else if ((op & 0xff00) == 0x4700 || ((op & 0xfd00) == 0x4400 && (op & 0x87) == 0x87))
            t->flow = FLOW_INDIRECT;  // BX, BLX, and MOV or ADD to PC
        break;
    case 5:
        single(t, (op >> 9 & 7) > 2);
        break;
    case 6: case 7: case 8: case 9:
        single(t, op >> 11 & 1);
        break;
    case 11:
        miscellaneous16(t, op);
        break;
    case 12:
        multiple(t, bits_set(op & 0xff));
        break;
    case 13:
        if ((op >> 8 & 15) < 14)
            t->flow = FLOW_DIRECT;
        break;
    case 14:
        t->flow = FLOW_DIRECT;  // B; longer encodings do not come here
        break;
    default:
        break;
    }
}

static void fp_arithmetic(struct thumb *t, uint32_t h1, uint32_t h2)
{
    int d = (int)((h2 >> 12 & 15) << 1 | (h1 >> 6 & 1));
    int n = (int)((h1 & 15) << 1 | (h2 >> 7 & 1));
    int m = (int)((h2 & 15) << 1 | (h2 >> 5 & 1));
    uint32_t op = h1 >> 4 & 11;
    t->fp_result = (int8_t)d;
    t->fp_source[0] = (int8_t)n;
    t->fp_source[1] = (int8_t)m;
    if (op == 0 || op == 1 || op == 9 || op == 10)
        t->cycles = 3;  // multiply-accumulates, fused or not; the accumulator d may arrive late
    else if (op == 8)
        t->cycles = 14;  // VDIV
    else if (op == 11) {
        t->fp_source[0] = -1;
        if (!(h2 & 0x40))
            t->fp_source[1] = -1;  // VMOV immediate
        else if ((h1 & 15) == 1 && (h2 & 0xc0) == 0xc0)
            t->cycles = 14;  // VSQRT
        else if ((h1 & 14) == 4) {
            t->fp_result = -1;  // VCMP compares d
            t->fp_source[0] = (int8_t)d;
        }
    }
}

static void floating_point(struct thumb *t, uint32_t h1, uint32_t h2)
{
    int d = (int)((h2 >> 12 & 15) << 1 | (h1 >> 6 & 1));
    int n = (int)((h1 & 15) << 1 | (h2 >> 7 & 1));
    t->fp = 1;
    if ((h1 & 0xef00) == 0xee00) {
        if (!(h2 & 0x10))
            fp_arithmetic(t, h1, h2);
        else if (!(h1 & 0xe0) && (h1 & 0x10))
            t->fp_source[0] = (int8_t)n;  // VMOV from S to a core register
    } else if ((h1 & 0xffe0) == 0xec40) {
        t->cycles = 2;  // VMOV between two core registers and two S registers
    } else if ((h1 & 0x0120) == 0x0100) {
        int words = h2 & 0x100 ? 2 : 1;
        t->cycles = (uint8_t)(1 + words);
        t->memory_words = (uint8_t)words;
        t->literal = (h1 & 0x1f) == 0x1f;
        if (words == 1) {
            t->load = h1 >> 4 & 1;
            t->store = !t->load;
        }
        if (!(h1 & 0x10))
            t->fp_source[0] = (int8_t)d;
    } else {
        multiple(t, (int)(h2 & 0xff));
    }
}

static void load_store_multiple(struct thumb *t, uint32_t h1, uint32_t h2)
{
    if (!(h1 & 0x40)) {
        multiple(t, bits_set(h2));
        if ((h1 & 0x10) && (h2 & 0x8000))
            t->flow = FLOW_INDIRECT;
    } else if ((h1 & 0xfff0) == 0xe8d0 && (h2 & 0xffe0) == 0xf000) {
        t->cycles = 2;  // TBB, TBH
        t->flow = FLOW_INDIRECT;
        t->memory_words = 1;
    } else if ((h1 & 0xff60) == 0xe840) {
        t->cycles = 2;  // exclusive loads and stores
        t->memory_words = 1;
    } else {
        multiple(t, 2);  // LDRD, STRD
    }
}

static void single32(struct thumb *t, uint32_t h1, uint32_t h2)
{
    int load = h1 >> 4 & 1;
    if (load && h2 >> 12 == 15 && (h1 & 0x60) != 0x40)
        return;  // PLD, PLI
    single(t, load);
    t->literal = load && (h1 & 15) == 15;
    if (load && h2 >> 12 == 15)
        t->flow = FLOW_INDIRECT;
}

static void decode32(struct thumb *t, uint32_t h1, uint32_t h2)
{
    if ((h1 & 0xec00) == 0xec00) {
        if ((h2 & 0x0e00) == 0x0a00)
            floating_point(t, h1, h2);
    } else if ((h1 & 0xfe00) == 0xe800) {
        load_store_multiple(t, h1, h2);
    } else if ((h1 & 0xf800) == 0xf000 && (h2 & 0x8000)) {
        uint32_t form = h2 & 0x5000;
        if (form || (h1 >> 6 & 15) < 14)
            t->flow = FLOW_DIRECT;  // BL, B.W, B<cond>.W
        else if ((h1 & 0xfff0) == 0xf3b0)
            t->cycles = (h2 & 0xf0) == 0x60 ? 3 : 1;  // ISB refills the pipeline
        else if ((h1 & 0xfff0) == 0xf3a0 && (h2 & 0xff) >= 1 && (h2 & 0xff) <= 4)
            t->hint = (uint8_t)(HINT_NOP + (h2 & 7));
    } else if ((h1 & 0xfe00) == 0xf800) {
        single32(t, h1, h2);
    } else if ((h1 & 0xffd0) == 0xfb90) {
        t->cycles = 7;  // SDIV, UDIV: 2 to 12 by operands; the middle is charged
    }
}

struct thumb thumb_decode(const uint8_t *code)
{
    struct thumb t;
    uint32_t h1 = code[0] | (uint32_t)code[1] << 8;
    memset(&t, 0, sizeof t);
    t.cycles = 1;
    t.fp_result = t.fp_source[0] = t.fp_source[1] = t.fp_source[2] = -1;
    if (h1 >= 0xe800) {
        t.bytes = 4;
        decode32(&t, h1, code[2] | (uint32_t)code[3] << 8);
    } else {
        t.bytes = 2;
        decode16(&t, h1);
    }
    return t;
}

void pipeline_clear(struct pipeline *p)
{
    p->fp_result = -1;
    p->after_memory = 0;
}

uint32_t pipeline_cost(struct pipeline *p, const struct thumb *t)
{
    uint32_t cycles = t->load && p->after_memory ? 1 : t->cycles;
    if (p->fp_result >= 0 && (t->fp_source[0] == p->fp_result || t->fp_source[1] == p->fp_result))
        cycles++;
    p->after_memory = t->load || t->store;
    p->fp_result = t->fp_result;
    return cycles;
}
