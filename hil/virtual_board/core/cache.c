// SPDX-License-Identifier: GPL-2.0-or-later
// Flash wait states and the instruction cache, for the full cycle model. CYCLES.md says what is published and what is
// assumed: misses and uncached fetches cost what the product specification gives at most, geometry is an assumption.
#include "board.h"

enum { LINE_BYTES = 16, MISS_CYCLES = 3, UNCACHED_CYCLES = 2, ICACHECNF = 0x540, IHIT = 0x548, IMISS = 0x54c };

static bool hit(struct cache *c, uint32_t line)
{
    uint32_t set = line % CACHE_SETS;
    for (uint8_t way = 0; way < CACHE_WAYS; way++)
        if (c->tag[way][set] == line + 1) {
            c->oldest[set] = !way;
            return true;
        }
    c->tag[c->oldest[set]][set] = line + 1;
    c->oldest[set] = !c->oldest[set];
    return false;
}

// Wait cycles for fetching a block of flash and for the literals that it loads past the cache.
uint32_t cache_fetch(struct board *b, uint32_t address, const struct block *k)
{
    struct peripheral *nvmc = peripheral_at(b, 0x4001e000);
    uint32_t mode = nvmc->reg[ICACHECNF >> 2], waits = (uint32_t)k->literals * UNCACHED_CYCLES;
    for (uint32_t line = address / LINE_BYTES; line <= (address + k->bytes - 1u) / LINE_BYTES; line++) {
        if (!(mode & 1)) {
            waits += UNCACHED_CYCLES;
            continue;
        }
        bool found = hit(&b->cache, line);
        waits += found ? 0 : MISS_CYCLES;
        if (mode & 0x100)
            nvmc->reg[(found ? IHIT : IMISS) >> 2]++;
    }
    b->wait_cycles += waits;
    return waits;
}

// EasyDMA moved so many bytes to or from `address`: where the CPU works in the same 8 KB of RAM, a quarter of the words
// are taken to have cost it a cycle.
void bus_contention(struct board *b, uint32_t address, uint32_t bytes)
{
    uint32_t stack = reg_get(b, UC_ARM_REG_SP);
    if (b->cycle_model != MODEL_FULL || b->sleeping || address >> 13 != stack >> 13)
        return;
    b->wait_cycles += bytes / 16;
    b->cycle += bytes / 16;
}
