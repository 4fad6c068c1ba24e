# SPDX-License-Identifier: Apache-2.0
# No foreign libraries: nothing but a C compiler is needed.
MICROPY_PY_FFI = 0
MICROPY_PY_SSL = 0
MICROPY_PY_BTREE = 0
FROZEN_MANIFEST ?= $(VARIANT_DIR)/manifest.py
