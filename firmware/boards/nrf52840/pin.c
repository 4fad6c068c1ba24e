// SPDX-License-Identifier: Apache-2.0
// machine.Pin. A pin is named by its number (32 * port + pin), as "P1.01", or by what is printed on the development kit.
#include <string.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "extmod/virtpin.h"
#include "pin.h"
#include "registers.h"

typedef struct _machine_pin_obj_t {
    mp_obj_base_t base;
    uint8_t number;
} machine_pin_obj_t;

enum { MODE_IN, MODE_OUT, MODE_OPEN_DRAIN };
enum { PULL_UP = 1, PULL_DOWN = 2 };
enum { DRIVE_STANDARD, DRIVE_HIGH };

#define P(n) {{&machine_pin_type}, n}
#define P8(n) P(n), P(n + 1), P(n + 2), P(n + 3), P(n + 4), P(n + 5), P(n + 6), P(n + 7)
static const machine_pin_obj_t pins[GPIO_PINS] = { P8(0), P8(8), P8(16), P8(24), P8(32), P8(40) };

static const struct { const char *name; uint8_t number; } board_names[] = {
    {"LED1", 13}, {"LED2", 14}, {"LED3", 15}, {"LED4", 16},
    {"BUTTON1", 11}, {"BUTTON2", 12}, {"BUTTON3", 24}, {"BUTTON4", 25},
};

mp_obj_t pin_find(uint32_t number) {
    return MP_OBJ_FROM_PTR(&pins[number]);
}

// Not strtol: it would bring a kilobyte of C library state into RAM.
static int read_decimal(const char **text) {
    int value = -1;
    for (; **text >= '0' && **text <= '9' && value < 100; ++*text) {
        value = MAX(value, 0) * 10 + (**text - '0');
    }
    return value;
}

static int number_of_name(const char *name) {
    for (size_t i = 0; i < MP_ARRAY_SIZE(board_names); ++i) {
        if (strcmp(name, board_names[i].name) == 0) {
            return board_names[i].number;
        }
    }
    if (*name++ != 'P') {
        return -1;
    }
    int number = read_decimal(&name);
    if (*name == '.' || *name == '_') {
        ++name;
        int bit = read_decimal(&name);
        number = number > 1 || bit > 31 || bit < 0 ? -1 : 32 * number + bit;
    }
    return *name ? -1 : number;
}

uint32_t pin_number(mp_obj_t pin) {
    if (mp_obj_is_type(pin, &machine_pin_type)) {
        return ((machine_pin_obj_t *)MP_OBJ_TO_PTR(pin))->number;
    }
    int number = mp_obj_is_str(pin) ? number_of_name(mp_obj_str_get_str(pin)) : mp_obj_get_int(pin);
    if (number < 0 || number >= GPIO_PINS) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("no such pin: %d, of 0 to 47"), number);
    }
    return number;
}

static void pin_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    uint32_t n = pin_number(self_in);
    mp_printf(print, "Pin('P%u.%02u')", (unsigned)n >> 5, (unsigned)n & 31);
}

static mp_obj_t pin_init_helper(uint32_t pin, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_mode, ARG_pull, ARG_value, ARG_drive };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_mode, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_pull, MP_ARG_OBJ, {.u_rom_obj = MP_ROM_INT(-1)}},
        {MP_QSTR_value, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_drive, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = DRIVE_STANDARD}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);

    uint32_t cnf = GPIO_CNF(pin);
    if (args[ARG_pull].u_obj != MP_OBJ_NEW_SMALL_INT(-1)) {
        int pull = args[ARG_pull].u_obj == mp_const_none ? 0 : mp_obj_get_int(args[ARG_pull].u_obj);
        cnf = (cnf & ~CNF_PULL_MASK) | (pull == PULL_UP ? CNF_PULL_UP : pull == PULL_DOWN ? CNF_PULL_DOWN : 0);
    }
    if (args[ARG_value].u_obj != mp_const_none) {
        mp_hal_pin_write(pin, mp_obj_is_true(args[ARG_value].u_obj)); // before the driver: no glitch
    }
    if (args[ARG_mode].u_int >= 0) {
        cnf &= ~(CNF_OUTPUT | CNF_INPUT_DISCONNECT | CNF_DRIVE_MASK);
        if (args[ARG_mode].u_int == MODE_OUT) {
            // The input stays connected so that value() reads what the pin is, not what it was told.
            cnf |= CNF_OUTPUT | (args[ARG_drive].u_int == DRIVE_HIGH ? CNF_DRIVE_HIGH : CNF_DRIVE_STANDARD);
        } else if (args[ARG_mode].u_int == MODE_OPEN_DRAIN) {
            cnf |= CNF_OUTPUT | CNF_DRIVE_OPEN_DRAIN;
        }
    }
    GPIO_CNF(pin) = cnf;
    return mp_const_none;
}

