// SPDX-License-Identifier: GPL-2.0-or-later
// NVMC, and the information registers FICR and UICR. Product specification, chapters NVMC, FICR and UICR.
// Flash is NOR: writing clears bits only, erasing a page sets them. The CPU stands still meanwhile.
#include "kinds.h"

#include <string.h>

enum { READY = 0x400, READYNEXT = 0x408, CONFIG = 0x504, ERASEPAGE = 0x508, ERASEALL = 0x50c, ERASEPCR0 = 0x510, ERASEUICR = 0x514,
       ERASEPAGEPARTIAL = 0x518, ERASEPAGEPARTIALCFG = 0x51c, ICACHECNF = 0x540, IHIT = 0x548, IMISS = 0x54c };
// Electrical specification of the NVMC: tWRITE 41 us, tERASEPAGE 85 ms, tERASEALL 169 ms.
enum { WRITE_CYCLES = 41 * 64, ERASE_CYCLES = 85000 * 64, ERASE_ALL_CYCLES = 169000 * 64, UICR = 0x1000,
       ERASE_MS = 85, CYCLES_PER_MS = 64000 };

static uint32_t mode(struct board *b)
{
    return peripheral_at(b, 0x4001e000)->reg[CONFIG >> 2] & 3;
}

static void flash_changed(struct board *b, uint32_t from, uint32_t to)
{
    b->flash_dirty = true;
    if (!b->flush_wanted) {
        b->flush_from = from;
        b->flush_to = to;
    }
    b->flush_from = from < b->flush_from ? from : b->flush_from;
    b->flush_to = to > b->flush_to ? to : b->flush_to;
    b->flush_wanted = true;
    blocks_forget(b, from, to);
    attention_update(b);
}

static bool page_has_code(struct board *b, uint32_t address)
{
    uint32_t from = address > 2048 ? address - 2048 : 0;
    for (uint32_t at = from & ~1u; at < address + 4; at += 2)
        if (b->flash_blocks[at >> 1].bytes && at + b->flash_blocks[at >> 1].bytes > address)
            return true;
    return false;
}

static void busy(struct board *b, uint64_t cycles, int drain)
{
    power_advance(b, b->cycle);
    int64_t before = b->power.soc_na;
    b->power.soc_na = before - b->power.current_na[DRAIN_CPU] + b->power.current_na[drain];
    b->cycle += cycles;
    power_advance(b, b->cycle);
    b->power.soc_na = before;
    attention_update(b);
}

// A store of the program into flash. The engine writes the value after this; nvmc_apply makes it NOR afterwards.
bool nvmc_flash_store(struct board *b, uint32_t address, uint32_t value, unsigned size)
{
    (void)value;
    if (mode(b) != 1 || size != 4 || (address & 3) || b->nor_count >= 64)
        return false;
    memcpy(&b->nor[b->nor_count].old, b->flash + address, 4);
    b->nor[b->nor_count++].at = address;
    b->write_count++;
    attention_update(b);
    return true;
}

void nvmc_apply(struct board *b)
{
    int count = b->nor_count;
    b->nor_count = 0;
    for (int i = 0; i < count; i++) {
        uint32_t at = b->nor[i].at, word;
        memcpy(&word, b->flash + at, 4);
        word &= b->nor[i].old;
        memcpy(b->flash + at, &word, 4);
        b->flash_dirty = true;
        if (page_has_code(b, at))
            flash_changed(b, at, at + 4);
        busy(b, WRITE_CYCLES, DRAIN_NVMC_WRITE);
    }
    attention_update(b);
}

EXPORT void tb_erase_page(struct board *b, uint32_t address)
{
    uint32_t page = address & ~(FLASH_PAGE_BYTES - 1u);
    memset(b->flash + page, 0xff, FLASH_PAGE_BYTES);
    b->partial_erase_ms[page / FLASH_PAGE_BYTES] = 0;
    b->erase_count++;
    flash_changed(b, page, page + FLASH_PAGE_BYTES);
}

void nvmc_erase_all(struct board *b)
{
    memset(b->flash, 0xff, FLASH_BYTES);
    memset(b->uicr, 0xff, sizeof b->uicr);
    b->erase_count += FLASH_BYTES / FLASH_PAGE_BYTES;
    flash_changed(b, 0, FLASH_BYTES);
}

