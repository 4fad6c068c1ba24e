// SPDX-License-Identifier: GPL-2.0-or-later
// What the engine is told about a page of memory when it first touches it, and what becomes of an access that is refused.
#include "board.h"

// An access that the MPU refuses is led to this hole behind the 32-bit addresses: there it faults with its exact address.
#define HOLE ((uint64_t)1 << 32)

static bool on_invalid_memory(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user)
{
    struct board *b = user;
    (void)uc;
    if (type == UC_MEM_WRITE_PROT && address < FLASH_BYTES && nvmc_flash_store(b, (uint32_t)address, (uint32_t)value,
                                                                               (unsigned)size))
        return true;
    b->bus_fault = true;
    b->mpu_refused = address >= HOLE;
    b->bus_fault_address = (uint32_t)address;
    return false;
}

// Before it asks for a page, the engine restores the state of the instruction that touches it, IT bits too, but within a
// block these have to read zero: the next block would be taken for the inside of an IT block.
static void clear_it_state(struct board *b)
{
    uint32_t xpsr = reg_get(b, UC_ARM_REG_XPSR);
    if (xpsr & 0x0600fc00)
        reg_set(b, UC_ARM_REG_XPSR_NZCVQG, xpsr & ~0x0600fc00u);
}

// RAM is one memory at two addresses. Code is fetched from the engine's alias of it, by whichever address, and data go to
// the other mapping, which is never code: the engine looks for code at every store into a page that may hold some, and
// drops translations unseen. That code has changed is noticed by ram_settled instead.
static void place(const struct board *b, uint32_t address, bool fetch, uc_tlb_entry *entry)
{
    uint32_t at = address & (RAM_CODE_BASE - 1);
    entry->paddr = address;
    entry->perms = UC_PROT_ALL;
    if (address - RAM_BASE < b->ram_bytes || address - RAM_CODE_BASE < b->ram_bytes) {
        entry->paddr = fetch ? RAM_CODE_BASE + at : RAM_BASE + at;
        entry->perms = fetch ? UC_PROT_EXEC : UC_PROT_READ | UC_PROT_WRITE;
    }
}

static bool on_page(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *entry, void *user)
{
    struct board *b = user;
    uc_prot wanted = type == UC_MEM_FETCH ? UC_PROT_EXEC : type == UC_MEM_WRITE ? UC_PROT_WRITE : UC_PROT_READ;
    (void)uc;
    if (type != UC_MEM_FETCH) {
        clear_it_state(b);
        spim3_touched(b, (uint32_t)address);
    }
    place(b, (uint32_t)address, type == UC_MEM_FETCH, entry);
    if (b->mpu.ctrl & 1)
        entry->perms &= mpu_permissions(b, (uint32_t)address);
    if (entry->perms & wanted)
        return true;
    if (type == UC_MEM_FETCH) {
        b->fetch_refused = true;
        return false;
    }
    entry->paddr = HOLE | address;
    entry->perms = wanted;
    return true;
}

// While a memory hook covers a page, the engine takes its slow way for every store there. RAM needs none: it can be read
// and written, and a refused fetch is seen in the engine's error.
uc_err pages_create(struct board *b)
{
    const uint64_t ranges[][2] = {{0, RAM_CODE_BASE - 1},
                                  {RAM_CODE_BASE + (uint64_t)b->ram_bytes, RAM_BASE - 1},
                                  {RAM_BASE + (uint64_t)b->ram_bytes, 2 * HOLE - 1}};
    uc_hook hook = 0;
    uc_err e = uc_ctl_tlb_mode(b->uc, UC_TLB_VIRTUAL);
    for (int i = 0; i < 3 && !e; i++)
        e = uc_hook_add(b->uc, &hook, UC_HOOK_MEM_INVALID, (void *)on_invalid_memory, b, ranges[i][0], ranges[i][1]);
    return e ? e : uc_hook_add(b->uc, &hook, UC_HOOK_TLB_FILL, (void *)on_page, b, 1, 0);
}

// Everything that was told before is void.
void pages_forget(struct board *b)
{
    b->pages_stale = false;
    uc_ctl_flush_tlb(b->uc);
    uc_ctl_flush_tb(b->uc);
    blocks_forget_all(b);
}
