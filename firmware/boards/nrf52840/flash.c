// SPDX-License-Identifier: Apache-2.0
// nrf.Flash: flash after the firmware as block devices with the extended protocol. One carries littlefs, at `/`; one a ROMFS,
// at `/rom`, whose code runs in place: `mpremote romfs deploy FOLDER` fills it.
#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "extmod/vfs_lfs.h"
#include "flash.h"
#include "registers.h"

enum { PAGE = 4096 };
extern uint8_t FLASH_FS_START[], FLASH_FS_END[], FLASH_ROM_START[], FLASH_ROM_END[]; // the linker script's symbols

typedef struct _flash_obj_t {
    mp_obj_base_t base;
    uint8_t *start, *end;
} flash_obj_t;

static const flash_obj_t files = {{&nrf_flash_type}, FLASH_FS_START, FLASH_FS_END};
static const flash_obj_t rom = {{&nrf_flash_type}, FLASH_ROM_START, FLASH_ROM_END};

static uint32_t pages(const flash_obj_t *self) {
    return (self->end - self->start) / PAGE;
}

static void wait(void) {
    while (!(NVMC(READY) & 1)) {
    }
}

static bool is_blank(uint32_t address, uint32_t bytes) {
    for (uint32_t end = address + bytes; address < end; address += 4) {
        if (REG(address) != 0xffffffff) {
            return false;
        }
    }
    return true;
}

// In slices of 10 ms: the processor stands still while flash is erased, and the console's buffer lasts 22 ms.
static void erase_page(uint32_t address) {
    enum { SLICE_MS = 10, PAGE_ERASE_MS = 90 }; // the datasheet asks for 85 in total
    if (is_blank(address, PAGE)) {
        return; // saves wear and time
    }
    NVMC(ERASEPAGEPARTIALCFG) = SLICE_MS;
    NVMC(CONFIG) = NVMC_CONFIG_ERASE;
    for (int ms = 0; ms < PAGE_ERASE_MS; ms += SLICE_MS) {
        NVMC(ERASEPAGEPARTIAL) = address;
        wait();
    }
    NVMC(CONFIG) = NVMC_CONFIG_READ;
    wait();
}

// Any address and length: the words at the edges are filled up with ones, which leave flash as it is.
static void write_bytes(uint32_t address, const uint8_t *from, uint32_t bytes) {
    NVMC(CONFIG) = NVMC_CONFIG_WRITE;
    wait();
    while (bytes > 0) {
        uint32_t offset = address & 3;
        uint32_t n = MIN(4 - offset, bytes);
        uint32_t word = 0xffffffff;
        memcpy((uint8_t *)&word + offset, from, n);
        if (word != 0xffffffff) {
            REG(address & ~3u) = word;
            wait();
        }
        address += n;
        from += n;
        bytes -= n;
    }
    NVMC(CONFIG) = NVMC_CONFIG_READ;
    wait();
}

// (self, block, buffer[, offset]) -> address; raises when it is outside.
static uint32_t locate(size_t n_args, const mp_obj_t *args, mp_buffer_info_t *buffer, int access) {
    const flash_obj_t *self = MP_OBJ_TO_PTR(args[0]);
    mp_get_buffer_raise(args[2], buffer, access);
    uint32_t block = mp_obj_get_int(args[1]);
    uint32_t offset = n_args > 3 ? mp_obj_get_int(args[3]) : 0;
    uint32_t room = block < pages(self) ? (pages(self) - block) * PAGE : 0;
    if (offset > room || buffer->len > room - offset) {
        mp_raise_OSError(MP_EINVAL);
    }
    return (uint32_t)self->start + block * PAGE + offset;
}

static mp_obj_t flash_readblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    uint32_t address = locate(n_args, args, &buffer, MP_BUFFER_WRITE);
    memcpy(buffer.buf, (const void *)address, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_readblocks_obj, 3, 4, flash_readblocks);

