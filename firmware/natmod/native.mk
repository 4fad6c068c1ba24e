# SPDX-License-Identifier: Apache-2.0
# How a native module is built, whatever is in it. A module's Makefile says MODULE (its file's name), HERE (its directory), PART
# (where below $(OUT)/$(ARCH) it goes), OBJECTS, MODULE_FLAGS (of its C code) and FLOAT, includes this file and adds its rules.
ARCHS = armv7emsp armv7m armv6m x64
NATMOD := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))
PYTHON ?= python3
ARCH ?= x64
OUT ?= $(abspath $(NATMOD)../../build/firmware/natmod)
MPY_DIR ?= $(abspath $(NATMOD)../../build/micropython)
DIR = $(OUT)/$(ARCH)/$(PART)
BUILT_BY = $(HERE)Makefile $(NATMOD)native.mk

CROSS = arm-none-eabi-
FLAGS_armv7emsp = -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16 -mfloat-abi=hard
FLAGS_armv7m = -mthumb -mcpu=cortex-m3
FLAGS_armv6m = -mthumb -mcpu=cortex-m0
FLAGS_x64 = -fno-stack-protector
ifeq ($(ARCH),x64)
CROSS =
endif
# No calls to memset and its kin, which a native module cannot link
FLAGS = -O2 -Wall -Wextra -Wno-unused-parameter -Werror -fpic -fno-common -fno-tree-loop-distribute-patterns \
	-fno-jump-tables -U_FORTIFY_SOURCE $(FLAGS_$(ARCH)) $(MODULE_FLAGS)
BINDING = -I$(MPY_DIR) -DNDEBUG -DNO_QSTR -DMICROPY_ENABLE_DYNRUNTIME \
	-DMICROPY_FLOAT_IMPL=MICROPY_FLOAT_IMPL_$(or $(FLOAT),NONE) -DMP_CONFIGFILE='<$(DIR)/config.h>' -Wno-sign-compare
# the order of its sets would reach the file
MPY_LD = PYTHONHASHSEED=0 $(PYTHON) $(MPY_DIR)/tools/mpy_ld.py --arch $(ARCH)
ifneq ($(filter armv7m armv6m,$(ARCH)),)
# the compiler's own runtime: what these cores lack of floating point, division and long multiplication
RUNTIME = -l$(shell $(CROSS)gcc $(FLAGS) --print-libgcc-file-name)
endif

$(DIR)/$(MODULE).mpy: $(OBJECTS)
	$(MPY_LD) --qstrs $(DIR)/config.h $(RUNTIME) -o $@ $^

$(DIR)/$(MODULE).o: $(HERE)$(MODULE).c $(BUILT_BY) $(DIR)/config.h $(HEADERS)
	$(CROSS)gcc $(FLAGS) $(BINDING) $(BINDING_FLAGS) -o $@ -c $<

$(DIR)/shim.o: $(NATMOD)shim.c $(BUILT_BY) | $(DIR)
	$(CROSS)gcc $(FLAGS) -ffreestanding -o $@ -c $<

$(DIR)/config.h: $(HERE)$(MODULE).c | $(DIR)
	$(MPY_LD) --preprocess -o $@ $<

$(DIR):
	mkdir -p $@

SUBMAKE = $(MAKE) --no-print-directory -s -f $(HERE)Makefile MPY_DIR=$(MPY_DIR) OUT=$(OUT) PYTHON=$(PYTHON)
all-archs:
	@set -e; for arch in $(ARCHS); do $(SUBMAKE) ARCH=$$arch; done

.PHONY: all-archs
.DELETE_ON_ERROR:
