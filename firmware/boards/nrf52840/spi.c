// SPDX-License-Identifier: Apache-2.0
// machine.SPI(0..3) on SPIM0..3 with EasyDMA. SPIM3 alone reaches 16 and 32 MHz.
#include <string.h>

#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/modmachine.h"
#include "pin.h"
#include "registers.h"
#include "spi.h"

enum { SPI_COUNT = 4, DMA_LIMIT = 0xffff, BOUNCE = 64 };

typedef struct _machine_spi_obj_t {
    mp_obj_base_t base;
    uint32_t spim;
    uint32_t baudrate;
    uint8_t number, polarity, phase, firstbit;
    uint8_t sck, mosi, miso;
    bool enabled;
} machine_spi_obj_t;

// The pins of instance 3 are the card's (P1.12 to P1.15); the others share Arduino's.
static machine_spi_obj_t instances[SPI_COUNT] = {
    {{&machine_spi_type}, .spim = 0x40003000, .number = 0, .sck = 47, .mosi = 45, .miso = 46},
    {{&machine_spi_type}, .spim = 0x40004000, .number = 1, .sck = 47, .mosi = 45, .miso = 46},
    {{&machine_spi_type}, .spim = 0x40023000, .number = 2, .sck = 47, .mosi = 45, .miso = 46},
    {{&machine_spi_type}, .spim = 0x4002f000, .number = 3, .sck = 47, .mosi = 45, .miso = 46},
};
#define SPIM(self, r) REG((self)->spim + SPIM_##r)

static const struct { uint32_t hz, code; } speeds[] = { // fastest first
    {32000000, 0x14000000}, {16000000, 0x0a000000}, {8000000, 0x80000000}, {4000000, 0x40000000}, {2000000, 0x20000000},
    {1000000, 0x10000000}, {500000, 0x08000000}, {250000, 0x04000000}, {125000, 0x02000000},
};

static void spi_print(const mp_print_t *print, mp_obj_t self_in, mp_print_kind_t kind) {
    machine_spi_obj_t *self = MP_OBJ_TO_PTR(self_in);
    mp_printf(print, "SPI(%u, baudrate=%u, polarity=%u, phase=%u, firstbit=%u, sck=%u, mosi=%u, miso=%u)", self->number,
        (unsigned)self->baudrate, self->polarity, self->phase, self->firstbit, self->sck, self->mosi, self->miso);
}

// Short transfers are over before a sleep would be; long ones are slept through. The end event stays set for the waiter, so
// the handler only takes away its request; native drivers may wait in the same way.
static const uint8_t interrupts[SPI_COUNT] = {3, 4, 35, 47};

void SPIM_IRQHandler(void) {
    for (int i = 0; i < SPI_COUNT; ++i) {
        REG(instances[i].spim + INTENCLR) = EVENT_BIT(SPIM_EVENTS_END);
    }
    (void)REG(instances[0].spim + INTENCLR);
}

static void run(machine_spi_obj_t *self, const uint8_t *src, size_t src_len, uint8_t *dest, size_t dest_len) {
    enum { WORTH_SLEEPING_US = 30 };
    SPIM(self, TXD_PTR) = (uint32_t)src;
    SPIM(self, TXD_MAXCNT) = src_len;
    SPIM(self, RXD_PTR) = (uint32_t)dest;
    SPIM(self, RXD_MAXCNT) = dest_len;
    SPIM(self, EVENTS_END) = 0;
    SPIM(self, TASKS_START) = 1;
    bool sleep = MAX(src_len, dest_len) * 8 > self->baudrate / (1000000 / WORTH_SLEEPING_US);
    if (sleep) {
        REG(self->spim + INTENSET) = EVENT_BIT(SPIM_EVENTS_END);
        NVIC_ENABLE(interrupts[self->number]);
    }
    while (!SPIM(self, EVENTS_END)) {
        if (sleep) {
            clock_idle();
        }
    }
}

// EasyDMA reaches data RAM by its own address only: neither flash nor the code alias.
static bool dma_reaches(const void *p) {
    return p == NULL || (uintptr_t)p >> 29 == 1;
}

static void spi_transfer(mp_obj_base_t *self_in, size_t len, const uint8_t *src, uint8_t *dest) {
    machine_spi_obj_t *self = (machine_spi_obj_t *)self_in;
    if (!self->enabled) {
        mp_raise_OSError(MP_EIO);
    }
    uint8_t bounce[BOUNCE]; // on the stack, which shares no RAM block with the heap (anomaly 198)
    bool direct = dma_reaches(src) && dma_reaches(dest);
    while (len > 0) {
        size_t n = MIN(len, direct ? DMA_LIMIT : BOUNCE);
        const uint8_t *from = src;
        if (!direct && src) {
            from = memcpy(bounce, src, n);
        }
        if (dma_reaches(dest)) {
            run(self, from, src ? n : 0, dest, dest ? n : 0);
        } else {
            run(self, from, src ? n : 0, bounce, n);
            memcpy(dest, bounce, n);
        }
        len -= n;
        src = src ? src + n : NULL;
        dest = dest ? dest + n : NULL;
    }
}

static void disable(machine_spi_obj_t *self) {
    if (!self->enabled) {
        return;
    }
    SPIM(self, ENABLE) = 0;
    if (self->number == 3) {
        REG(self->spim + 0x004) = 1; // anomaly 195: SPIM3 draws current after it was disabled
    }
    GPIO_CNF(self->sck) = GPIO_CNF(self->mosi) = GPIO_CNF(self->miso) = CNF_RESET_VALUE;
    self->enabled = false;
}

