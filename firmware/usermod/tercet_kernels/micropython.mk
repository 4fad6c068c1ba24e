# SPDX-License-Identifier: Apache-2.0
# The kernels as a user module of MicroPython: make USER_C_MODULES=.../firmware/usermod. `kernels` is a link beside this file.
TERCET_DIR := $(USERMOD_DIR)
TERCET_KERNELS = math elementwise block gemm dense loss bytes exec run gather conv conv_direct conv_data conv_weights depthwise pool exec_conv \
	norm layers optimizer exec_extra block_m4 vector_m4
SRC_USERMOD_C += $(TERCET_DIR)/module.c
SRC_USERMOD_LIB_C += $(patsubst %,$(TERCET_DIR)/kernels/tk_%.c,$(TERCET_KERNELS))
CFLAGS_USERMOD += -I$(TERCET_DIR)/kernels -DTK_WITH_CONV -DTK_WITH_EXTRA
# products are rounded before they are added, on every machine; speed before size in the loops
$(patsubst %,$(BUILD)/tercet_kernels/kernels/tk_%.o,$(TERCET_KERNELS)): CFLAGS += -O2 -ffp-contract=off -fno-math-errno
