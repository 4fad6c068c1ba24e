/* SPDX-License-Identifier: Apache-2.0
 * The kernel bench as a bare image for the nRF52840: runs every workload and prints a line of JSON for each on the
 * console (UARTE0, P0.06, 115200 baud). Cycles are those of the core's own counter. Some workloads need more RAM than
 * the chip has: link with RAM_KB. */
#include "bench.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
enum { POOL_FLOATS = 180 * 1024 };

static char line[160]; /* first in RAM: the UARTE reaches only the first 256 KB */
static uint32_t used, seed;
static float pool[POOL_FLOATS] __attribute__((section(".pool")));

float *take_floats(uint32_t count) {
    float *at = pool + used;
    used += count;
    for (uint32_t i = 0; i < count; i++) {
        seed ^= seed << 13, seed ^= seed >> 17, seed ^= seed << 5;
        at[i] = (float)(int32_t)(seed | 1) * 4.656612873e-10f;
    }
    return at;
}

uint32_t taken_bytes(void) { return 4 * used; }

void give_back(void) {
    used = 0;
    seed = 2463534242u;
}

static void uart_begin(void) {
    REGISTER(0x40000000) = 1; /* TASKS_HFCLKSTART */
    while (!REGISTER(0x40000100)) {
    }
    REGISTER(0x50000508) = 1 << 6;
    REGISTER(0x50000518) = 1 << 6;
    REGISTER(0x4000250C) = 6;                                       /* PSEL.TXD */
    REGISTER(0x40002508) = REGISTER(0x40002510) = REGISTER(0x40002514) = 0xFFFFFFFF;
    REGISTER(0x40002524) = 0x01D60000;                              /* 115200 baud */
    REGISTER(0x40002500) = 8;                                       /* UARTE */
}

static void uart_send(uint32_t count) {
    REGISTER(0x40002544) = (uint32_t)line;
    REGISTER(0x40002548) = count;
    REGISTER(0x40002120) = 0; /* EVENTS_ENDTX */
    REGISTER(0x40002008) = 1; /* TASKS_STARTTX */
    while (!REGISTER(0x40002120)) {
    }
}

static uint32_t put_text(uint32_t at, const char *text) {
    while (*text) {
        line[at++] = *text++;
    }
    return at;
}

static uint32_t put_number(uint32_t at, uint32_t n) {
    char digits[10];
    uint32_t count = 0;
    do {
        digits[count++] = (char)('0' + n % 10);
    } while (n /= 10);
    while (count) {
        line[at++] = digits[--count];
    }
    return at;
}

static void report(const workload_t *w, uint32_t cycles) {
    uint32_t at = put_text(0, "@tercet {\"workload\": \"");
    at = put_text(at, w->name);
    at = put_text(at, "\", \"cycles\": ");
    at = put_number(at, cycles);
    at = put_text(at, ", \"macs\": ");
    at = put_number(at, w->macs);
    at = put_text(at, ", \"ram_bytes\": ");
    at = put_number(at, taken_bytes());
    uart_send(put_text(at, "}\r\n"));
}

static void nothing(void) {}

static uint32_t timed(void (*run)(void)) {
    uint32_t before = REGISTER(0xE0001004);
    run();
    return REGISTER(0xE0001004) - before;
}

static void reset(void) {
    REGISTER(0xE000ED88) |= 0xF00000; /* CPACR: the FPU is off at reset */
    __asm__ volatile("dsb\n isb");
    REGISTER(0xE000EDFC) |= 1u << 24; /* DEMCR.TRCENA */
    REGISTER(0xE0001000) |= 1;        /* CYCCNT */
    REGISTER(0x4001E540) = 1;         /* NVMC.ICACHECNF: the flash's cache, off at reset */
    uart_begin();
    uint32_t idle = timed(nothing);
    for (uint32_t i = 0; i < workload_count; i++) {
        give_back();
        workloads[i].prepare();
        report(&workloads[i], timed(workloads[i].run) - idle);
    }
    uart_send(put_text(0, "@tercet {\"end\": true}\r\n"));
    for (;;) {
        __asm__ volatile("wfi");
    }
}

static void fault(void) {
    uart_send(put_text(0, "@tercet {\"fault\": true}\r\n"));
    for (;;) {
        __asm__ volatile("wfi");
    }
}

extern uint32_t stack_top;
__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    &stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault};
