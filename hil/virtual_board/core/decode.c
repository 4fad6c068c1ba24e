// SPDX-License-Identifier: GPL-2.0-or-later
// The table of blocks: what each costs, worked out once.
#include "board.h"
#include "thumb.h"

#include <string.h>

const uint8_t *code_at(struct board *b, uint32_t address)
{
    if (address < FLASH_BYTES)
        return b->flash + address;
    if (address - RAM_CODE_BASE < b->ram_bytes)
        return b->ram + (address - RAM_CODE_BASE);
    if (address - RAM_BASE < b->ram_bytes)
        return b->ram + (address - RAM_BASE);
    return NULL;
}

uint8_t *conditional_at(struct board *b, uint32_t address)
{
    if (address < FLASH_BYTES)
        return &b->conditional_flash[address >> 1];
    return &b->conditional_ram[(address & (RAM_CODE_BASE - 1)) >> 1];
}

// Cycles to charge for an instruction that the table gives so many: in the model that counts instructions, one.
uint32_t block_cost(const struct board *b, uint32_t cycles)
{
    return b->cycle_model == MODEL_INSTRUCTIONS ? 1 : cycles;
}

EXPORT void tb_cycle_model(struct board *b, int model)
{
    b->cycle_model = model;
    b->special = (uint8_t)((b->special & ~BLOCK_FLASH) | (model == MODEL_FULL ? BLOCK_FLASH : 0));
    b->branch_cost[0] = model == MODEL_INSTRUCTIONS ? 0 : 1;
    b->branch_cost[1] = model == MODEL_INSTRUCTIONS ? 0 : 2;
    blocks_forget_all(b);
}

// Decodes one block. `it` is the IT state at its start (xPSR's layout, 0 outside IT blocks). Returns the number of
// conditional instructions, and their first and last addresses.
int block_decode(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it,
                        uint32_t *first, uint32_t *last)
{
    const uint8_t *code = code_at(b, address);
    uint32_t at = 0, cycles = 0, count = 0;
    int conditional = 0;
    struct pipeline pipeline;
    struct thumb t = {0};
    memset(k, 0, sizeof *k);
    pipeline_clear(&pipeline);
    while (at < size) {
        t = thumb_decode(code + at);
        uint32_t cost = block_cost(b, pipeline_cost(&pipeline, &t));
        *conditional_at(b, address + at) = it ? (uint8_t)cost : 0;
        if (it) {
            if (!conditional++)
                *first = address + at;
            *last = address + at;
            cost = 1;
        }
        cycles += cost;
        k->literals += t.literal;
        if (t.fp)
            k->flags |= BLOCK_FP;
        if (t.hint == HINT_SEV)
            k->flags |= BLOCK_EVENT;
        if (t.it)
            it = t.it;
        else if (it)
            it = it & 7 ? (it & 0xe0) | (it << 1 & 0x1f) : 0;
        at += t.bytes;
        count++;
    }
    if (it)
        k->flags |= BLOCK_OPEN_IT;
    k->flags |= address >= FLASH_BYTES ? BLOCK_RAM : BLOCK_FLASH;
    if (debug_breaks_in(b, address, size))
        k->flags |= BLOCK_BREAK;
    k->bytes = (uint16_t)size;
    k->count = (uint16_t)count;
    k->cycles = (uint16_t)cycles;
    k->conditional = (uint8_t)conditional;
    k->taken = (uint8_t)b->branch_cost[t.flow == FLOW_INDIRECT];
    return conditional;
}

// Drops what is known of blocks that overlap [from, to).
void blocks_forget(struct board *b, uint32_t from, uint32_t to)
{
    uint32_t low = from > 2048 ? from - 2048 : 0;
    for (uint32_t at = low & ~1u; at < to; at += 2) {
        struct block *k = block_of(b, at);
        if (k && k->bytes && at + k->bytes > from)
            k->bytes = 0;
    }
}

void blocks_forget_all(struct board *b)
{
    memset(b->flash_blocks, 0, FLASH_BYTES / 2 * sizeof *b->flash_blocks);
    memset(b->ram_blocks, 0, b->ram_bytes / 2 * sizeof *b->ram_blocks);
    memset(b->alias_blocks, 0, b->ram_bytes / 2 * sizeof *b->alias_blocks);
}
