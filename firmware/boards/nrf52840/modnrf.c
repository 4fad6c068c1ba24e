// SPDX-License-Identifier: Apache-2.0
// Module nrf: what only this chip has.
#include "py/runtime.h"
#include "console.h"
#include "flash.h"

// Bytes that arrived on the console while its buffer was full, since the last call.
static mp_obj_t nrf_console_bytes_lost(void) {
    return mp_obj_new_int_from_uint(console_bytes_lost());
}
static MP_DEFINE_CONST_FUN_OBJ_0(nrf_console_bytes_lost_obj, nrf_console_bytes_lost);

static const mp_rom_map_elem_t nrf_globals_table[] = {
    {MP_ROM_QSTR(MP_QSTR___name__), MP_ROM_QSTR(MP_QSTR_nrf)},
    {MP_ROM_QSTR(MP_QSTR_Flash), MP_ROM_PTR(&nrf_flash_type)},
    {MP_ROM_QSTR(MP_QSTR_console_bytes_lost), MP_ROM_PTR(&nrf_console_bytes_lost_obj)},
};
static MP_DEFINE_CONST_DICT(nrf_globals, nrf_globals_table);

const mp_obj_module_t nrf_module = {
    .base = {&mp_type_module},
    .globals = (mp_obj_dict_t *)&nrf_globals,
};
MP_REGISTER_MODULE(MP_QSTR_nrf, nrf_module);
