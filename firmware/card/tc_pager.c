/* SPDX-License-Identifier: Apache-2.0
 * The queue of page transfers. Its machinery runs in the interrupt of SPIM3, or with that interrupt masked.
 *
 * The interrupt is ours only while native code runs: tc_during puts a copy of the vector table in the place of the firmware's
 * and takes it away again, so that any firmware will do and none finds a handler of a module that is gone. */
#include "../kernels/tk_opcodes.h"
#include "tc_pager.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define VTOR REGISTER(0xE000ED08)
#define INTERRUPT_BIT (1u << TC_CARD_INTERRUPT % 32)
enum { SET_ENABLE = 0xE000E104, CLEAR_ENABLE = 0xE000E184, PRIORITY = 0xE000E400 + TC_CARD_INTERRUPT, LOWEST = 7 << 5 };
enum { INTENSET = 0x304 / 4, INTENCLR = 0x308 / 4, END = 0x118 / 4, END_BIT = 1 << 6 };

tc_pager_t *tc_active; /* whom the interrupt serves */

static void mask(void) {
    REGISTER(CLEAR_ENABLE) = INTERRUPT_BIT;
    __asm__ volatile("dsb\n isb" ::: "memory");
}

static void unmask(void) {
    __asm__ volatile("" ::: "memory");
    REGISTER(SET_ENABLE) = INTERRUPT_BIT;
}

/* Starts what comes next; a further write of a page has a further nonce. */
static void begin(tc_pager_t *pager) {
    tk_page_t *page = tc_page(pager);
    tc_kept_t *kept = &pager->kept[page->tensor];
    if (page->opcode == TK_PAGE_OUT) {
        pager->count[1] += ++pager->count[0] == 0;
        kept->written[0] = pager->count[0];
        kept->written[1] = pager->count[1];
    }
    pager->begun = false;
    pager->crc = 0;
    pager->job->guard = &pager->guard;
    tc_start(pager->job, page->opcode == TK_PAGE_OUT, pager->first + page->block, page->data, page->bytes);
}

/* Fills what is missing of a last block with zeros: what stood there must not reach the card. */
static void protect(void *self, uint8_t *to, const uint8_t *from, uint32_t count) {
    tc_pager_t *pager = self;
    if (count < TC_BLOCK_BYTES) {
        for (uint32_t i = 0; i < TC_BLOCK_BYTES; i++) {
            to[i] = i < count ? from[i] : 0;
        }
        from = to;
    }
    if (pager->encrypted) {
        tc_begin_sealing(pager);
        tc_aead_seal(&pager->aead, to, from, TC_BLOCK_BYTES);
        return;
    }
    pager->crc = tk_crc32(from, TC_BLOCK_BYTES, pager->crc);
    for (uint32_t i = 0; from != to && i < TC_BLOCK_BYTES / 4; i++) { /* tensors lie at multiples of 16, the slot of 4 */
        ((uint32_t *)to)[i] = ((const uint32_t *)from)[i];
    }
}

static void reveal(void *self, uint8_t *block) {
    tc_pager_t *pager = self;
    if (pager->encrypted) {
        tc_unseal(pager, block);
    } else {
        pager->crc = tk_crc32(block, TC_BLOCK_BYTES, pager->crc);
    }
}

/* Keeps the tag of a page that was written, or compares that of one that was read. */
static int32_t settle(tc_pager_t *pager, const tk_page_t *page) {
    tc_kept_t *kept = &pager->kept[page->tensor];
    if (page->opcode == TK_PAGE_OUT) {
        if (pager->encrypted) {
            tc_aead_end(&pager->aead, (uint8_t *)kept->tag);
        } else {
            kept->tag[0] = pager->crc;
        }
        pager->bytes_out += page->bytes;
        return TC_DONE;
    }
    if (!(pager->encrypted ? tc_aead_matches(&pager->aead, (uint8_t *)kept->tag) : kept->tag[0] == pager->crc)) {
        return TC_FORGED;
    }
    uint32_t rest = page->bytes % TC_BLOCK_BYTES;
    for (uint32_t i = 0; i < rest; i++) {
        page->data[page->bytes - rest + i] = tc_tail(pager->job)[i];
    }
    pager->bytes_in += page->bytes;
    return TC_DONE;
}

