// SPDX-License-Identifier: Apache-2.0
// What MicroPython's port for QEMU lacks on this machine.
#include <stdint.h>

int __real_main(int argc, char **argv);
int __wrap_main(int argc, char **argv);
uint64_t mp_hal_time_ns(void);

// The port's start-up leaves the FPU off; code for the hard-float ABI would fault at its first use.
int __wrap_main(int argc, char **argv) {
    *(volatile uint32_t *)0xe000ed88 |= 0xf << 20;
    __asm volatile ("dsb\nisb");
    return __real_main(argc, argv);
}

// File systems ask for the date; this machine has none.
uint64_t mp_hal_time_ns(void) {
    return 0;
}
