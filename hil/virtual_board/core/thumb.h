// SPDX-License-Identifier: GPL-2.0-or-later
// What one Thumb-2 instruction costs on a Cortex-M4F with memory of zero wait states.
#ifndef TERCET_THUMB_H
#define TERCET_THUMB_H

#include <stdint.h>

enum flow { FLOW_NEXT, FLOW_DIRECT, FLOW_INDIRECT };
enum hint { HINT_NONE, HINT_NOP, HINT_YIELD, HINT_WFE, HINT_WFI, HINT_SEV };

struct thumb {
    uint8_t bytes, cycles;
    uint8_t load, store;    // single transfers, which pipeline with each other
    uint8_t flow, hint;
    uint8_t it;             // the low byte of an IT instruction, else 0
    uint8_t fp;             // uses the FPU
    uint8_t literal;        // loads relative to the PC
    uint8_t memory_words;   // words moved, for the bus contention model
    int8_t fp_result;       // S register that a following instruction may wait for, or -1
    int8_t fp_source[3];    // S registers needed at once (not an accumulator), or -1
};

// What one instruction leaves for the next to wait for or to overlap with.
struct pipeline { int8_t fp_result; uint8_t after_memory; };

struct thumb thumb_decode(const uint8_t *code);
void pipeline_clear(struct pipeline *p);
uint32_t pipeline_cost(struct pipeline *p, const struct thumb *t);  // cycles of t after what came before

#endif
