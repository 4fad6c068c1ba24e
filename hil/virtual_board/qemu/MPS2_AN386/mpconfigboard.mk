# SPDX-License-Identifier: GPL-2.0-or-later
# A Cortex-M4F on QEMU, the second machine on which the tests of MicroPython run: what port and emulator of the
# nRF52840 misread alike shows as a difference here.
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an386
CPU_FLAGS = -mthumb -mcpu=cortex-m4 -mfloat-abi=hard -mfpu=fpv4-sp-d16
CFLAGS += $(CPU_FLAGS) -DQEMU_SOC_MPS2 -DMICROPY_HW_MCU_NAME='"Cortex-M4F"'
LDFLAGS += $(CPU_FLAGS) -Wl,--wrap=mp_semihosting_init $(abspath $(BOARD_DIR))/enable_fpu.c
LDSCRIPT = mcu/arm/mps2.ld
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
MPY_CROSS_FLAGS += -march=armv7emsp
FROZEN_MANIFEST = $(abspath $(BOARD_DIR))/manifest.py
