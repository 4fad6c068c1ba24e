// SPDX-License-Identifier: GPL-2.0-or-later
// The block hook: charges each translated block its cycles and instructions, and is the one place where the engine stops.
//
// A block is decoded once. Conditional instructions of IT blocks are charged one cycle there, as a skipped one costs; a
// code hook at exactly those addresses, which the engine calls only when the condition held, adds the rest. The engine
// consults the bounds of a code hook when it translates and again when it calls. So a block with conditional
// instructions is translated with the bounds around these, and runs with the bounds wide open; the bounds in between
// are those of no address, and a block that was translated with other bounds than its own is translated again.
#include "board.h"
#include "thumb.h"

#include <string.h>

struct block *block_of(struct board *b, uint32_t address)
{
    if (LIKELY(address < FLASH_BYTES))
        return &b->flash_blocks[address >> 1];
    if (LIKELY(address - RAM_CODE_BASE < b->ram_bytes))
        return &b->alias_blocks[(address - RAM_CODE_BASE) >> 1];
    if (address - RAM_BASE < b->ram_bytes)
        return &b->ram_blocks[(address - RAM_BASE) >> 1];
    return NULL;
}

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

static uint8_t *conditional_at(struct board *b, uint32_t address)
{
    if (address < FLASH_BYTES)
        return &b->conditional_flash[address >> 1];
    return &b->conditional_ram[(address & (RAM_CODE_BASE - 1)) >> 1];
}

enum { NOWHERE = 0xffffffff };

static void bounds_set(struct board *b, uint32_t begin, uint32_t end)
{
    *b->hook_begin = begin;
    *b->hook_end = end;
}

void on_conditional(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct board *b = user;
    uint8_t extra = *conditional_at(b, (uint32_t)address);
    (void)uc;
    (void)size;
    if (extra && !b->stepping) {
        b->cycle += extra - 1u;
        b->skipped--;
    }
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
static int block_decode(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it,
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
    if (t.flow == FLOW_INDIRECT)
        k->flags |= BLOCK_INDIRECT;
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

static void request_flush(struct board *b, uint32_t from, uint32_t to)
{
    blocks_forget(b, from, to);
    b->flush_wanted = true;
    b->flush_from = from;
    b->flush_to = to;
}

static uint32_t it_state(struct board *b)
{
    uint32_t xpsr = reg_get(b, UC_ARM_REG_XPSR);
    return (xpsr >> 25 & 3) | (xpsr >> 8 & 0xfc);
}

// True when the RAM still holds what its translations were made from. Otherwise everything there is translated again, under
// both of its addresses, so that no translation is ever older than the last change of any of its bytes.
static bool ram_settled(struct board *b, uint32_t address, uint32_t size)
{
    uint32_t at = address & (RAM_CODE_BASE - 1);
    if (!memcmp(b->ram + at, b->ram_shadow + at, size))
        return true;
    memcpy(b->ram_shadow + at, b->ram + at, size);
    blocks_forget(b, RAM_CODE_BASE + at, RAM_CODE_BASE + at + size);
    request_flush(b, RAM_BASE + at, RAM_BASE + at + size);
    return false;
}

// A block seen for the first time. Returns NULL when it has to be translated again before it may run.
static struct block *block_new(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it)
{
    uint32_t first = NOWHERE, last = NOWHERE;
    int conditional = block_decode(b, k, address, size, it, &first, &last);
    if (address - RAM_BASE < b->ram_bytes) {
        // Pages of data RAM are translated anew whenever they are written, unseen from here: all their code is hooked.
        if (b->ram_hook || !conditional)
            return k;
        b->ram_hook_wanted = true;
        request_flush(b, RAM_BASE, RAM_BASE + b->ram_bytes);
        return NULL;
    }
    if (*b->hook_begin == first && *b->hook_end == last) {
        if (conditional)
            k->flags |= BLOCK_HOOKED;
        *b->hook_end = NOWHERE;
        return k;
    }
    request_flush(b, address, address + 2);
    bounds_set(b, first, last);
    return NULL;
}

static struct block *block_slow(struct board *b, struct block *k, uint32_t address, uint32_t size)
{
    static struct block scratch;
    uint32_t it = 0;
    if (!k)
        return &scratch;
    if (b->open_it) {
        b->open_it = false;
        it = it_state(b);
        if (it)
            k = &scratch;  // depends on where it was entered: not kept
    }
    if (address >= FLASH_BYTES && !ram_settled(b, address, size)) {
        b->open_it = it != 0;
        return NULL;
    }
    if (it || k->bytes != size) {
        k = block_new(b, k, address, size, it);
        if (!k) {
            b->open_it = it != 0;
            return NULL;
        }
    }
    if (k->flags & b->special & BLOCK_FP) {
        b->fp_trap = true;
        return NULL;
    }
    if (k->flags & BLOCK_BREAK) {
        b->debug.near_from = address;
        b->debug.near_bytes = size;
        b->open_it = it != 0;
        return NULL;
    }
    if (k->flags & BLOCK_EVENT)
        b->event_register = true;
    if (k->flags & b->special & BLOCK_FLASH)
        b->cycle += cache_fetch(b, address, k);
    b->open_it = (k->flags & BLOCK_OPEN_IT) != 0;
    return k;
}

// Serves what is due. Returns true when the engine has to stop before this block.
static bool must_stop(struct board *b)
{
    if (b->nor_count)
        nvmc_apply(b);
    if (b->cycle >= b->deadline)
        events_run(b);
    if (b->stop || b->flush_wanted || b->reset_wanted)
        return true;
    return exception_ready(b, false) != 0;
}

void on_block(uc_engine *uc, uint64_t address64, uint32_t size, void *user)
{
    struct board *b = user;
    uint32_t address = (uint32_t)address64;
    if (UNLIKELY(b->stepping))
        return;
    if (UNLIKELY(b->cycle >= b->hook_deadline) && must_stop(b)) {
        b->interrupted = true;
        uc_emu_stop(uc);
        return;
    }
    struct block *k = block_of(b, address);
    if (UNLIKELY(!k || k->bytes != size || (k->flags & b->special) || b->open_it)) {
        k = block_slow(b, k, address, size);
        if (!k) {
            b->interrupted = true;
            uc_emu_stop(uc);
            return;
        }
    }
    if (address != b->fallthrough)
        b->cycle += b->path_taken;
    b->cycle += k->cycles;
    b->instructions += k->count;
    b->skipped += k->conditional;
    *b->hook_begin = k->flags & BLOCK_HOOKED ? 0 : NOWHERE;
    b->fallthrough = address + size;
    b->path_taken = b->branch_cost[k->flags & BLOCK_INDIRECT ? 1 : 0];
    b->path[b->path_at++ & (PATH_BLOCKS - 1)] = address;
}
