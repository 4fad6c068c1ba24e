// SPDX-License-Identifier: Apache-2.0
// From reset to main(): vectors, memory, core, and what the chip's errata ask for before anything else runs.
#include "registers.h"

extern uint32_t _stack_top, _data_load, _data_start, _data_end, _bss_start, _bss_end;
int main(void);
void fault_handler(const uint32_t *frame, uint32_t exc_return);
void Reset_Handler(void);
void UARTE0_IRQHandler(void);
void GPIOTE_IRQHandler(void);
void TIMER4_IRQHandler(void);
void RTC2_IRQHandler(void);
void SPIM_IRQHandler(void);

// All faults and interrupts that nobody asked for arrive here with the frame of the code that failed. A fault while stacking leaves no frame on a stack
// that overflowed, so the handler runs on a stack moved back to the top.
__attribute__((naked)) static void Fault_Handler(void) {
    __asm volatile (
        "mov r0, sp            \n"
        "mov r1, lr            \n"
        "ldr r2, =_stack_bottom\n"
        "add r2, #256          \n"
        "cmp sp, r2            \n"
        "itt lo                \n"
        "ldrlo r2, =_stack_top \n"
        "movlo sp, r2          \n"
        "b fault_handler       \n");
}

__attribute__((section(".vectors"), used)) static void (*const vectors[16 + 48])(void) = {
    [0] = (void (*)(void))&_stack_top,
    [1] = Reset_Handler,
    [2 ... 16 + 47] = Fault_Handler,
    [16 + IRQ_UARTE0] = UARTE0_IRQHandler,
    [16 + IRQ_GPIOTE] = GPIOTE_IRQHandler,
    [16 + IRQ_TIMER4] = TIMER4_IRQHandler,
    [16 + IRQ_RTC2] = RTC2_IRQHandler,
    [16 + 3] = SPIM_IRQHandler, [16 + 4] = SPIM_IRQHandler, [16 + 35] = SPIM_IRQHandler, [16 + 47] = SPIM_IRQHandler,
};

static void flash_wait(void) {
    while (!(NVMC(READY) & 1)) {
    }
}

// P0.18 is the reset button of the development kit. It is chosen in UICR, which takes effect at the next reset.
static void enable_pin_reset(void) {
    enum { RESET_PIN = 18 };
    if (UICR(PSELRESET0) == RESET_PIN && UICR(PSELRESET1) == RESET_PIN) {
        return;
    }
    NVMC(CONFIG) = NVMC_CONFIG_WRITE;
    flash_wait();
    UICR(PSELRESET0) = RESET_PIN;
    flash_wait();
    UICR(PSELRESET1) = RESET_PIN;
    flash_wait();
    NVMC(CONFIG) = NVMC_CONFIG_READ;
    flash_wait();
    if (UICR(PSELRESET0) == RESET_PIN && UICR(PSELRESET1) == RESET_PIN) {
        SCB_AIRCR = 0x05fa0004;
        for (;;) {
        }
    }
    // UICR already holds another pin: only an erase of UICR changes that. Go on without the button.
}

static void apply_errata(void) {
    // Anomaly 36: these survive some resets.
    CLOCK(EVENTS_DONE) = 0;
    CLOCK(EVENTS_CTTO) = 0;
    CLOCK(CTIV) = 0;
    // From build code F on, access by a debugger is closed at reset unless both UICR and this register open it.
    // The register follows UICR: a protected chip stays protected, an erased or opened one opens.
    if (((FICR(INFO_VARIANT) >> 8) & 0xff) >= 'F') {
        POWER(APPROTECT_DISABLE) = UICR(APPROTECT);
    }
}

static void init_core(void) {
    SCB_CPACR |= 0xf << 20; // full access to the FPU; hard-float code faults without
    __asm volatile ("dsb\nisb");
    SCB_SHCSR |= 7 << 16; // usage, bus and memory faults by name
    NVMC(ICACHECNF) = NVMC_ICACHECNF_ENABLED;
    POWER(DCDCEN) = 1; // the development kit has the inductor
}

static void copy_memory(void) {
    uint32_t *from = &_data_load;
    for (uint32_t *to = &_data_start; to < &_data_end;) {
        *to++ = *from++;
    }
    for (uint32_t *to = &_bss_start; to < &_bss_end;) {
        *to++ = 0;
    }
}

void Reset_Handler(void) {
    apply_errata();
    init_core();
    enable_pin_reset();
    copy_memory();
    main();
    for (;;) {
    }
}
