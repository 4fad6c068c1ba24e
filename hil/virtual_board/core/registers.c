// SPDX-License-Identifier: GPL-2.0-or-later
// The core's registers as the debugger numbers them.
#include "board.h"

// DCRSR's register numbers: ARMv7-M ARM C1.6.3.
static int engine_register(uint32_t number)
{
    static const int others[] = {UC_ARM_REG_SP, UC_ARM_REG_LR, UC_ARM_REG_PC, UC_ARM_REG_XPSR, UC_ARM_REG_MSP,
                                 UC_ARM_REG_PSP};
    if (number < 13)
        return UC_ARM_REG_R0 + (int)number;
    if (number < 19)
        return others[number - 13];
    if (number >= 64 && number < 96)
        return UC_ARM_REG_S0 + (int)number - 64;
    return number == 33 ? UC_ARM_REG_FPSCR : -1;
}

static uint32_t s_register(struct board *b, uint32_t index, const uint32_t *store)
{
    uint32_t pair[2];
    uc_reg_read(b->uc, UC_ARM_REG_D0 + (int)index / 2, pair);
    if (store) {
        pair[index & 1] = *store;
        uc_reg_write(b->uc, UC_ARM_REG_D0 + (int)index / 2, pair);
    }
    return pair[index & 1];
}

EXPORT uint32_t tb_register_read(struct board *b, uint32_t number)
{
    if (number == 20)
        return reg_get(b, UC_ARM_REG_CONTROL) << 24 | (reg_get(b, UC_ARM_REG_FAULTMASK) & 1) << 16 |
               (reg_get(b, UC_ARM_REG_BASEPRI) & 0xff) << 8 | (reg_get(b, UC_ARM_REG_PRIMASK) & 1);
    if (number >= 64 && number < 96)
        return s_register(b, number - 64, NULL);
    int reg = engine_register(number);
    uint32_t value = reg < 0 ? 0 : reg_get(b, reg);
    return number == 16 ? value | 1u << 24 : value;
}

EXPORT void tb_register_write(struct board *b, uint32_t number, uint32_t value)
{
    if (number == 20) {
        reg_set(b, UC_ARM_REG_FAULTMASK, value >> 16 & 1);
        reg_set(b, UC_ARM_REG_BASEPRI, value >> 8 & 0xff);
        reg_set(b, UC_ARM_REG_PRIMASK, value & 1);
        reg_set(b, UC_ARM_REG_CONTROL, value >> 24 & 7);
    } else if (number >= 64 && number < 96) {
        s_register(b, number - 64, &value);
    } else if (number == 16) {
        reg_set(b, UC_ARM_REG_XPSR_NZCVQG, value | 1u << 24);
        b->open_it = (value & 0x0600fc00) != 0;
    } else if (number == 15) {
        reg_set(b, UC_ARM_REG_PC, value | 1);
        b->locked_up = b->sleeping = false;
        b->fallthrough = 0;
        b->path_taken = 0;
    } else if (engine_register(number) >= 0) {
        reg_set(b, engine_register(number), value);
    }
    attention_update(b);
}
