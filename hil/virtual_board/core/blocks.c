// SPDX-License-Identifier: GPL-2.0-or-later
// The block hook: charges each translated block its cycles and instructions, and is the one place where the engine stops.
//
// A block is decoded once. Conditional instructions of IT blocks are charged one cycle there, as a skipped one costs; a
// code hook at exactly those addresses, which the engine calls only when the condition held, adds the rest. The engine
// consults the bounds of a code hook while it translates, so the bounds are set, the block is translated again, and the
// bounds are withdrawn.
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

// The addresses that get a code hook when they are translated next; from > to means all, from = to = 1 none.
void hook_bounds(struct board *b, uint64_t from, uint64_t to)
{
    if (b->hook_begin) {
        *b->hook_begin = from;
        *b->hook_end = to;
    }
}

void on_conditional(uc_engine *uc, uint64_t address, uint32_t size, void *user)
{
    struct board *b = user;
    uint8_t extra = *conditional_at(b, (uint32_t)address);
    (void)uc;
    (void)size;
    if (extra) {
        b->cycle += extra - 1u;
        b->skipped--;
    }
}

static int waits_for_fp(const struct thumb *t, int result)
{
    return result >= 0 && (t->fp_source[0] == result || t->fp_source[1] == result);
}

// Decodes one block. `it` is the IT state at its start (xPSR's layout, 0 outside IT blocks). Returns the number of
// conditional instructions, and their first and last addresses.
static int block_decode(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it,
                        uint32_t *first, uint32_t *last)
{
    const uint8_t *code = code_at(b, address);
    uint32_t at = 0, cycles = 0, count = 0;
    int conditional = 0, after_memory = 0, fp_result = -1;
    struct thumb t = {0};
    memset(k, 0, sizeof *k);
    while (at < size) {
        t = thumb_decode(code + at);
        uint32_t cost = t.cycles;
        if (t.load && after_memory)
            cost = 1;
        if (waits_for_fp(&t, fp_result))
            cost++;
        *conditional_at(b, address + at) = it ? (uint8_t)cost : 0;
        if (it) {
            if (!conditional++)
                *first = address + at;
            *last = address + at;
            cost = 1;
        }
        cycles += cost;
        after_memory = t.load || t.store;
        fp_result = t.fp_result;
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
    if (address >= FLASH_BYTES)
        k->flags |= BLOCK_RAM;
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

// True when the RAM still holds what was decoded; otherwise everything that overlaps is translated again.
static bool ram_unchanged(struct board *b, const struct block *k, uint32_t address)
{
    uint32_t at = address & (RAM_CODE_BASE - 1);
    if (!memcmp(b->ram + at, b->ram_shadow + at, k->bytes))
        return true;
    request_flush(b, address, address + k->bytes);
    return false;
}

static void ram_remember(struct board *b, uint32_t address, uint32_t size)
{
    uint32_t at = address & (RAM_CODE_BASE - 1);
    if (!memcmp(b->ram + at, b->ram_shadow + at, size))
        return;
    blocks_forget(b, RAM_BASE + at, RAM_BASE + at + size);
    blocks_forget(b, RAM_CODE_BASE + at, RAM_CODE_BASE + at + size);
    memcpy(b->ram_shadow + at, b->ram + at, size);
}

// A block seen for the first time. Returns NULL when it has to be translated again before it may run.
static struct block *block_new(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it)
{
    uint32_t first = 0, last = 0;
    bool fresh = b->fresh_at == address;
    if (address >= FLASH_BYTES)
        ram_remember(b, address, size);
    if (!block_decode(b, k, address, size, it, &first, &last))
        return k;
    bool in_data_ram = address - RAM_BASE < b->ram_bytes;
    if (in_data_ram && !b->ram_hook && !b->stepping) {
        b->ram_hook_wanted = true;
        request_flush(b, RAM_BASE, RAM_BASE + b->ram_bytes);
        return NULL;
    }
    if (fresh || !b->hook_begin || in_data_ram || b->stepping) {
        b->fresh_at = 1;
        if (!b->stepping)
            hook_bounds(b, 1, 1);
        return k;
    }
    request_flush(b, address, address + 2);
    hook_bounds(b, first, last);
    b->fresh_at = address;
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
    if (it || k->bytes != size) {
        k = block_new(b, k, address, size, it);
        if (!k) {
            b->open_it = it != 0;
            return NULL;
        }
    } else if ((k->flags & BLOCK_RAM) && !ram_unchanged(b, k, address)) {
        return NULL;
    }
    if (k->flags & b->special & BLOCK_FP) {
        b->fp_trap = true;
        return NULL;
    }
    if ((k->flags & BLOCK_BREAK) && !b->stepping) {
        b->debug.near_from = address;
        b->debug.near_bytes = size;
        b->open_it = it != 0;
        return NULL;
    }
    if (k->flags & BLOCK_EVENT)
        b->event_register = true;
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
    b->fallthrough = address + size;
    b->path_taken = k->flags & BLOCK_INDIRECT ? 2 : 1;
    b->path[b->path_at++ & (PATH_BLOCKS - 1)] = address;
}
