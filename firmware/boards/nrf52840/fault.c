// SPDX-License-Identifier: Apache-2.0
// The last words of firmware that faulted: one line on the console, then a debugger or a reset.
#include <stdio.h>

#include "py/mphal.h"
#include "py/runtime.h"
#include "console.h"
#include "registers.h"

NORETURN void system_reset(void) {
    __asm volatile ("dsb");
    SCB_AIRCR = 0x05fa0004;
    for (;;) {
    }
}

static NORETURN void stop(void) {
    if (DEBUG_DHCSR & 1) {
        __asm volatile ("bkpt #0"); // a debugger is attached: let it look
    }
    system_reset();
}

static void print(const char *text) {
    console_write_polled(text, strlen(text));
}

static void print_word(const char *name, uint32_t value) {
    char line[24];
    size_t n = 0;
    while (*name) {
        line[n++] = *name++;
    }
    for (int shift = 28; shift >= 0; shift -= 4) {
        line[n++] = "0123456789abcdef"[value >> shift & 15];
    }
    console_write_polled(line, n);
}

// frame: r0 r1 r2 r3 r12 lr pc xpsr, as the core stacked them.
void fault_handler(const uint32_t *frame, uint32_t exc_return) {
    extern uint32_t _stack_bottom, _stack_top;
    print("\r\nFAULT");
    enum { STKERR = 1 << 12 }; // the frame did not fit: the stack is full, and nothing in it is this fault's
    if (!(SCB_CFSR & STKERR) && frame >= &_stack_bottom && frame < &_stack_top) {
        print_word(" pc=", frame[6]);
        print_word(" lr=", frame[5]);
    } else {
        print(" stack overflow");
    }
    print_word(" sp=", (uint32_t)frame);
    uint32_t exception;
    __asm volatile ("mrs %0, ipsr" : "=r" (exception));
    print_word(" exception=", exception);
    print_word(" return=", exc_return);
    print_word(" cfsr=", SCB_CFSR);
    print_word(" hfsr=", SCB_HFSR);
    print_word(" bfar=", SCB_BFAR);
    print("\r\n");
    stop();
}

void nlr_jump_fail(void *val) {
    print_word("\r\nFATAL uncaught exception ", (uint32_t)val);
    print("\r\n");
    stop();
}

NORETURN void abort(void) {
    print("\r\nFATAL abort\r\n");
    stop();
}

void __assert_func(const char *file, int line, const char *func, const char *expression) {
    (void)func;
    print("\r\nFATAL assertion ");
    print(expression);
    print(" in ");
    print(file);
    print_word(" line 0x", line);
    print("\r\n");
    stop();
}
