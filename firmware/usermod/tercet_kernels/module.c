/* SPDX-License-Identifier: Apache-2.0
 * The kernels built into a firmware: the same source as the native module's. */
#include "../../natmod/tercet_kernels.c"
