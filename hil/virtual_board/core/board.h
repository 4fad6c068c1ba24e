// SPDX-License-Identifier: GPL-2.0-or-later
// The emulated board: everything that the core's files share.
#ifndef TERCET_BOARD_H
#define TERCET_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unicorn/unicorn.h>

#define EXPORT __attribute__((visibility("default")))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

enum {
    CPU_HZ = 64000000,
    FLASH_BYTES = 0x100000,
    FLASH_PAGE_BYTES = 4096,
    RAM_BASE = 0x20000000,
    RAM_CODE_BASE = 0x00800000,  // the same RAM on the code bus
    BIN_CYCLES = 640,            // 10 us, one meter sample
    PATH_BLOCKS = 1024,          // history kept for crash reports
    PERIPHERALS = 48,
    NEVER_HI = 0x7fffffff
};
#define NEVER ((uint64_t)NEVER_HI << 32)

// Moments at which something happens by itself. Ties are served in this order.
enum slot {
    SLOT_SLICE, SLOT_FAULT, SLOT_WATCHDOG, SLOT_SYSTICK,
    SLOT_TIMER0, SLOT_RTC0 = SLOT_TIMER0 + 5,
    SLOT_UART_TX = SLOT_RTC0 + 3, SLOT_UART_RX,
    SLOT_SPIM0, SLOT_RNG = SLOT_SPIM0 + 4, SLOT_TEMP, SLOT_ECB, SLOT_HFXO, SLOT_LFCLK, SLOT_CALIBRATION,
    SLOT_CARD, SLOT_SAADC, SLOTS
};

// Why tb_run returned; the Python side mirrors these.
enum stop { STOP_NONE, STOP_SLICE, STOP_HALT, STOP_REPORT, STOP_SYSTEM_OFF, STOP_INPUT };

// What a translated block costs. `bytes` 0 means: not yet seen.
struct block {
    uint16_t bytes, count, cycles;
    uint8_t conditional;  // instructions inside IT blocks
    uint8_t taken;        // extra cycles when control does not fall through
    uint8_t literals;     // loads from flash relative to the PC
    uint8_t flags;
};
enum {
    BLOCK_RAM = 1,         // code in RAM: may change under the engine's feet
    BLOCK_FP = 2,          // has FPU instructions
    BLOCK_EVENT = 4,       // has SEV
    BLOCK_OPEN_IT = 8,     // ends inside an IT block
    BLOCK_HOOKED = 64,     // its conditional instructions have the code hook
    BLOCK_FLASH = 128,     // fetched from flash
    BLOCK_BREAK = 32       // has a breakpoint: is stepped through
};

struct peripheral;
struct board;

struct shortcut { uint8_t bit, event, task; };
struct span { uint16_t first, last; };  // register offsets, both inclusive
struct preset { uint16_t first, last; uint32_t value; };  // what reset puts there, where it is not 0

// One kind of peripheral: Nordic's common register layout as data, the rest as functions.
struct kind {
    const char *name;
    uint32_t tasks, events;  // bit n: register 0x000 + 4n / 0x100 + 4n exists
    const struct shortcut *shortcuts;
    int shortcut_count;
    const struct span *plain;  // registers that merely keep what is written
    int plain_count;
    const struct preset *presets;
    int preset_count;
    void (*task)(struct board *, struct peripheral *, int task);
    // Both return false when they do not know the register.
    bool (*read)(struct board *, struct peripheral *, uint32_t offset, uint32_t *value);
    bool (*write)(struct board *, struct peripheral *, uint32_t offset, uint32_t value);
};

struct peripheral {
    const struct kind *kind;
    uint32_t base;
    uint8_t irq, index;
    uint32_t reg[1024];
};

struct timer { uint64_t since; uint32_t count; bool running; };
struct rtc { uint64_t since; uint32_t count; bool running; uint64_t blocked[4]; };
struct systick { uint64_t since; uint32_t ctrl, load, start; bool flag; };

struct mpu { uint32_t ctrl, number, base[8], attributes[8]; bool off; };

struct uart {
    bool rx_on, tx_on, rx_stopping;
    uint32_t rx_at, tx_at, tx_left;
    uint8_t fifo[8];
    int fifo_count;
    uint64_t tx_due;
};

struct power {
    uint64_t at, bin_at;
    int64_t soc_na, card_na;
    unsigned __int128 soc_charge, card_charge;  // nA x cycles
    double bin_charge;
    bool metered, chip_only;
    double *bins; uint8_t *logic; uint32_t bin_count, bin_capacity; uint64_t bins_lost;
    uint8_t pins;
    int64_t current_na[32];
    int64_t card_after_na;
};

