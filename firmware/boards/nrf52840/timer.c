// SPDX-License-Identifier: Apache-2.0
// machine.Timer: any number of timers on one alarm of the microsecond clock, kept in a list by time. Callbacks are run by
// the scheduler, with the timer. A periodic timer keeps its beat: its times are counted from the first, not from the callback.
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "timer.h"

typedef struct _machine_timer_obj_t {
    mp_obj_base_t base;
    struct _machine_timer_obj_t *next;
    mp_obj_t callback;
    uint64_t due_us;
    uint64_t period_us;
    bool periodic;
} machine_timer_obj_t;

enum { MODE_ONE_SHOT, MODE_PERIODIC };

MP_REGISTER_ROOT_POINTER(struct _machine_timer_obj_t *timers);

static void list_remove(machine_timer_obj_t *self) {
    machine_timer_obj_t **link = &MP_STATE_PORT(timers);
    while (*link && *link != self) {
        link = &(*link)->next;
    }
    if (*link) {
        *link = self->next;
    }
    self->next = NULL;
}

static void list_insert(machine_timer_obj_t *self) {
    machine_timer_obj_t **link = &MP_STATE_PORT(timers);
    while (*link && (*link)->due_us <= self->due_us) {
        link = &(*link)->next;
    }
    self->next = *link;
    *link = self;
}

static void set_alarm(void) {
    if (MP_STATE_PORT(timers)) {
        clock_set_alarm(MP_STATE_PORT(timers)->due_us);
    } else {
        clock_clear_alarm();
    }
}

void clock_alarm(void) {
    uint64_t now = clock_us();
    while (MP_STATE_PORT(timers) && MP_STATE_PORT(timers)->due_us <= now) {
        machine_timer_obj_t *self = MP_STATE_PORT(timers);
        list_remove(self);
        mp_sched_schedule(self->callback, MP_OBJ_FROM_PTR(self));
        if (self->periodic) {
            self->due_us += self->period_us;
            if (self->due_us <= now) { // beats were missed: go on with the next one of the same beat
                self->due_us += ((now - self->due_us) / self->period_us + 1) * self->period_us;
            }
            list_insert(self);
        }
    }
    set_alarm();
}

void timer_deinit_all(void) {
    clock_clear_alarm();
    MP_STATE_PORT(timers) = NULL;
}

static void timer_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    machine_timer_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "Timer(mode=%q, period_us=%u)", self->periodic ? MP_QSTR_PERIODIC : MP_QSTR_ONE_SHOT,
        (unsigned)self->period_us);
}

static uint64_t period_us(mp_arg_val_t period, mp_arg_val_t tick_hz, mp_arg_val_t freq) {
    if (freq.u_obj != mp_const_none) {
        mp_float_t hz = mp_obj_get_float(freq.u_obj);
        if (!(hz > 0)) {
            mp_raise_ValueError(MP_ERROR_TEXT("freq must be above 0"));
        }
        return (uint64_t)(MICROPY_FLOAT_CONST(1e6) / hz);
    }
    if (period.u_int < 0 || tick_hz.u_int <= 0) {
        mp_raise_ValueError(MP_ERROR_TEXT("needs period or freq above 0"));
    }
    return (uint64_t)period.u_int * 1000000 / tick_hz.u_int;
}

static mp_obj_t timer_init_helper(machine_timer_obj_t *self, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    enum { ARG_mode, ARG_period, ARG_callback, ARG_freq, ARG_tick_hz, ARG_hard };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_mode, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = MODE_PERIODIC}},
        {MP_QSTR_period, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_callback, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_freq, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_tick_hz, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 1000}},
        {MP_QSTR_hard, MP_ARG_KW_ONLY | MP_ARG_BOOL, {.u_bool = false}},
    };
    enum { SHORTEST_US = 10 }; // a shorter beat would leave no time for anything else
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_hard].u_bool) {
        mp_raise_ValueError(MP_ERROR_TEXT("callbacks are soft on this port"));
    }
    if (args[ARG_callback].u_obj != mp_const_none && !mp_obj_is_callable(args[ARG_callback].u_obj)) {
        mp_raise_ValueError(MP_ERROR_TEXT("callback must be None or callable"));
    }
    uint64_t us = period_us(args[ARG_period], args[ARG_tick_hz], args[ARG_freq]);
    uint32_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    list_remove(self);
    self->period_us = MAX(us, SHORTEST_US);
    self->periodic = args[ARG_mode].u_int == MODE_PERIODIC;
    self->callback = args[ARG_callback].u_obj;
    if (self->callback != mp_const_none) {
        self->due_us = clock_us() + self->period_us;
        list_insert(self);
    }
    set_alarm();
    MICROPY_END_ATOMIC_SECTION(state);
    return mp_const_none;
}

static mp_obj_t timer_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    if (n_args > 0) {
        if (mp_obj_get_int(args[0]) != -1) {
            mp_raise_ValueError(MP_ERROR_TEXT("Timer doesn't exist: only -1 does, as often as you like"));
        }
        --n_args;
        ++args;
    }
    machine_timer_obj_t *self = mp_obj_malloc(machine_timer_obj_t, type);
    self->next = NULL;
    self->callback = mp_const_none;
    self->period_us = self->periodic = 0;
    if (n_args > 0 || n_kw > 0) {
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        timer_init_helper(self, n_args, args, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static mp_obj_t timer_init(size_t n_args, const mp_obj_t *args, mp_map_t *kw_args) {
    return timer_init_helper(MP_OBJ_TO_PTR(args[0]), n_args - 1, args + 1, kw_args);
}
static MP_DEFINE_CONST_FUN_OBJ_KW(timer_init_obj, 1, timer_init);

static mp_obj_t timer_deinit(mp_obj_t self_in) {
    uint32_t state = MICROPY_BEGIN_ATOMIC_SECTION();
    list_remove(MP_OBJ_TO_PTR(self_in));
    set_alarm();
    MICROPY_END_ATOMIC_SECTION(state);
    return mp_const_none;
}
static MP_DEFINE_CONST_FUN_OBJ_1(timer_deinit_obj, timer_deinit);

static const mp_rom_map_elem_t timer_locals_table[] = {
    {MP_ROM_QSTR(MP_QSTR_init), MP_ROM_PTR(&timer_init_obj)},
    {MP_ROM_QSTR(MP_QSTR_deinit), MP_ROM_PTR(&timer_deinit_obj)},
    {MP_ROM_QSTR(MP_QSTR_ONE_SHOT), MP_ROM_INT(MODE_ONE_SHOT)},
    {MP_ROM_QSTR(MP_QSTR_PERIODIC), MP_ROM_INT(MODE_PERIODIC)},
};
static MP_DEFINE_CONST_DICT(timer_locals, timer_locals_table);

MP_DEFINE_CONST_OBJ_TYPE(machine_timer_type, MP_QSTR_Timer, MP_TYPE_FLAG_NONE, make_new, timer_make_new,
    print, timer_print, locals_dict, &timer_locals);
