// SPDX-License-Identifier: Apache-2.0
// Time and sleep. TIMER4 counts true microseconds from the 32 MHz crystal, extended to 64 bits; it wakes sleepers by compare, so
// that an idle board has no periodic interrupt. Light sleep stops it together with the crystal and the console, counts on with
// RTC2 (32.768 kHz crystal) and adds what passed.
#include "py/mpconfig.h"
#include "py/misc.h"
#include "clock.h"
#include "console.h"
#include "registers.h"

#define TIMER(r) REG(TIMER4_BASE + TIMER_##r)
enum { CC_READ, CC_WRAP, CC_WAKE, CC_ALARM };
enum { RTC_HZ = 32768, RTC_LONGEST_TICKS = 0x7fffff };

static volatile uint32_t wraps; // of the 32-bit counter, 71.6 minutes each
static volatile uint64_t slept_us; // in light sleep, while the counter stood still
static volatile uint64_t alarm_us = UINT64_MAX; // none

static uint32_t counter(void) {
    TIMER(TASKS_CAPTURE(CC_READ)) = 1;
    return TIMER(CC(CC_READ));
}

uint64_t clock_us(void) {
    uint32_t state = irq_lock();
    uint32_t low = counter();
    if (TIMER(EVENTS_COMPARE(CC_WRAP))) {
        TIMER(EVENTS_COMPARE(CC_WRAP)) = 0;
        ++wraps;
        low = counter();
    }
    uint64_t now = ((uint64_t)wraps << 32 | low) + slept_us;
    irq_unlock(state);
    return now;
}

// Arms a compare so that it is certain to fire at or after the deadline, also one that has already passed.
static void arm(unsigned channel, uint64_t deadline_us) {
    enum { SOON_US = 3 };
    uint64_t now = clock_us();
    uint64_t left = deadline_us > now + SOON_US ? deadline_us - now : SOON_US;
    if (left > 0x80000000) {
        left = 0x80000000; // wakes early; the caller looks at the clock
    }
    uint32_t state = irq_lock();
    TIMER(EVENTS_COMPARE(channel)) = 0;
    TIMER(CC(channel)) = counter() + (uint32_t)left;
    TIMER(INTENSET) = 1u << (16 + channel);
    irq_unlock(state);
}

void clock_set_alarm(uint64_t deadline_us) {
    alarm_us = deadline_us;
    arm(CC_ALARM, deadline_us);
}

void clock_clear_alarm(void) {
    TIMER(INTENCLR) = 1u << (16 + CC_ALARM);
    alarm_us = UINT64_MAX;
}

void TIMER4_IRQHandler(void) {
    if (TIMER(EVENTS_COMPARE(CC_WRAP))) {
        clock_us();
    }
    if (TIMER(EVENTS_COMPARE(CC_WAKE))) {
        TIMER(EVENTS_COMPARE(CC_WAKE)) = 0;
        TIMER(INTENCLR) = 1u << (16 + CC_WAKE);
    }
    if (TIMER(EVENTS_COMPARE(CC_ALARM))) {
        TIMER(EVENTS_COMPARE(CC_ALARM)) = 0;
        if (clock_us() < alarm_us) {
            arm(CC_ALARM, alarm_us); // it was too far away for the compare, or has been moved
        } else {
            clock_clear_alarm();
            clock_alarm();
        }
    }
    (void)TIMER(EVENTS_COMPARE(CC_ALARM));
}

void clock_idle(void) {
    // Anomaly 87: a pending FPU exception wakes the processor at once and for ever.
    uint32_t fpscr;
    __asm volatile ("vmrs %0, fpscr" : "=r" (fpscr));
    __asm volatile ("vmsr fpscr, %0" :: "r" (fpscr & ~0x9fu));
    NVIC_UNPEND(IRQ_FPU);
    // WFE and not WFI: an interrupt that came after the caller's last look has set the event register.
    __asm volatile ("dsb\nwfe" ::: "memory");
}

void clock_idle_until(uint64_t deadline_us) {
    arm(CC_WAKE, deadline_us);
    clock_idle();
    TIMER(INTENCLR) = 1u << (16 + CC_WAKE);
}