static mp_obj_t pin_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    uint32_t pin = pin_number(args[0]);
    if (n_args > 1 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        pin_init_helper(pin, n_args - 1, args + 1, &kw_args);
    }
    return pin_find(pin);
}

static mp_obj_t pin_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    return pin_init_helper(pin_number(args[0]), n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(pin_init_obj, 1, pin_init);

static mp_obj_t pin_call(mp_obj_t self_in, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    mp_arg_check_num(n_args, n_kw, 0, 1, false);
    uint32_t pin = pin_number(self_in);
    if (n_args == 0) {
        return MP_OBJ_NEW_SMALL_INT(mp_hal_pin_read(pin));
    }
    mp_hal_pin_write(pin, mp_obj_is_true(args[0]));
    return mp_const_none;
}

static mp_obj_t pin_value(size_t n_args, const mp_obj_t *args) {
    return pin_call(args[0], n_args - 1, 0, args + 1);
}
static MP_DEFINE_CONST_FUN_OBJ_VAR_BETWEEN(pin_value_obj, 1, 2, pin_value);

static mp_obj_t pin_on(mp_obj_t self_in) {
    mp_hal_pin_high(pin_number(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_on_obj, pin_on);

static mp_obj_t pin_off(mp_obj_t self_in) {
    mp_hal_pin_low(pin_number(self_in));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_off_obj, pin_off);

static mp_obj_t pin_toggle(mp_obj_t self_in) {
    uint32_t pin = pin_number(self_in);
    mp_hal_pin_write(pin, !(GPIO(pin, OUT) >> (pin & 31) & 1));
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(pin_toggle_obj, pin_toggle);

static mp_uint_t pin_ioctl(mp_obj_t self_in, mp_uint_t request, uintptr_t arg, int *errcode) {
    uint32_t pin = pin_number(self_in);
    if (request == MP_PIN_READ) {
        return mp_hal_pin_read(pin);
    } else if (request == MP_PIN_WRITE) {
        mp_hal_pin_write(pin, arg);
        return 0;
    }
    return -1;
}
static const mp_pin_p_t pin_protocol = {.ioctl = pin_ioctl};

static const mp_rom_map_elem_t pin_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&pin_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_value), MP_ROM_PTR(&pin_value_obj)},
    {MP_ROM_QSTR(MP_QSTR_on), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_off), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_high), MP_ROM_PTR(&pin_on_obj)},
    {MP_ROM_QSTR(MP_QSTR_low), MP_ROM_PTR(&pin_off_obj)},
    {MP_ROM_QSTR(MP_QSTR_toggle), MP_ROM_PTR(&pin_toggle_obj)},
    {MP_ROM_QSTR(MP_QSTR_irq), MP_ROM_PTR(&pin_irq_obj)},
    {MP_ROM_QSTR(MP_QSTR_IN), MP_ROM_INT(MODE_IN)},
    {MP_ROM_QSTR(MP_QSTR_OUT), MP_ROM_INT(MODE_OUT)},
    {MP_ROM_QSTR(MP_QSTR_OPEN_DRAIN), MP_ROM_INT(MODE_OPEN_DRAIN)},
    {MP_ROM_QSTR(MP_QSTR_PULL_UP), MP_ROM_INT(PULL_UP)},
    {MP_ROM_QSTR(MP_QSTR_PULL_DOWN), MP_ROM_INT(PULL_DOWN)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_STANDARD), MP_ROM_INT(DRIVE_STANDARD)},
    {MP_ROM_QSTR(MP_QSTR_DRIVE_HIGH), MP_ROM_INT(DRIVE_HIGH)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_RISING), MP_ROM_INT(IRQ_RISING)},
    {MP_ROM_QSTR(MP_QSTR_IRQ_FALLING), MP_ROM_INT(IRQ_FALLING)},
};
static MP_DEFINE_CONST_DICT(pin_locals, pin_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_pin_type, MP_QSTR_Pin, MP_TYPE_FLAG_NONE, make_new, pin_make_new, print, pin_print,
    call, pin_call, protocol, &pin_protocol, locals_dict, &pin_locals);
