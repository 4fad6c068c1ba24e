/* SPDX-License-Identifier: Apache-2.0
 * Executes the records of a plan as far as they are native. The bytes are those of host/tercet/plan_format.py. */
#include "tk_opcodes.h"
#include "tk.h"

enum { ABSENT = 0xFFFF };

static uint32_t u16_at(const uint8_t *p) { return (uint32_t)p[0] | (uint32_t)p[1] << 8; }

static void mark_phase(const tk_plan_t *plan, uint32_t phase) {
    if (plan->gpio_set) {
        *plan->gpio_clear = 7u << plan->gpio_shift;
        *plan->gpio_set = (phase & 7) << plan->gpio_shift;
    }
}

/* 0, or -1 when the record points outside its pools or the arena */
static int execute(const tk_plan_t *plan, const uint8_t *record) {
    void *tensors[TK_MOST_TENSORS];
    int32_t dims[TK_MOST_DIMS];
    uint32_t shape = tk_shapes[record[0]], first = u16_at(record + 4), first_dim = u16_at(record + 6);
    uint32_t n = shape >> 8, d = shape & 255;
    if (first + n > plan->operand_count || first_dim + d > plan->dim_count) {
        return -1;
    }
    for (uint32_t i = 0; i < n; i++) {
        uint32_t unit = u16_at(plan->operands + 2 * (first + i));
        if (unit != ABSENT && unit * TK_ALIGNMENT >= plan->arena_bytes) {
            return -1;
        }
        tensors[i] = unit == ABSENT ? NULL : plan->arena + unit * TK_ALIGNMENT;
    }
    for (uint32_t i = 0; i < d; i++) {
        dims[i] = (int32_t)u16_at(plan->dims + 2 * (first_dim + i));
    }
    return tk_exec(record[0], tensors, dims, plan->hyper);
}

/* 0, -1 as above, or 1 when the record is left to the caller */
static int transfer(const tk_plan_t *plan, const uint8_t *record) {
    tk_page_t page = {.opcode = record[0], .tensor = u16_at(record + 2)};
    if (!plan->hook) {
        return 1;
    }
    if (record[0] != TK_WAIT) {
        uint32_t first = u16_at(record + 4), first_dim = u16_at(record + 6);
        if (first >= plan->operand_count || first_dim + 4 > plan->dim_count) {
            return -1;
        }
        const uint8_t *dims = plan->dims + 2 * first_dim;
        uint32_t at = u16_at(plan->operands + 2 * first) * TK_ALIGNMENT;
        page.block = u16_at(dims) | u16_at(dims + 2) << 16;
        page.bytes = u16_at(dims + 4) | u16_at(dims + 6) << 16;
        page.data = plan->arena + at;
        if (at > plan->arena_bytes || page.bytes > plan->arena_bytes - at) {
            return -1;
        }
    }
    return plan->hook->record(plan->hook, &page) != 0;
}

static int32_t run(const tk_plan_t *plan, uint32_t pc, uint32_t end) {
    for (; pc < end; pc++) {
        const uint8_t *record = plan->records + pc * TK_RECORD_BYTES;
        bool paging = record[0] >= TK_PAGE_OUT;
        if (record[1] & (plan->evaluating ? TK_TRAINING_ONLY : TK_EVALUATION_ONLY)) {
            continue;
        }
        if (record[0] < TK_FIRST_KERNEL || record[0] > TK_WAIT) {
            return (int32_t)pc;
        }
        mark_phase(plan, record[1]);
        bool known = record[0] < sizeof tk_shapes / sizeof *tk_shapes;
        int status = paging ? transfer(plan, record) : known ? execute(plan, record) : -1;
        if (status != 0) {
            return status > 0 ? (int32_t)pc : -(int32_t)pc - 1;
        }
    }
    return (int32_t)pc;
}

int32_t tk_run(const tk_plan_t *plan, uint32_t pc, uint32_t end) {
    if (!plan->hook) {
        return run(plan, pc, end);
    }
    plan->hook->during(plan->hook, true);
    int32_t result = run(plan, pc, end);
    plan->hook->during(plan->hook, false);
    return result;
}
