// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_PIN_H
#define TERCET_PIN_H

#include "py/obj.h"

uint32_t pin_number(mp_obj_t pin); // of a Pin, an integer or a name; raises ValueError
mp_obj_t pin_find(uint32_t number); // the Pin with that number
void pin_irq_deinit(void); // at soft reset

enum { IRQ_RISING = 1, IRQ_FALLING = 2 };
MP_DECLARE_CONST_FUN_OBJ_KW(pin_irq_obj);

#endif // TERCET_PIN_H
