// SPDX-License-Identifier: GPL-2.0-or-later
// The memory protection unit: eight regions, ARMv7-M ARM chapter B3.5. The engine asks once for each page of 1 KB, so
// regions and subregions finer than that are refused by name.
#include "board.h"

enum { ENABLE = 1, HFNMIENA = 2, PRIVDEFENA = 4, REGIONS = 8, PAGE_BYTES = 1024, VALID = 16 };

static uint64_t region_bytes(const struct mpu *m, int i)
{
    return (uint64_t)2 << (m->attributes[i] >> 1 & 31);
}

static bool has_subregions(const struct mpu *m, int i)
{
    return (m->attributes[i] >> 8 & 0xff) && region_bytes(m, i) >= 256;
}

// The region that decides about an address: the one of the highest number, or -1.
static int region_of(const struct mpu *m, uint32_t address)
{
    for (int i = REGIONS - 1; i >= 0; i--) {
        uint64_t bytes = region_bytes(m, i);
        uint32_t start = m->base[i] & ~(uint32_t)(bytes - 1), at = address - start;
        if (!(m->attributes[i] & ENABLE) || at >= bytes)
            continue;
        if (!has_subregions(m, i) || !(m->attributes[i] >> (8 + at / (bytes / 8)) & 1))
            return i;
    }
    return -1;
}

static uc_prot default_map(uint32_t address)
{
    // The topmost addresses are fetched from when exceptions return; nothing is there.
    bool device = address - 0x40000000 < 0x20000000 || address - 0xa0000000 < 0x50000000;
    return device ? UC_PROT_READ | UC_PROT_WRITE : UC_PROT_ALL;
}

static uc_prot by_attributes(uint32_t attributes, bool privileged)
{
    enum { NO = 0, RO = UC_PROT_READ, RW = UC_PROT_READ | UC_PROT_WRITE };
    static const uint8_t rights[8][2] = {{NO, NO}, {NO, RW}, {RO, RW}, {RW, RW}, {NO, NO}, {NO, RO}, {RO, RO}, {RO, RO}};
    uc_prot allowed = rights[attributes >> 24 & 7][privileged];
    return allowed && !(attributes >> 28 & 1) ? allowed | UC_PROT_EXEC : allowed;
}

static bool is_off(struct board *b)
{
    bool urgent = active_priority(b) < 0 || (reg_get(b, UC_ARM_REG_FAULTMASK) & 1);
    return !(b->mpu.ctrl & ENABLE) || (urgent && !(b->mpu.ctrl & HFNMIENA));
}

// What the code that runs now may do in the page of an address. The private peripheral bus is never checked.
uc_prot mpu_permissions(struct board *b, uint32_t address)
{
    bool privileged = (reg_get(b, UC_ARM_REG_IPSR) & 0x1ff) || !(reg_get(b, UC_ARM_REG_CONTROL) & 1);
    int region = region_of(&b->mpu, address);
    if (is_off(b) || address >> 20 == 0xe00 || address >> 28 == 0xf)
        return default_map(address);
    if (region >= 0)
        return by_attributes(b->mpu.attributes[region], privileged);
    return privileged && (b->mpu.ctrl & PRIVDEFENA) ? default_map(address) : UC_PROT_NONE;
}

// Handlers of HardFault and NMI may see other pages: called whenever one begins or ends.
void mpu_update(struct board *b)
{
    bool off = !(b->mpu.ctrl & ENABLE) || is_off(b);
    if (off == b->mpu.off)
        return;
    b->mpu.off = off;
    pages_forget(b);
}

static void changed(struct board *b)
{
    struct mpu *m = &b->mpu;
    for (int i = 0; (m->ctrl & ENABLE) && i < REGIONS; i++) {
        uint64_t grain = has_subregions(m, i) ? region_bytes(m, i) / 8 : region_bytes(m, i);
        if ((m->attributes[i] & ENABLE) && grain < PAGE_BYTES)
            stop_with_report(b, "MPU region %d (RBAR 0x%08x, RASR 0x%08x) is finer than %d bytes, which is not modelled", i,
                             m->base[i], m->attributes[i], PAGE_BYTES);
    }
    m->off = is_off(b);
    b->pages_stale = true;  // from the next block on
    attention_update(b);
}

bool mpu_access(struct board *b, uint32_t offset, uint32_t *value, bool store)
{
    struct mpu *m = &b->mpu;
    if (offset < 0xd90 || offset > 0xdb8)
        return false;
    if (offset == 0xd90) {
        *value = REGIONS << 8;
    } else if (offset == 0xd94) {
        m->ctrl = store ? *value & 7 : m->ctrl;
        *value = m->ctrl;
    } else if (offset == 0xd98) {
        m->number = store ? *value & (REGIONS - 1) : m->number;
        *value = m->number;
    } else if (((offset - 0xd9c) >> 2 & 1) == 0) {
        if (store && (*value & VALID))
            m->number = *value & (REGIONS - 1);
        m->base[m->number] = store ? *value & ~31u : m->base[m->number];
        *value = m->base[m->number] | m->number;
    } else {
        m->attributes[m->number] = store ? *value & 0x173fff3f : m->attributes[m->number];
        *value = m->attributes[m->number];
    }
    if (store && offset != 0xd90 && offset != 0xd98)
        changed(b);
    return true;
}
