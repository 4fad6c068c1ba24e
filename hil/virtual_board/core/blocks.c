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

// Translations of RAM are dropped under both of its addresses, since the engine has the code of both in one place.
static void request_flush(struct board *b, uint32_t from, uint32_t to)
{
    uint32_t at = from & (RAM_CODE_BASE - 1);
    blocks_forget(b, from, to);
    if (from >= FLASH_BYTES) {
        blocks_forget(b, RAM_BASE + at, RAM_BASE + at + to - from);
        blocks_forget(b, RAM_CODE_BASE + at, RAM_CODE_BASE + at + to - from);
    }
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
    request_flush(b, RAM_BASE + at, RAM_BASE + at + size);
    return false;
}

// A block seen for the first time. Returns NULL when it has to be translated again before it may run.
static struct block *block_new(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it)
{
    uint32_t first = NOWHERE, last = NOWHERE;
    int conditional = block_decode(b, k, address, size, it, &first, &last);
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
    if (b->stop || b->flush_wanted || b->reset_wanted || b->pages_stale)
        return true;
    return exception_ready(b, false) != 0;
}

static inline void charge(struct board *b, const struct block *k, uint32_t address, uint32_t size)
{
    if (address != b->fallthrough)
        b->cycle += b->path_taken;
    b->cycle += k->cycles;
    b->instructions += k->count;
    b->skipped += k->conditional;
    *b->hook_begin = k->flags & BLOCK_HOOKED ? 0 : NOWHERE;
    b->fallthrough = address + size;
    b->path_taken = k->taken;
    b->path[b->path_at++ & (PATH_BLOCKS - 1)] = address;
}

static __attribute__((noinline)) void charge_slowly(struct board *b, struct block *k, uint32_t address, uint32_t size)
{
    k = block_slow(b, k, address, size);
    attention_update(b);
    if (k) {
        charge(b, k, address, size);
    } else {
        b->interrupted = true;
        uc_emu_stop(b->uc);
    }
}

static __attribute__((noinline)) void attend(struct board *b, uint32_t address, uint32_t size)
{
    if (b->stepping)
        return;
    if (must_stop(b)) {
        b->interrupted = true;
        uc_emu_stop(b->uc);
    } else {
        charge_slowly(b, block_of(b, address), address, size);
    }
}

// The engine calls this before every block: the way of a known block is short.
void on_block(uc_engine *uc, uint64_t address64, uint32_t size, void *user)
{
    struct board *b = user;
    uint32_t address = (uint32_t)address64;
    (void)uc;
    if (UNLIKELY(b->cycle >= b->hook_deadline)) {
        attend(b, address, size);
        return;
    }
    struct block *k = block_of(b, address);
    if (UNLIKELY(!k || k->bytes != size || (k->flags & b->special)))
        charge_slowly(b, k, address, size);
    else
        charge(b, k, address, size);
}
