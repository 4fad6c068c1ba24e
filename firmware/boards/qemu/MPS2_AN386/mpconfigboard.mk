# SPDX-License-Identifier: Apache-2.0
# MicroPython's port for QEMU on a Cortex-M4F: a second opinion on kernels and library, from another emulator and another port.
QEMU_ARCH = arm
QEMU_MACHINE = mps2-an386
CPU = -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
CFLAGS += $(CPU) -DQEMU_SOC_MPS2 -DMICROPY_HW_MCU_NAME='"Cortex-M4F"' -DLFS2_NO_MALLOC
LDFLAGS += $(CPU) -Wl,--wrap=main
LDSCRIPT = $(abspath $(BOARD_DIR))/mps2.ld
MICROPY_VFS_LFS2 = 1
MICROPY_HEAP_SIZE = 1500000
MPY_CROSS_FLAGS += -march=armv7emsp
FROZEN_MANIFEST = $(abspath $(BOARD_DIR))/manifest.py
SRC_C += machine.c
SRC_BOARD_O = shared/runtime/gchelper_native.o shared/runtime/gchelper_thumb2.o
vpath machine.c $(abspath $(BOARD_DIR))
