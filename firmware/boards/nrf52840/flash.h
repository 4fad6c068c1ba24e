// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_FLASH_H
#define TERCET_FLASH_H

#include "py/obj.h"

extern const mp_obj_base_t nrf_flash_obj; // the block device of the internal file system
extern const mp_obj_type_t nrf_flash_type;
void flash_mount(void); // at "/"; makes the file system when there is none

#endif // TERCET_FLASH_H
