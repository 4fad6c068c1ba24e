// SPDX-License-Identifier: GPL-2.0-or-later
// The port's start-up leaves the FPU off, and hard-float code would fault: switch it on at the first call it makes.
void __real_mp_semihosting_init(void);

void __wrap_mp_semihosting_init(void) {
    *(volatile unsigned *)0xE000ED88 |= 0xFu << 20;
    __asm volatile("dsb\n isb");
    __real_mp_semihosting_init();
}
