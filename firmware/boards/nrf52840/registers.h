// SPDX-License-Identifier: Apache-2.0
// The registers of the nRF52840 that this port touches: nRF52840 Product Specification 1.7, and ARMv7-M for the core.
// A peripheral is a function-like macro over its register's name: UARTE0(TASKS_STARTRX) = 1.
#ifndef TERCET_REGISTERS_H
#define TERCET_REGISTERS_H

#include <stdint.h>

#define REG(address) (*(volatile uint32_t *)(address))

// Every peripheral has its events from 0x100 and its interrupt enables at the same place; event bit n is at 0x100 + 4 n.
#define EVENT_BIT(event) (1u << (((event) - 0x100) / 4))
enum { INTENSET = 0x304, INTENCLR = 0x308 };

// CLOCK, POWER and access protection share one block.
#define CLOCK(r) REG(0x40000000 + CLOCK_##r)
enum {
    CLOCK_TASKS_HFCLKSTART = 0x000, CLOCK_TASKS_HFCLKSTOP = 0x004, CLOCK_TASKS_LFCLKSTART = 0x008,
    CLOCK_EVENTS_HFCLKSTARTED = 0x100, CLOCK_EVENTS_LFCLKSTARTED = 0x104, CLOCK_EVENTS_DONE = 0x10c,
    CLOCK_EVENTS_CTTO = 0x110, CLOCK_HFCLKSTAT = 0x40c, CLOCK_LFCLKSTAT = 0x418, CLOCK_LFCLKSRC = 0x518,
    CLOCK_CTIV = 0x538,
    CLOCK_HFCLKSTAT_RUNNING_FROM_CRYSTAL = 1 << 16 | 1, CLOCK_LFCLKSTAT_RUNNING = 1 << 16,
};
#define POWER(r) REG(0x40000000 + POWER_##r)
enum {
    POWER_RESETREAS = 0x400, POWER_SYSTEMOFF = 0x500, POWER_DCDCEN = 0x578,
    POWER_APPROTECT_DISABLE = 0x558,
};

#define UARTE0(r) REG(0x40002000 + UARTE_##r)
enum {
    UARTE_TASKS_STARTRX = 0x000, UARTE_TASKS_STOPRX = 0x004, UARTE_TASKS_STARTTX = 0x008, UARTE_TASKS_STOPTX = 0x00c,
    UARTE_EVENTS_RXDRDY = 0x108, UARTE_EVENTS_ENDRX = 0x110, UARTE_EVENTS_ENDTX = 0x120, UARTE_EVENTS_ERROR = 0x124,
    UARTE_EVENTS_RXTO = 0x144, UARTE_EVENTS_RXSTARTED = 0x14c, UARTE_EVENTS_TXSTOPPED = 0x158, UARTE_SHORTS = 0x200,
    UARTE_INTENSET = INTENSET, UARTE_INTENCLR = INTENCLR, UARTE_ERRORSRC = 0x480, UARTE_ENABLE = 0x500,
    UARTE_PSEL_RTS = 0x508, UARTE_PSEL_TXD = 0x50c, UARTE_PSEL_CTS = 0x510, UARTE_PSEL_RXD = 0x514,
    UARTE_BAUDRATE = 0x524, UARTE_RXD_PTR = 0x534, UARTE_RXD_MAXCNT = 0x538, UARTE_TXD_PTR = 0x544,
    UARTE_TXD_MAXCNT = 0x548, UARTE_CONFIG = 0x56c,
    UARTE_SHORTS_ENDRX_STARTRX = 1 << 5, UARTE_ENABLE_ENABLED = 8, UARTE_BAUDRATE_115200 = 0x01d60000,
};