// A page may be erased in slices; it is erased when they add up to the time of a whole erase.
static void erase_partially(struct board *b, uint32_t address, uint32_t milliseconds)
{
    uint16_t *so_far = &b->partial_erase_ms[address / FLASH_PAGE_BYTES];
    *so_far = (uint16_t)(*so_far + milliseconds);
    if (*so_far >= ERASE_MS)
        tb_erase_page(b, address);
    busy(b, (uint64_t)milliseconds * CYCLES_PER_MS, DRAIN_NVMC_ERASE);
}

static void task(struct board *b, struct peripheral *p, int number)
{
    (void)b; (void)p; (void)number;
}

static bool load(struct board *b, struct peripheral *p, uint32_t offset, uint32_t *value)
{
    (void)b;
    (void)p;
    if (offset == READY || offset == READYNEXT) {
        *value = 1;  // the core was stalled for the whole time
        return true;
    }
    *value = 0;
    return offset >= ERASEPAGE && offset <= ERASEPAGEPARTIAL;
}

static bool store(struct board *b, struct peripheral *p, uint32_t offset, uint32_t value)
{
    if (b->nor_count)
        nvmc_apply(b);
    if ((offset == ERASEPAGE || offset == ERASEPCR0) && mode(b) == 2) {  // the older name does the same
        if (value < FLASH_BYTES) {
            tb_erase_page(b, value);
            busy(b, ERASE_CYCLES, DRAIN_NVMC_ERASE);
        }
    } else if (offset == ERASEPAGEPARTIAL && mode(b) == 2) {
        if (value < FLASH_BYTES)
            erase_partially(b, value, p->reg[ERASEPAGEPARTIALCFG >> 2] & 0x7f);
    } else if (offset == ERASEALL && mode(b) == 2) {
        if (value & 1) {
            nvmc_erase_all(b);
            busy(b, ERASE_ALL_CYCLES, DRAIN_NVMC_ERASE);
        }
    } else if (offset == ERASEUICR && mode(b) == 2) {
        memset(b->uicr, 0xff, sizeof b->uicr);
        b->flash_dirty = true;
        busy(b, ERASE_CYCLES, DRAIN_NVMC_ERASE);
    } else if (offset == IHIT || offset == IMISS) {
        p->reg[offset >> 2] = 0;
    } else if (offset < ERASEPAGE || offset > ERASEPAGEPARTIAL) {
        return false;
    }
    return true;
}

static const struct preset presets[] = {{ERASEPAGEPARTIALCFG, ERASEPAGEPARTIALCFG, 10}};
static const struct span plain[] = {{CONFIG, CONFIG}, {ERASEPAGEPARTIALCFG, ERASEPAGEPARTIALCFG}, {ICACHECNF, ICACHECNF}, {IHIT, IMISS}};
const struct kind kind_nvmc = {KIND("NVMC", plain), PRESETS(presets), .task = task, .read = load, .write = store};

uint64_t ficr_read(uc_engine *uc, uint64_t offset, unsigned size, void *user)
{
    struct board *b = user;
    const uint32_t *word = offset >= UICR ? &b->uicr[(offset - UICR) >> 2] : &b->ficr[offset >> 2];
    uint32_t value = 0;
    (void)uc;
    memcpy(&value, (const uint8_t *)word + (offset & 3), size);
    return value;
}

void ficr_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user)
{
    struct board *b = user;
    if (offset >= UICR && mode(b) == 1 && size == 4) {
        b->uicr[(offset - UICR) >> 2] &= (uint32_t)value;
        b->flash_dirty = true;
        busy(b, WRITE_CYCLES, DRAIN_NVMC_WRITE);
        return;
    }
    stop_with_report(b, "write of 0x%x to %s + 0x%03x with NVMC.CONFIG %u, PC near 0x%08x", (unsigned)value,
                     offset >= UICR ? "UICR" : "FICR", (unsigned)(offset & 0xfff), mode(b),
                     reg_get(b, UC_ARM_REG_PC));
    (void)uc;
}