struct debug {
    bool enabled, halted, step, mask_interrupts, vector_catch_reset;
    uint32_t demcr, dfsr, dcrdr;
    uint32_t fp_ctrl, fp_comp[8];
    uint32_t dwt_ctrl, dwt_comp[4], dwt_mask[4], dwt_function[4];
    uc_hook watch_hook[4];
    uint32_t cyccnt_base; uint64_t cyccnt_at, cyccnt_slept;
    uint32_t reset_seen;
    uint32_t break_at[16]; int break_count;
    uint32_t pass_over;
    uint32_t near_from, near_bytes;  // the block with a breakpoint that the CPU is in
};

// A transfer starts: PSEL.SCK, MOSI, MISO, then `bytes` in both directions.
typedef void (*spi_callback)(uint64_t cycle, int bus, const uint32_t *pins, const uint8_t *tx, uint8_t *rx,
                             uint32_t bytes, uint32_t cycles_per_byte);
typedef void (*pin_callback)(uint64_t cycle, int pin, int level);

enum { CACHE_WAYS = 2, CACHE_SETS = 64 };  // 2 KB of 16-byte lines
struct cache { uint32_t tag[CACHE_WAYS][CACHE_SETS]; uint8_t oldest[CACHE_SETS]; };

struct board {
    uc_engine *uc;
    uint8_t *flash, *ram, *ram_alias, *ram_shadow;
    uint32_t ram_bytes;

    // The hot part: touched for every block.
    uint64_t cycle, hook_deadline, instructions, skipped;
    struct block *flash_blocks, *ram_blocks, *alias_blocks;
    uint32_t fallthrough;
    bool path_ended;      // the last step was a branch, taken or not
    uint32_t path_taken;  // extra cycles if control does not fall through
    uint8_t special;  // block flags that need the slow path now
    uint32_t path_at;
    uint32_t path[PATH_BLOCKS];

    uint64_t due[SLOTS], deadline, time;
    uint8_t *conditional_flash, *conditional_ram;  // extra cycles of a conditional instruction that is executed
    uint64_t *hook_begin, *hook_end;               // bounds of the one code hook, inside the engine's record of it
    bool exact;
    bool fetch_refused;
    bool flush_wanted; uint32_t flush_from, flush_to;
    bool open_it, stepping, fp_trap;

    // Exceptions, by number 0..63.
    uint64_t pending, enabled, active, level;
    uint8_t priority[64];
    uint8_t prigroup;
    uint32_t vtor, ccr, actlr, cfsr, hfsr, mmfar, bfar, cpacr, scr, fpccr, fpcar, fpdscr;
    bool sleeping, event_register, wait_for_event, locked_up, system_off, protected, unpowered;
    struct systick systick;
    bool bus_fault, mpu_refused, pages_stale; uint32_t bus_fault_address;
    struct mpu mpu;
    uint32_t interrupt;  // what the engine's interrupt hook saw
    bool interrupted;  // the engine was stopped by us, not by the program

    struct peripheral peripherals[PERIPHERALS];
    int peripheral_count;
    struct peripheral *by_page[256];
    struct timer timers[5];
    struct rtc rtcs[3];
    uint32_t workarounds[4];  // of workarounds.c
    uint64_t lf_started;
    bool lf_running, hf_running;
    struct uart uart;
    uint8_t serial_out[65536]; uint32_t serial_out_count;
    struct { uint64_t at; uint8_t byte; } serial_in[8192]; uint32_t serial_in_head, serial_in_tail;
    uint64_t rng_state, seed;
    uint32_t gpio_out[2], gpio_dir[2], gpio_in[2], gpio_cnf[2][32], gpio_latch[2], pin_watch[2];
    uint32_t gpio_driven[2], gpio_level[2], gpio_detect[2];
    struct { uint32_t at, old; } nor[64]; int nor_count;
    uint16_t partial_erase_ms[FLASH_BYTES / FLASH_PAGE_BYTES];
    uint8_t spim_rx[4][65536]; uint32_t spim_bytes[4];
    bool spim3_errata, spim3_disturbed; uint64_t spim3_started, spim3_violations; uint8_t spim3_tx[65536];
    uint32_t uicr[0x400], ficr[0x400];
    uint32_t reset_reason, retained[2], reset_count;
    uint64_t erase_count, write_count;
    bool flash_dirty, reset_wanted;
    int cycle_model;
    struct cache cache;
    uint64_t wait_cycles;  // of the above model, contained in `cycle`
    uint32_t branch_cost[2];  // taken: direct, indirect

    struct power power;
    struct debug debug;
    spi_callback on_spi;
    pin_callback on_pin;
    enum stop stop;
    char report[512];
    uint64_t slept_cycles, exceptions_taken;
};

#include "calls.h"

#endif