// SPIM0 to SPIM3, by base address.
enum {
    SPIM_TASKS_START = 0x010, SPIM_TASKS_STOP = 0x014, SPIM_EVENTS_STOPPED = 0x104, SPIM_EVENTS_END = 0x118,
    SPIM_ENABLE = 0x500, SPIM_PSEL_SCK = 0x508, SPIM_PSEL_MOSI = 0x50c, SPIM_PSEL_MISO = 0x510, SPIM_FREQUENCY = 0x524,
    SPIM_RXD_PTR = 0x534, SPIM_RXD_MAXCNT = 0x538, SPIM_TXD_PTR = 0x544, SPIM_TXD_MAXCNT = 0x548, SPIM_CONFIG = 0x554,
    SPIM_ORC = 0x5c0, SPIM_ENABLE_ENABLED = 7,
};

#define GPIOTE(r) REG(0x40006000 + GPIOTE_##r)
enum { GPIOTE_CHANNELS = 8, GPIOTE_INTENSET = INTENSET, GPIOTE_INTENCLR = INTENCLR };
#define GPIOTE_EVENTS_IN(n) (0x100 + 4 * (n))
#define GPIOTE_CONFIG(n) (0x510 + 4 * (n))

// TIMER0 to TIMER4, by base address.
enum { TIMER3_BASE = 0x4001a000, TIMER4_BASE = 0x4001b000 };
enum {
    TIMER_TASKS_START = 0x000, TIMER_TASKS_COUNT = 0x008, TIMER_TASKS_CLEAR = 0x00c, TIMER_TASKS_SHUTDOWN = 0x010,
    TIMER_INTENSET = INTENSET, TIMER_INTENCLR = INTENCLR, TIMER_MODE = 0x504, TIMER_BITMODE = 0x508, TIMER_PRESCALER = 0x510,
    TIMER_MODE_TIMER = 0, TIMER_MODE_LOW_POWER_COUNTER = 2, TIMER_BITMODE_32 = 3, TIMER_PRESCALER_1MHZ = 4,
};
#define TIMER_TASKS_CAPTURE(n) (0x040 + 4 * (n))
#define TIMER_EVENTS_COMPARE(n) (0x140 + 4 * (n))
#define TIMER_CC(n) (0x540 + 4 * (n))

#define RTC2(r) REG(0x40024000 + RTC_##r)
enum {
    RTC_TASKS_START = 0x000, RTC_TASKS_STOP = 0x004, RTC_TASKS_CLEAR = 0x008, RTC_EVENTS_COMPARE0 = 0x140,
    RTC_INTENSET = INTENSET, RTC_INTENCLR = INTENCLR, RTC_COUNTER = 0x504, RTC_PRESCALER = 0x508, RTC_CC0 = 0x540,
};

#define RNG(r) REG(0x4000d000 + RNG_##r)
enum {
    RNG_TASKS_START = 0x000, RNG_TASKS_STOP = 0x004, RNG_EVENTS_VALRDY = 0x100, RNG_CONFIG = 0x504, RNG_VALUE = 0x508,
    RNG_CONFIG_DERCEN = 1,
};

#define WDT(r) REG(0x40010000 + WDT_##r)
enum {
    WDT_TASKS_START = 0x000, WDT_RUNSTATUS = 0x400, WDT_CRV = 0x504, WDT_RREN = 0x508, WDT_CONFIG = 0x50c,
    WDT_RR0 = 0x600, WDT_RELOAD = 0x6e524635,
};

#define NVMC(r) REG(0x4001e000 + NVMC_##r)
enum {
    NVMC_READY = 0x400, NVMC_CONFIG = 0x504, NVMC_ERASEPAGEPARTIAL = 0x518, NVMC_ERASEPAGEPARTIALCFG = 0x51c,
    NVMC_ICACHECNF = 0x540,
    NVMC_CONFIG_READ = 0, NVMC_CONFIG_WRITE = 1, NVMC_CONFIG_ERASE = 2, NVMC_ICACHECNF_ENABLED = 1,
};

#define PPI(r) REG(0x4001f000 + PPI_##r)
enum { PPI_CHENSET = 0x504, PPI_CHENCLR = 0x508 };
#define PPI_EEP(n) (0x510 + 8 * (n))
#define PPI_TEP(n) (0x514 + 8 * (n))

