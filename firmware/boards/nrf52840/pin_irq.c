// SPDX-License-Identifier: Apache-2.0
// Pin.irq(): one GPIOTE channel for each pin with a handler; handlers are run by the scheduler, with the pin.
#include "py/mphal.h"
#include "py/runtime.h"
#include "pin.h"
#include "registers.h"

MP_REGISTER_ROOT_POINTER(mp_obj_t pin_irq_handlers[8]);
static uint8_t irq_pin[GPIOTE_CHANNELS];

static void irq_release(int channel) {
    GPIOTE(CONFIG(channel)) = 0;
    GPIOTE(INTENCLR) = 1u << channel;
    MP_STATE_PORT(pin_irq_handlers)[channel] = MP_OBJ_NULL;
}

static int irq_channel(uint32_t pin) {
    int free = -1;
    for (int n = 0; n < GPIOTE_CHANNELS; ++n) {
        if (MP_STATE_PORT(pin_irq_handlers)[n] == MP_OBJ_NULL) {
            free = n;
        } else if (irq_pin[n] == pin) {
            return n;
        }
    }
    return free;
}

static mp_obj_t pin_irq(size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_handler, ARG_trigger };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_handler, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_trigger, MP_ARG_INT, {.u_int = IRQ_RISING | IRQ_FALLING}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args - 1, pos_args + 1, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    uint32_t pin = pin_number(pos_args[0]);
    int channel = irq_channel(pin);
    if (channel < 0) {
        mp_raise_msg(&mp_type_RuntimeError, MP_ERROR_TEXT("all 8 pin interrupts are in use"));
    }
    irq_release(channel);
    if (args[ARG_handler].u_obj != mp_const_none) {
        irq_pin[channel] = pin;
        MP_STATE_PORT(pin_irq_handlers)[channel] = args[ARG_handler].u_obj;
        GPIOTE(CONFIG(channel)) = 1 | pin << 8 | (args[ARG_trigger].u_int & 3) << 16;
        GPIOTE(EVENTS_IN(channel)) = 0;
        GPIOTE(INTENSET) = 1u << channel;
        NVIC_PRIORITY(IRQ_GPIOTE) = IRQ_PRIORITY_PIN;
        NVIC_ENABLE(IRQ_GPIOTE);
    }
    return mp_const_none;
}
MP_DEFINE_CONST_FUN_OBJ_KW(pin_irq_obj, 1, pin_irq);

void GPIOTE_IRQHandler(void) {
    for (int n = 0; n < GPIOTE_CHANNELS; ++n) {
        volatile uint32_t *event = &GPIOTE(EVENTS_IN(n));
        if (*event) {
            *event = 0;
            if (MP_STATE_PORT(pin_irq_handlers)[n] != MP_OBJ_NULL) {
                mp_sched_schedule(MP_STATE_PORT(pin_irq_handlers)[n], pin_find(irq_pin[n]));
            }
        }
    }
}

void pin_irq_deinit(void) {
    for (int n = 0; n < GPIOTE_CHANNELS; ++n) {
        irq_release(n);
    }
}
