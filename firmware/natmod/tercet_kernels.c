/* SPDX-License-Identifier: Apache-2.0
 * The Python face of the kernels: module tercet_kernels, native or built into a firmware. Memory comes and goes as
 * buffers, so that neither the float ABI of the firmware nor its heap matters. */
#if MICROPY_ENABLE_DYNRUNTIME + 0
#include "py/dynruntime.h"
#else
#include "py/runtime.h"
#endif

#include "tk_opcodes.h"
#include "tk.h"

enum { ABSENT = 0xFFFFFFFF };

static mp_buffer_info_t words(mp_obj_t o, size_t count, int flags) {
    mp_buffer_info_t info;
    mp_get_buffer_raise(o, &info, flags);
    if (info.len < 4 * count || ((uintptr_t)info.buf & 3)) {
        mp_raise_ValueError(MP_ERROR_TEXT("buffer too short or not at a multiple of 4"));
    }
    return info;
}

/* run(args, plan, arena, hyper) -> index of the first record that was not executed, -(index + 1) for a wrong one.
 * args: array('I', [pc, end, records, operands, dims, gpio_set, gpio_clear, shift, hook, evaluating]): records, operands and
 * dims are byte offsets, hook is the address of a tk_hook_t or 0. */
static mp_obj_t run(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t bytes;
    const uint32_t *a = words(o[0], 10, MP_BUFFER_READ).buf;
    mp_get_buffer_raise(o[1], &bytes, MP_BUFFER_READ);
    mp_buffer_info_t arena = words(o[2], 0, MP_BUFFER_RW), hyper = words(o[3], TK_HYPER_COUNT, MP_BUFFER_READ);
    uint32_t pc = a[0], end = a[1], records = a[2], operands = a[3], dims = a[4];
    if (pc > end || end > 0xFFFF || records > operands || operands > dims || dims > bytes.len ||
        end * TK_RECORD_BYTES > operands - records) {
        mp_raise_ValueError(MP_ERROR_TEXT("args do not fit the plan"));
    }
    const uint8_t *plan = bytes.buf;
    tk_plan_t p = {plan + records, plan + operands, plan + dims, (dims - operands) / 2, (bytes.len - dims) / 2,
                   arena.buf, arena.len, hyper.buf, (volatile uint32_t *)(uintptr_t)a[5],
                   (volatile uint32_t *)(uintptr_t)a[6], a[7], (tk_hook_t *)(uintptr_t)a[8], a[9] != 0};
    return mp_obj_new_int(tk_run(&p, pc, end));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(run_obj, 4, 4, run);

/* exec(opcode, args, arena, hyper) -> 0, or -1 for an unknown opcode.
 * args: array('I') of byte offsets in the arena (0xFFFFFFFF: absent), then dimensions, as the kernel table orders them. */
static mp_obj_t exec(size_t n_args, const mp_obj_t *o) {
    void *tensors[TK_MOST_TENSORS];
    uint32_t opcode = (uint32_t)mp_obj_get_int(o[0]);
    uint32_t shape = opcode < sizeof tk_shapes / sizeof *tk_shapes ? tk_shapes[opcode] : 0, n = shape >> 8;
    const uint32_t *a = words(o[1], n + (shape & 255), MP_BUFFER_READ).buf;
    mp_buffer_info_t arena = words(o[2], 0, MP_BUFFER_RW), hyper = words(o[3], TK_HYPER_COUNT, MP_BUFFER_READ);
    if (n == 0) {
        return MP_OBJ_NEW_SMALL_INT(-1);
    }
    for (uint32_t i = 0; i < n; i++) {
        if (a[i] != ABSENT && (a[i] >= arena.len || (a[i] & 3))) {
            mp_raise_ValueError(MP_ERROR_TEXT("offset outside the arena or not a multiple of 4"));
        }
        tensors[i] = a[i] == ABSENT ? NULL : (uint8_t *)arena.buf + a[i];
    }
    return mp_obj_new_int(tk_exec((int)opcode, tensors, (const int32_t *)a + n, hyper.buf));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(exec_obj, 4, 4, exec);

/* u8_to_f32(arena, byte offset, source, array('f', [scale, offset])) */
static mp_obj_t u8_to_f32(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t source, arena = words(o[0], 0, MP_BUFFER_RW);
    uint32_t at = (uint32_t)mp_obj_get_int(o[1]);
    mp_get_buffer_raise(o[2], &source, MP_BUFFER_READ);
    const float *scale = words(o[3], 2, MP_BUFFER_READ).buf;
    if (at > arena.len || (at & 3) || source.len > (arena.len - at) / 4) {
        mp_raise_ValueError(MP_ERROR_TEXT("destination outside the arena or not at a multiple of 4"));
    }
    tk_u8_to_f32((float *)((uint8_t *)arena.buf + at), source.buf, scale[0], scale[1], source.len);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(u8_to_f32_obj, 4, 4, u8_to_f32);

/* add(sums, first, arena, byte offset, count): sums[first + i] += the floats in the arena */
static mp_obj_t add(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t sums = words(o[0], 0, MP_BUFFER_RW), arena = words(o[2], 0, MP_BUFFER_READ);
    uint32_t first = (uint32_t)mp_obj_get_int(o[1]), at = (uint32_t)mp_obj_get_int(o[3]), count = (uint32_t)mp_obj_get_int(o[4]);
    if (first > sums.len / 4 || count > sums.len / 4 - first || (at & 3) || at > arena.len || count > (arena.len - at) / 4) {
        mp_raise_ValueError(MP_ERROR_TEXT("outside a buffer or not at a multiple of 4"));
    }
    tk_axpy((float *)sums.buf + first, 1.0f, (const float *)((const uint8_t *)arena.buf + at), count);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(add_obj, 5, 5, add);

/* copy(arena, byte offset, source) */
static mp_obj_t copy(mp_obj_t arena_in, mp_obj_t at_in, mp_obj_t source_in) {
    mp_buffer_info_t arena, source;
    uint32_t at = (uint32_t)mp_obj_get_int(at_in);
    mp_get_buffer_raise(arena_in, &arena, MP_BUFFER_WRITE);
    mp_get_buffer_raise(source_in, &source, MP_BUFFER_READ);
    if (at > arena.len || source.len > arena.len - at) {
        mp_raise_ValueError(MP_ERROR_TEXT("destination outside the arena"));
    }
    volatile uint8_t *to = (uint8_t *)arena.buf + at; /* volatile: a memcpy would have to be linked */
    for (size_t i = 0; i < source.len; i++) {
        to[i] = ((const uint8_t *)source.buf)[i];
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_3(copy_obj, copy);

/* crc32(buffer[, before]) and crc16(buffer[, before]) -> int */
static mp_obj_t crc32(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(o[0], &data, MP_BUFFER_READ);
    uint32_t before = n_args > 1 ? (uint32_t)mp_obj_get_int_truncated(o[1]) : 0;
    return mp_obj_new_int_from_uint(tk_crc32(data.buf, data.len, before));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(crc32_obj, 1, 2, crc32);

static mp_obj_t crc16(size_t n_args, const mp_obj_t *o) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(o[0], &data, MP_BUFFER_READ);
    uint16_t before = n_args > 1 ? (uint16_t)mp_obj_get_int_truncated(o[1]) : 0;
    return MP_OBJ_NEW_SMALL_INT(tk_crc16(data.buf, data.len, before));
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(crc16_obj, 1, 2, crc16);

/* fill(buffer, byte), and high_water(buffer, byte) -> index after the last byte that differs */
static mp_obj_t fill(mp_obj_t buffer, mp_obj_t byte) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(buffer, &data, MP_BUFFER_WRITE);
    volatile uint8_t *p = data.buf; /* volatile: a memset would have to be linked */
    uint8_t value = (uint8_t)mp_obj_get_int(byte);
    for (size_t i = 0; i < data.len; i++) {
        p[i] = value;
    }
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_2(fill_obj, fill);

static mp_obj_t high_water(mp_obj_t buffer, mp_obj_t byte) {
    mp_buffer_info_t data;
    mp_get_buffer_raise(buffer, &data, MP_BUFFER_READ);
    return mp_obj_new_int((mp_int_t)tk_high_water(data.buf, data.len, (uint8_t)mp_obj_get_int(byte)));
}
static MP_DEFINE_CONST_FUN_OBJ_2(high_water_obj, high_water);

#if MICROPY_ENABLE_DYNRUNTIME + 0
mp_obj_t mpy_init(mp_obj_fun_bc_t *self, size_t n_args, size_t n_kw, mp_obj_t *args) {
    MP_DYNRUNTIME_INIT_ENTRY
    mp_store_global(MP_QSTR_run, MP_OBJ_FROM_PTR(&run_obj));
    mp_store_global(MP_QSTR_exec, MP_OBJ_FROM_PTR(&exec_obj));
    mp_store_global(MP_QSTR_u8_to_f32, MP_OBJ_FROM_PTR(&u8_to_f32_obj));
    mp_store_global(MP_QSTR_add, MP_OBJ_FROM_PTR(&add_obj));
    mp_store_global(MP_QSTR_copy, MP_OBJ_FROM_PTR(&copy_obj));
    mp_store_global(MP_QSTR_crc32, MP_OBJ_FROM_PTR(&crc32_obj));
    mp_store_global(MP_QSTR_crc16, MP_OBJ_FROM_PTR(&crc16_obj));
    mp_store_global(MP_QSTR_fill, MP_OBJ_FROM_PTR(&fill_obj));
    mp_store_global(MP_QSTR_high_water, MP_OBJ_FROM_PTR(&high_water_obj));
    MP_DYNRUNTIME_INIT_EXIT
}
#else
static const mp_rom_map_elem_t globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_tercet_kernels)},
    {MP_ROM_QSTR(MP_QSTR_run), MP_ROM_PTR(&run_obj)},
    {MP_ROM_QSTR(MP_QSTR_exec), MP_ROM_PTR(&exec_obj)},
    {MP_ROM_QSTR(MP_QSTR_u8_to_f32), MP_ROM_PTR(&u8_to_f32_obj)},
    {MP_ROM_QSTR(MP_QSTR_add), MP_ROM_PTR(&add_obj)},
    {MP_ROM_QSTR(MP_QSTR_copy), MP_ROM_PTR(&copy_obj)},
    {MP_ROM_QSTR(MP_QSTR_crc32), MP_ROM_PTR(&crc32_obj)},
    {MP_ROM_QSTR(MP_QSTR_crc16), MP_ROM_PTR(&crc16_obj)},
    {MP_ROM_QSTR(MP_QSTR_fill), MP_ROM_PTR(&fill_obj)},
    {MP_ROM_QSTR(MP_QSTR_high_water), MP_ROM_PTR(&high_water_obj)},
};
static MP_DEFINE_CONST_DICT(globals, globals_table);

const mp_obj_module_t tercet_kernels_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&globals,
};
MP_REGISTER_MODULE(MP_QSTR_tercet_kernels, tercet_kernels_module);
#endif
