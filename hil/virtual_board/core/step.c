// SPDX-License-Identifier: GPL-2.0-or-later
// Single steps. They are charged here, one by one, and must count like blocks. The engine
// cannot stop inside an IT block, so the IT state is kept here and it sees single instructions without one.
#include "board.h"
#include "thumb.h"

static bool condition_holds(uint32_t condition, uint32_t xpsr)
{
    bool n = xpsr >> 31 & 1, z = xpsr >> 30 & 1, c = xpsr >> 29 & 1, v = xpsr >> 28 & 1, holds = true;
    switch (condition >> 1) {
    case 0: holds = z; break;
    case 1: holds = c; break;
    case 2: holds = n; break;
    case 3: holds = v; break;
    case 4: holds = c && !z; break;
    case 5: holds = n == v; break;
    case 6: holds = n == v && !z; break;
    default: return true;
    }
    return holds != (condition & 1);
}

static void charge(struct board *b, uint32_t pc, const struct thumb *t, bool skipped)
{
    static struct pipeline pipeline;
    if (pc != b->fallthrough || b->path_ended) {
        pipeline_clear(&pipeline);  // as blocks do
        b->cycle += pc != b->fallthrough ? b->path_taken : 0;
    }
    uint32_t cycles = block_cost(b, pipeline_cost(&pipeline, t));
    b->cycle += skipped ? 1 : cycles;
    b->path_ended = t->flow != FLOW_NEXT;
    b->instructions++;
    b->skipped += skipped;
    b->fallthrough = pc + t->bytes;
    b->path_taken = b->branch_cost[t->flow == FLOW_INDIRECT];
    b->path[b->path_at++ & (PATH_BLOCKS - 1)] = pc;
}

static uint32_t it_next(uint32_t it)
{
    return it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
}

static uint32_t with_it(uint32_t xpsr, uint32_t it)
{
    return (xpsr & ~0x0600fc00u) | (it & 3) << 25 | (it & 0xfc) << 8 | 1u << 24;
}

// An IT instruction, or one that the IT block skips: done by hand.
static void pass(struct board *b, uint32_t pc, uint32_t it, const struct thumb *t, bool skipped)
{
    charge(b, pc, t, skipped);
    reg_set(b, UC_ARM_REG_XPSR_NZCVQG, with_it(reg_get(b, UC_ARM_REG_XPSR), it));
    reg_set(b, UC_ARM_REG_PC, (pc + t->bytes) | 1);
}

// 16-bit instructions other than comparisons leave the flags alone inside an IT block.
static bool sets_flags_in_it(const uint8_t *code, const struct thumb *t)
{
    uint32_t op = code[0] | (uint32_t)code[1] << 8;
    return t->bytes == 4 || (op & 0xf800) == 0x2800 || (op & 0xffc0) == 0x4280 || (op & 0xffc0) == 0x42c0 ||
           (op & 0xffc0) == 0x4200 || (op & 0xff00) == 0x4500;
}

// Executes one instruction, also one that does nothing because its IT block skips it.
void cpu_step(struct board *b)
{
    uint32_t pc = reg_get(b, UC_ARM_REG_PC), xpsr = reg_get(b, UC_ARM_REG_XPSR);
    uint32_t it = (xpsr >> 25 & 3) | (xpsr >> 8 & 0xfc);
    const uint8_t *code = code_at(b, pc);
    struct thumb t = {.bytes = 2, .cycles = 1};
    if (code)
        t = thumb_decode(code);
    if (t.it || (it && !condition_holds(it >> 4, xpsr))) {
        pass(b, pc, t.it ? t.it : it_next(it), &t, !t.it);
        return;
    }
    if (!b->stepping) {
        b->stepping = true;
        attention_update(b);
        uc_ctl_flush_tb(b->uc);  // what was translated before does not count instructions
    }
    charge(b, pc, &t, false);
    if (it)
        reg_set(b, UC_ARM_REG_XPSR_NZCVQG, with_it(xpsr, 0));
    uint64_t taken = b->exceptions_taken;
    cpu_run(b, 1);
    if (it && taken == b->exceptions_taken) {
        uint32_t after = reg_get(b, UC_ARM_REG_XPSR);
        if (!sets_flags_in_it(code, &t))
            after = (after & 0x07ffffff) | (xpsr & 0xf8000000);
        reg_set(b, UC_ARM_REG_XPSR_NZCVQG, with_it(after, it_next(it)));
    }
    if (b->nor_count)
        nvmc_apply(b);
}

void cpu_leave_stepping(struct board *b)
{
    if (!b->stepping)
        return;
    uint32_t xpsr = reg_get(b, UC_ARM_REG_XPSR);
    b->stepping = false;
    b->open_it = (xpsr & 0x0600fc00) != 0;
    attention_update(b);
    blocks_forget_all(b);  // the engine drops all translations too
}

// Steps to the first FPU instruction of the block, which then faults.
void cpu_fp_trap(struct board *b)
{
    b->fp_trap = false;
    uint8_t special = b->special;
    b->special = (uint8_t)(special & ~BLOCK_FP);
    for (;;) {
        uint32_t pc = reg_get(b, UC_ARM_REG_PC);
        if (thumb_decode(code_at(b, pc)).fp) {
            b->special = special;
            fault_raise(b, EXC_USAGE, 1u << 19, pc);  // NOCP
            return;
        }
        cpu_step(b);
    }
}

