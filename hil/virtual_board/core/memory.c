// SPDX-License-Identifier: GPL-2.0-or-later
// Memory as a bus master other than the program sees it: exception frames, EasyDMA, the debug port.
#include "board.h"

#include <string.h>

uint8_t *ram_pointer(struct board *b, uint32_t address, uint32_t bytes)
{
    uint32_t at = address - RAM_BASE;
    return at < b->ram_bytes && bytes <= b->ram_bytes - at ? b->ram + at : NULL;
}

static uint8_t *host_pointer(struct board *b, uint32_t address, uint32_t bytes)
{
    uint32_t at = address - RAM_CODE_BASE;
    if (address < FLASH_BYTES && bytes <= FLASH_BYTES - address)
        return b->flash + address;
    if (at < b->ram_bytes && bytes <= b->ram_bytes - at)
        return b->ram + at;
    return ram_pointer(b, address, bytes);
}

bool memory_read(struct board *b, uint32_t address, void *to, uint32_t bytes)
{
    const uint8_t *from = host_pointer(b, address, bytes);
    if (!from)
        return false;
    memcpy(to, from, bytes);
    return true;
}

bool memory_write(struct board *b, uint32_t address, const void *from, uint32_t bytes)
{
    uint8_t *to = address < FLASH_BYTES ? NULL : host_pointer(b, address, bytes);
    if (!to)
        return false;
    memcpy(to, from, bytes);
    return true;
}

// Any word-wise access of the debug port. Returns 0, or 1 for a bus fault. Registers of peripherals react as to the CPU;
// an unmodelled register is a fault here, not the end of the board.
EXPORT int tb_bus_read(struct board *b, uint32_t address, void *to, uint32_t bytes)
{
    uint64_t value;
    enum stop before = b->stop;
    if (memory_read(b, address, to, bytes))
        return 0;
    if (bytes > 4)
        return 1;
    if (address - 0x10000000 < 0x2000)
        value = ficr_read(b->uc, address - 0x10000000, bytes, b);
    else if (address - 0x40000000 < 0x80000)
        value = apb_read(b->uc, address - 0x40000000, bytes, b);
    else if (address - 0x50000000 < 0x1000)
        value = gpio_read(b->uc, address - 0x50000000, bytes, b);
    else if (address - 0xe0000000 < 0x100000)
        value = scs_read(b->uc, address - 0xe0000000, bytes, b);
    else
        return 1;
    memcpy(to, &value, bytes);
    if (b->stop == STOP_REPORT && before != STOP_REPORT) {
        b->stop = before;
        attention_update(b);
        return 1;
    }
    return 0;
}

EXPORT int tb_bus_write(struct board *b, uint32_t address, const void *from, uint32_t bytes)
{
    uint64_t value = 0;
    enum stop before = b->stop;
    if (memory_write(b, address, from, bytes))
        return 0;
    if (bytes > 4)
        return 1;
    memcpy(&value, from, bytes);
    if (address < FLASH_BYTES) {
        if (!nvmc_flash_store(b, address, (uint32_t)value, bytes))
            return 1;
        memcpy(b->flash + address, from, 4);
        nvmc_apply(b);
    } else if (address - 0x10000000 < 0x2000)
        ficr_write(b->uc, address - 0x10000000, bytes, value, b);
    else if (address - 0x40000000 < 0x80000)
        apb_write(b->uc, address - 0x40000000, bytes, value, b);
    else if (address - 0x50000000 < 0x1000)
        gpio_write(b->uc, address - 0x50000000, bytes, value, b);
    else if (address - 0xe0000000 < 0x100000)
        scs_write(b->uc, address - 0xe0000000, bytes, value, b);
    else
        return 1;
    if (b->stop == STOP_REPORT && before != STOP_REPORT) {
        b->stop = before;
        attention_update(b);
        return 1;
    }
    return 0;
}

// Puts bytes into flash or UICR past the NVMC, as a programmer in the factory does.
EXPORT int tb_load(struct board *b, uint32_t address, const uint8_t *from, uint32_t bytes)
{
    uint8_t *to = host_pointer(b, address, bytes);
    if (address - 0x10001000 < 0x1000 && bytes <= 0x1000 - (address - 0x10001000))
        to = (uint8_t *)b->uicr + (address - 0x10001000);
    if (!to)
        return 1;
    memcpy(to, from, bytes);
    b->flash_dirty = true;
    blocks_forget_all(b);
    uc_ctl_flush_tb(b->uc);
    return 0;
}
