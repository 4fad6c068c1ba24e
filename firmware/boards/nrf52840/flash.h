// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_FLASH_H
#define TERCET_FLASH_H

#include "py/obj.h"

extern const mp_obj_type_t nrf_flash_type; // Flash() is the block device of the internal file system
void flash_mount(void); // at "/"; makes the file system when there is none

#endif // TERCET_FLASH_H