/* Advances the transfer under way and begins the next one when it has ended. */
static void turn(tc_pager_t *pager) {
    tk_page_t *page = tc_page(pager);
    int32_t result = pager->head == pager->tail ? TC_RUNNING : tc_advance(pager->job);
    if (result == TC_RUNNING) {
        return;
    }
    result = result == TC_DONE ? settle(pager, page) : result;
    if (result == TC_DONE) {
        pager->head++;
        pager->attempts = 0;
    } else {
        pager->retries++;
        if (result == TC_PROTECTED || ++pager->attempts == TC_ATTEMPTS) {
            pager->failed = *page;
            pager->attempts = 0;
            pager->head = pager->tail;
            pager->error = result;
        }
    }
    if (pager->head != pager->tail) {
        begin(pager);
    }
}

static void on_interrupt(void) { turn(tc_active); }

/* Sleeps until the tensor has no transfer left (or, for one that no tensor is, until at most `left` are queued). */
static void wait(tc_pager_t *pager, uint32_t tensor, uint32_t left) {
    for (;;) {
        __asm__ volatile("cpsid i" ::: "memory"); /* what comes between the look and the sleep still ends the sleep */
        bool queued = pager->tail - pager->head > left;
        for (uint32_t i = pager->head; tensor < pager->pages && !queued && i != pager->tail; i++) {
            queued = pager->queue[i % TC_QUEUE].tensor == tensor;
        }
        if (queued) {
            __asm__ volatile("dsb\n wfi" ::: "memory");
        }
        __asm__ volatile("cpsie i\n isb" ::: "memory");
        if (!queued) {
            return;
        }
    }
}

/* A record of a plan: queues a transfer, or waits for those of a tensor. Returns 0, or what went wrong with any of them. */
static int32_t record(tk_hook_t *hook, const tk_page_t *page) {
    tc_pager_t *pager = (tc_pager_t *)hook;
    uint32_t blocks = (page->bytes + TC_BLOCK_BYTES - 1) / TC_BLOCK_BYTES;
    if (page->opcode == TK_WAIT) {
        wait(pager, page->tensor, TC_QUEUE);
        return pager->error;
    }
    if (page->tensor >= pager->pages || page->block + blocks > pager->blocks) {
        pager->failed = *page;
        return pager->error = TC_RANGE;
    }
    wait(pager, pager->pages, TC_QUEUE - 1);
    if (pager->error) {
        return pager->error;
    }
    mask();
    pager->queue[pager->tail % TC_QUEUE] = *page;
    if (pager->tail++ == pager->head) {
        begin(pager);
    }
    unmask();
    if (!pager->overlap) {
        wait(pager, pager->pages, 0);
    }
    return pager->error;
}

static void during(tk_hook_t *hook, bool on) {
    tc_pager_t *pager = (tc_pager_t *)hook;
    volatile uint32_t *spim = pager->job->port.spim;
    if (on) {
        pager->vectors_before = (const uint32_t *)VTOR;
        for (uint32_t i = 0; i < TC_VECTORS; i++) {
            pager->vectors[i] = pager->vectors_before[i];
        }
        pager->vectors[16 + TC_CARD_INTERRUPT] = (uint32_t)(uintptr_t)on_interrupt;
        tc_active = pager;
        if (!pager->job->moving) {
            spim[END] = 0; /* what others left behind is no news */
        }
        VTOR = (uint32_t)(uintptr_t)pager->vectors;
        *(volatile uint8_t *)PRIORITY = LOWEST;
        spim[INTENSET] = END_BIT;
        unmask();
    } else {
        mask();
        spim[INTENCLR] = END_BIT;
        VTOR = (uint32_t)(uintptr_t)pager->vectors_before;
        __asm__ volatile("dsb" ::: "memory");
    }
}

void tc_pager_open(tc_pager_t *pager) {
    pager->hook.record = record;
    pager->hook.during = during;
    bool room = pager->encrypted && pager->job->slot_bytes >= TC_SLOT_BYTES + TC_AHEAD * TC_CHACHA_BYTES;
    pager->stream = room ? (void *)(pager->job->slot + TC_SLOT_BYTES) : NULL;
    pager->guard = (tc_guard_t){protect, reveal, pager->stream ? tc_make_ahead : NULL, pager};
    pager->head = pager->tail = 0;
    pager->error = TC_DONE;
}

int32_t tc_pager_drain(tc_pager_t *pager) {
    during(&pager->hook, true);
    wait(pager, pager->pages, 0);
    during(&pager->hook, false);
    return pager->error;
}

int32_t tc_pager_move(tc_pager_t *pager, const tk_page_t *page) {
    uint32_t out = pager->bytes_out, in = pager->bytes_in;
    during(&pager->hook, true);
    record(&pager->hook, page);
    wait(pager, pager->pages, 0);
    during(&pager->hook, false);
    pager->bytes_out = out;
    pager->bytes_in = in;
    return pager->error;
}