static void start_crystal(void) {
    CLOCK(EVENTS_HFCLKSTARTED) = 0;
    CLOCK(TASKS_HFCLKSTART) = 1;
    while (!CLOCK(EVENTS_HFCLKSTARTED)) {
    }
}

static void start_counter(void) {
    TIMER(MODE) = TIMER_MODE_TIMER;
    TIMER(BITMODE) = TIMER_BITMODE_32;
    TIMER(PRESCALER) = TIMER_PRESCALER_1MHZ;
    TIMER(CC(CC_WRAP)) = 0;
    TIMER(TASKS_CLEAR) = 1;
    TIMER(TASKS_START) = 1;
    (void)counter();
    TIMER(EVENTS_COMPARE(CC_WRAP)) = 0; // the clear above may have matched
}

void clock_start(void) {
    enum { LFCLKSRC_CRYSTAL = 1 };
    CLOCK(LFCLKSRC) = LFCLKSRC_CRYSTAL;
    CLOCK(EVENTS_LFCLKSTARTED) = 0;
    CLOCK(TASKS_LFCLKSTART) = 1; // takes 0.25 s; only light sleep and the watchdog need it
    start_crystal();
    start_counter();
    TIMER(INTENSET) = 1u << (16 + CC_WRAP);
    NVIC_PRIORITY(IRQ_TIMER4) = IRQ_PRIORITY_CLOCK;
    NVIC_UNPEND(IRQ_TIMER4);
    NVIC_ENABLE(IRQ_TIMER4);
    NVIC_PRIORITY(IRQ_RTC2) = IRQ_PRIORITY_CLOCK;
    NVIC_ENABLE(IRQ_RTC2);
}

void RTC2_IRQHandler(void) {
    RTC2(EVENTS_COMPARE0) = 0;
    (void)RTC2(EVENTS_COMPARE0);
}

// Sleeps up to 256 s; returns the ticks that passed.
static uint32_t sleep_ticks(uint32_t ticks) {
    RTC2(TASKS_STOP) = 1;
    RTC2(PRESCALER) = 0;
    RTC2(TASKS_CLEAR) = 1;
    RTC2(EVENTS_COMPARE0) = 0;
    RTC2(CC0) = ticks;
    RTC2(INTENSET) = 1 << 16;
    RTC2(TASKS_START) = 1;
    __asm volatile ("sev\nwfe"); // forget events that came before
    clock_idle();
    uint32_t passed = RTC2(COUNTER);
    RTC2(TASKS_STOP) = 1;
    RTC2(INTENCLR) = 1 << 16;
    return passed;
}

void clock_sleep_us(uint64_t duration_us) {
    while (!(CLOCK(LFCLKSTAT) & CLOCK_LFCLKSTAT_RUNNING)) {
    }
    console_stop();
    uint64_t begun = clock_us();
    if (alarm_us != UINT64_MAX) {
        uint64_t until_alarm = alarm_us > begun ? alarm_us - begun : 0;
        duration_us = MIN(duration_us, until_alarm); // a Timer that is due ends the sleep
    }
    TIMER(INTENCLR) = 0x3f << 16;
    TIMER(TASKS_SHUTDOWN) = 1; // anomaly 78: STOP alone leaves it drawing current
    CLOCK(TASKS_HFCLKSTOP) = 1;
    uint64_t left = duration_us * RTC_HZ / 1000000;
    uint64_t passed = 0;
    uint32_t asked, got;
    do {
        asked = left - passed > RTC_LONGEST_TICKS ? RTC_LONGEST_TICKS : (uint32_t)(left - passed);
        // A compare less than two ticks ahead is not certain to fire.
        got = asked < 3 ? 0 : sleep_ticks(asked);
        passed += got;
    } while (got >= asked && passed + 3 <= left);
    start_crystal();
    wraps = 0;
    start_counter();
    slept_us = begun + passed * 1000000 / RTC_HZ;
    TIMER(INTENSET) = 1u << (16 + CC_WRAP);
    if (alarm_us != UINT64_MAX) {
        arm(CC_ALARM, alarm_us);
    }
    console_start();
}