static mp_obj_t flash_writeblocks(size_t n_args, const mp_obj_t *args) {
    mp_buffer_info_t buffer;
    uint32_t address = locate(n_args, args, &buffer, MP_BUFFER_READ);
    if (n_args == 3) { // whole blocks: the simple protocol erases by itself
        for (uint32_t done = 0; done < buffer.len; done += PAGE) {
            erase_page(address + done);
        }
    }
    write_bytes(address, buffer.buf, buffer.len);
    return MP_OBJ_NEW_SMALL_INT(0);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(flash_writeblocks_obj, 3, 4, flash_writeblocks);

static mp_obj_t flash_ioctl(mp_obj_t self_in, mp_obj_t op, mp_obj_t arg) {
    const flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    switch (mp_obj_get_int(op)) {
        case MP_BLOCKDEV_IOCTL_INIT:
        case MP_BLOCKDEV_IOCTL_DEINIT:
        case MP_BLOCKDEV_IOCTL_SYNC:
            return MP_OBJ_NEW_SMALL_INT(0);
        case MP_BLOCKDEV_IOCTL_BLOCK_COUNT:
            return MP_OBJ_NEW_SMALL_INT(pages(self));
        case MP_BLOCKDEV_IOCTL_BLOCK_SIZE:
            return MP_OBJ_NEW_SMALL_INT(PAGE);
        case MP_BLOCKDEV_IOCTL_BLOCK_ERASE: {
            uint32_t block = mp_obj_get_int(arg);
            if (block >= pages(self)) {
                return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
            }
            erase_page((uint32_t)self->start + block * PAGE);
            return MP_OBJ_NEW_SMALL_INT(0);
        }
        default:
            return mp_const_none;
    }
}
static MP_DEFINE_CONST_FUN_OBJ_3(flash_ioctl_obj, flash_ioctl);

static mp_obj_t flash_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 0, false);
    return MP_OBJ_FROM_PTR(&files);
}

static void flash_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    const flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Flash(start=0x%x, bytes=%u)", (unsigned)self->start, (unsigned)(self->end - self->start));
}

// To read only: flash is memory.
static mp_int_t flash_get_buffer(mp_obj_t self_in, mp_buffer_info_t *buffer, mp_uint_t flags) {
    const flash_obj_t *self = MP_OBJ_TO_PTR(self_in);
    *buffer = (mp_buffer_info_t) {.buf = self->start, .len = self->end - self->start, .typecode = 'B'};
    return flags & MP_BUFFER_WRITE ? 1 : 0;
}

// What `mpremote romfs` asks: how many segments, and the segment, which is a block device.
mp_obj_t mp_vfs_rom_ioctl(size_t n_args, const mp_obj_t *args) {
    mp_int_t command = mp_obj_get_int(args[0]);
    if (command == MP_VFS_ROM_IOCTL_GET_NUMBER_OF_SEGMENTS) {
        return MP_OBJ_NEW_SMALL_INT(1);
    }
    if (command == MP_VFS_ROM_IOCTL_GET_SEGMENT && n_args == 2 && mp_obj_get_int(args[1]) == 0) {
        return MP_OBJ_FROM_PTR(&rom);
    }
    return MP_OBJ_NEW_SMALL_INT(-MP_EINVAL);
}

static const mp_rom_map_elem_t flash_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_readblocks), MP_ROM_PTR(&flash_readblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_writeblocks), MP_ROM_PTR(&flash_writeblocks_obj)},
    {MP_ROM_QSTR(MP_QSTR_ioctl), MP_ROM_PTR(&flash_ioctl_obj)},
};
static MP_DEFINE_CONST_DICT(flash_locals, flash_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(nrf_flash_type, MP_QSTR_Flash, MP_TYPE_FLAG_NONE, make_new, flash_make_new, print, flash_print,
    buffer, flash_get_buffer, locals_dict, &flash_locals);

// A littlefs has its name at offset 8 of one of its first two blocks.
static bool has_littlefs(void) {
    return memcmp(files.start + 8, "littlefs", 8) == 0 || memcmp(files.start + PAGE + 8, "littlefs", 8) == 0;
}

// A file system that is there but cannot be mounted is left alone: its owner may want its files back.
void flash_mount(void) {
    nlr_buf_t nlr;
    if (nlr_push(&nlr) == 0) {
        mp_obj_t flash = MP_OBJ_FROM_PTR(&files);
        if (!has_littlefs()) {
            mp_obj_t mkfs = mp_load_attr(MP_OBJ_FROM_PTR(&mp_type_vfs_lfs2), MP_QSTR_mkfs);
            mp_call_function_1(mkfs, flash);
        }
        mp_obj_t args[] = {
            mp_call_function_1(MP_OBJ_FROM_PTR(&mp_type_vfs_lfs2), flash), MP_OBJ_NEW_QSTR(MP_QSTR__slash_),
        };
        mp_vfs_mount(2, args, (mp_map_t *)&mp_const_empty_map);
        MP_STATE_PORT(vfs_cur) = MP_STATE_PORT(vfs_mount_table);
        nlr_pop();
    } else {
        mp_printf(&mp_plat_print, "The file system in flash is damaged. To erase it: vfs.VfsLfs2.mkfs(nrf.Flash())\n");
    }
}
