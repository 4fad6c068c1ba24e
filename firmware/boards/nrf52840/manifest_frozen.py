# SPDX-License-Identifier: Apache-2.0
# The `frozen` variant: the library runs from flash, its bytecode takes no RAM, and nothing has to be copied to the board.
include("manifest.py")  # noqa: F821
package("tercet_device", base_path="../../../device_lib")  # noqa: F821