static void enable(machine_spi_obj_t *self) {
    size_t slowest = MP_ARRAY_SIZE(speeds) - 1;
    size_t speed = self->number == 3 ? 0 : 2;
    while (speed < slowest && speeds[speed].hz > self->baudrate) {
        ++speed;
    }
    self->baudrate = speeds[speed].hz;
    uint32_t drive = speeds[speed].hz > 8000000 ? CNF_DRIVE_HIGH : CNF_DRIVE_STANDARD;
    // The datasheet's table of pin states: the clock rests at its polarity before the peripheral takes the pin over.
    mp_hal_pin_write(self->sck, self->polarity);
    mp_hal_pin_low(self->mosi);
    GPIO_CNF(self->sck) = CNF_OUTPUT | drive; // input connected: SPIM samples its own clock
    GPIO_CNF(self->mosi) = CNF_OUTPUT | CNF_INPUT_DISCONNECT | drive;
    GPIO_CNF(self->miso) = CNF_INPUT | CNF_PULL_UP; // a card that is not there reads as 0xff
    SPIM(self, PSEL_SCK) = self->sck;
    SPIM(self, PSEL_MOSI) = self->mosi;
    SPIM(self, PSEL_MISO) = self->miso;
    SPIM(self, FREQUENCY) = speeds[speed].code;
    SPIM(self, CONFIG) = (self->firstbit == MICROPY_PY_MACHINE_SPI_LSB) | self->phase << 1 | self->polarity << 2;
    SPIM(self, ORC) = 0xff;
    SPIM(self, ENABLE) = SPIM_ENABLE_ENABLED;
    self->enabled = true;
}

static void spi_init(mp_obj_base_t *self_in, size_t n_args, const mp_obj_t *pos_args, mp_map_t *kw_args) {
    machine_spi_obj_t *self = (machine_spi_obj_t *)self_in;
    enum { ARG_baudrate, ARG_polarity, ARG_phase, ARG_bits, ARG_firstbit, ARG_sck, ARG_mosi, ARG_miso };
    static const mp_arg_t allowed_args[] = {
        {MP_QSTR_baudrate, MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_polarity, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_phase, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_bits, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = 8}},
        {MP_QSTR_firstbit, MP_ARG_KW_ONLY | MP_ARG_INT, {.u_int = -1}},
        {MP_QSTR_sck, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_mosi, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
        {MP_QSTR_miso, MP_ARG_KW_ONLY | MP_ARG_OBJ, {.u_rom_obj = MP_ROM_NONE}},
    };
    mp_arg_val_t args[MP_ARRAY_SIZE(allowed_args)];
    mp_arg_parse_all(n_args, pos_args, kw_args, MP_ARRAY_SIZE(allowed_args), allowed_args, args);
    if (args[ARG_bits].u_int != 8) {
        mp_raise_ValueError(MP_ERROR_TEXT("bits must be 8"));
    }
    uint8_t *numbers[] = {&self->polarity, &self->phase, NULL, &self->firstbit};
    for (size_t i = 0; i < MP_ARRAY_SIZE(numbers); ++i) {
        if (numbers[i] && args[ARG_polarity + i].u_int != -1) {
            *numbers[i] = args[ARG_polarity + i].u_int & 1;
        }
    }
    uint8_t pins[] = {self->sck, self->mosi, self->miso};
    for (size_t i = 0; i < MP_ARRAY_SIZE(pins); ++i) {
        if (args[ARG_sck + i].u_obj != mp_const_none) {
            pins[i] = pin_number(args[ARG_sck + i].u_obj);
        }
    }
    disable(self);
    if (args[ARG_baudrate].u_int != -1) {
        self->baudrate = args[ARG_baudrate].u_int;
    }
    self->sck = pins[0];
    self->mosi = pins[1];
    self->miso = pins[2];
    enable(self);
}

static mp_obj_t spi_make_new(const mp_obj_type_t *type, size_t n_args, size_t n_kw, const mp_obj_t *args) {
    MP_MACHINE_SPI_CHECK_FOR_LEGACY_SOFTSPI_CONSTRUCTION(n_args, n_kw, args);
    mp_arg_check_num(n_args, n_kw, 1, MP_OBJ_FUN_ARGS_MAX, true);
    int id = mp_obj_get_int(args[0]);
    if (id < 0 || id >= SPI_COUNT) {
        mp_raise_msg_varg(&mp_type_ValueError, MP_ERROR_TEXT("SPI(%d) doesn't exist"), id);
    }
    machine_spi_obj_t *self = &instances[id];
    if (n_args > 1 || n_kw > 0 || !self->enabled) {
        self->baudrate = 1000000;
        self->polarity = self->phase = 0;
        self->firstbit = MICROPY_PY_MACHINE_SPI_MSB;
        mp_map_t kw_args;
        mp_map_init_fixed_table(&kw_args, n_kw, args + n_args);
        spi_init(&self->base, n_args - 1, args + 1, &kw_args);
    }
    return MP_OBJ_FROM_PTR(self);
}

static void spi_deinit(mp_obj_base_t *self_in) {
    disable((machine_spi_obj_t *)self_in);
}

void spi_deinit_all(void) {
    for (int i = 0; i < SPI_COUNT; ++i) {
        disable(&instances[i]);
    }
}

static const mp_machine_spi_p_t spi_protocol = {.init = spi_init, .deinit = spi_deinit, .transfer = spi_transfer};

MP_DEFINE_CONST_OBJ_TYPE(machine_spi_type, MP_QSTR_SPI, MP_TYPE_FLAG_NONE, make_new, spi_make_new, print, spi_print,
    protocol, &spi_protocol, locals_dict, &mp_machine_spi_locals_dict);