// GPIO: pin is 0 to 31 on port 0, 32 to 47 on port 1.
#define GPIO(pin, r) REG(0x50000000 + ((pin) >> 5) * 0x300 + GPIO_##r)
#define GPIO_CNF(pin) REG(0x50000700 + ((pin) >> 5) * 0x300 + 4 * ((pin) & 31))
enum { GPIO_OUT = 0x504, GPIO_OUTSET = 0x508, GPIO_OUTCLR = 0x50c, GPIO_IN = 0x510, GPIO_PINS = 48 };
enum {
    CNF_INPUT = 0, CNF_OUTPUT = 1, CNF_INPUT_DISCONNECT = 1 << 1, CNF_PULL_DOWN = 1 << 2, CNF_PULL_UP = 3 << 2,
    CNF_PULL_MASK = 3 << 2, CNF_DRIVE_STANDARD = 0, CNF_DRIVE_HIGH = 3 << 8, CNF_DRIVE_OPEN_DRAIN = 6 << 8,
    CNF_DRIVE_MASK = 7 << 8, CNF_RESET_VALUE = CNF_INPUT_DISCONNECT,
};
enum { PIN_DISCONNECTED = 0xffffffff };

// FICR: what the factory wrote. UICR: what the user wrote; both are flash.
#define FICR(r) REG(0x10000000 + FICR_##r)
enum { FICR_DEVICEID0 = 0x060, FICR_DEVICEID1 = 0x064, FICR_INFO_VARIANT = 0x104, FICR_INFO_RAM = 0x10c };
#define UICR(r) REG(0x10001000 + UICR_##r)
enum { UICR_PSELRESET0 = 0x200, UICR_PSELRESET1 = 0x204, UICR_APPROTECT = 0x208 };

// The core.
#define SCB_CPACR REG(0xe000ed88)
#define SCB_VTOR REG(0xe000ed08)
#define SCB_AIRCR REG(0xe000ed0c)
#define SCB_SHCSR REG(0xe000ed24)
#define SCB_CFSR REG(0xe000ed28)
#define SCB_HFSR REG(0xe000ed2c)
#define SCB_MMFAR REG(0xe000ed34)
#define SCB_BFAR REG(0xe000ed38)
#define FPU_FPCCR REG(0xe000ef34)
#define DEBUG_DHCSR REG(0xe000edf0)
#define DEBUG_DEMCR REG(0xe000edfc)
#define DEBUG_DEMCR_TRCENA (1u << 24)
#define DWT_CTRL REG(0xe0001000)
#define DWT_CTRL_CYCCNTENA 1u
#define DWT_CYCCNT REG(0xe0001004)
#define NVIC_PRIORITY(irq) (*(volatile uint8_t *)(0xe000e400 + (irq)))
#define NVIC_ENABLE(irq) REG(0xe000e100 + ((irq) >> 5) * 4) = 1u << ((irq) & 31)
#define NVIC_DISABLE(irq) REG(0xe000e180 + ((irq) >> 5) * 4) = 1u << ((irq) & 31)
#define NVIC_UNPEND(irq) REG(0xe000e280 + ((irq) >> 5) * 4) = 1u << ((irq) & 31)
enum { IRQ_UARTE0 = 2, IRQ_GPIOTE = 6, IRQ_TIMER4 = 27, IRQ_RTC2 = 36, IRQ_FPU = 38 };
enum { IRQ_PRIORITY_CONSOLE = 1 << 5, IRQ_PRIORITY_CLOCK = 2 << 5, IRQ_PRIORITY_PIN = 3 << 5 };

// Interrupts off and back to what they were.
static inline uint32_t irq_lock(void) {
    uint32_t state;
    __asm volatile ("mrs %0, primask\ncpsid i" : "=r" (state) :: "memory");
    return state;
}

static inline void irq_unlock(uint32_t state) {
    __asm volatile ("msr primask, %0" :: "r" (state) : "memory");
}

#endif // TERCET_REGISTERS_H
