// SPDX-License-Identifier: GPL-2.0-or-later
// What the core's files offer each other. Included by board.h.
#ifndef TERCET_CALLS_H
#define TERCET_CALLS_H

// The entry of a block that starts at an address, NULL outside of all code.
static inline struct block *block_of(struct board *b, uint32_t address)
{
    if (LIKELY(address < FLASH_BYTES))
        return &b->flash_blocks[address >> 1];
    if (LIKELY(address - RAM_CODE_BASE < b->ram_bytes))
        return &b->alias_blocks[(address - RAM_CODE_BASE) >> 1];
    if (address - RAM_BASE < b->ram_bytes)
        return &b->ram_blocks[(address - RAM_BASE) >> 1];
    return NULL;
}

// core.c, blocks.c
void stop_with_report(struct board *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void blocks_forget(struct board *b, uint32_t from, uint32_t to);
void blocks_forget_all(struct board *b);
const uint8_t *code_at(struct board *b, uint32_t address);
void on_block(uc_engine *uc, uint64_t address, uint32_t size, void *user);
void on_conditional(uc_engine *uc, uint64_t address, uint32_t size, void *user);
uint32_t reg_get(struct board *b, int reg);
void reg_set(struct board *b, int reg, uint32_t value);
bool memory_read(struct board *b, uint32_t address, void *to, uint32_t bytes);
bool memory_write(struct board *b, uint32_t address, const void *from, uint32_t bytes);
bool ram_create(struct board *b);
void ram_destroy(struct board *b);
uint8_t *ram_pointer(struct board *b, uint32_t address, uint32_t bytes);
void attention_update(struct board *b);
void board_reset(struct board *b, uint32_t reason);

enum { MODEL_ZERO, MODEL_FULL, MODEL_INSTRUCTIONS };
uint32_t block_cost(const struct board *b, uint32_t cycles);
void tb_cycle_model(struct board *b, int model);
uint32_t cache_fetch(struct board *b, uint32_t address, const struct block *k);
void bus_contention(struct board *b, uint32_t address, uint32_t bytes);
void cpu_run(struct board *b, size_t count);
void cpu_fp_trap(struct board *b);
void cpu_step(struct board *b);
void cpu_leave_stepping(struct board *b);
static inline uint64_t now(const struct board *b) { return b->time ? b->time : b->cycle; }

// debug.c: what the probe does to the core
void breakpoint_hit(struct board *b, uint32_t pc);
void debug_run(struct board *b);
bool debug_is_near(struct board *b);
bool debug_breaks_in(const struct board *b, uint32_t address, uint32_t size);
void debug_fault(struct board *b, int number, uint32_t cfsr_bits, uint32_t pc);
void debug_after_reset(struct board *b);
void debug_halt(struct board *b, uint32_t dfsr_bits);

// events.c
void slot_set(struct board *b, enum slot slot, uint64_t cycle);
void events_run(struct board *b);

// pages.c, mpu.c
uc_err pages_create(struct board *b);
void pages_forget(struct board *b);
uc_prot mpu_permissions(struct board *b, uint32_t address);
void mpu_update(struct board *b);
bool mpu_access(struct board *b, uint32_t offset, uint32_t *value, bool store);

// exceptions.c
enum { EXC_RESET = 1, EXC_NMI, EXC_HARD, EXC_MEMORY, EXC_BUS, EXC_USAGE, EXC_SVC = 11, EXC_DEBUG, EXC_PENDSV = 14,
       EXC_SYSTICK, EXC_IRQ0 };
int exception_ready(struct board *b, bool ignore_primask);
void exception_enter(struct board *b, int number, uint32_t return_address);
void exception_return(struct board *b, uint32_t magic);
void exception_pend(struct board *b, int number, bool pend);
void irq_level(struct board *b, int irq, bool high);
void fault_raise(struct board *b, int number, uint32_t cfsr_bits, uint32_t return_address);

// scs.c
uint64_t scs_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void scs_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);
void cpacr_set(struct board *b, uint32_t value);
void systick_due(struct board *b, uint64_t when);
uint32_t cyccnt(struct board *b);
bool debug_read(struct board *b, uint32_t address, uint32_t *value);
bool debug_write(struct board *b, uint32_t address, uint32_t value);
void debug_watch_update(struct board *b);

// peripherals.c
uint64_t apb_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void apb_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);
uint64_t ficr_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void ficr_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);
uint64_t gpio_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void gpio_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);
void event_set(struct board *b, struct peripheral *p, int event);
void irq_update(struct board *b, struct peripheral *p);
void task_trigger(struct board *b, uint32_t address);
void ppi_event(struct board *b, uint32_t address);
void tb_pin_input(struct board *b, int pin, int level);
void gpio_drive(struct board *b, int pin, int level);
void gpiote_pin_changed(struct board *b, int pin, int level);
bool workaround_access(struct board *b, uint32_t address, uint32_t *value, bool store);
void peripherals_create(struct board *b);
void peripheral_reset(struct peripheral *p);
struct peripheral *peripheral_at(struct board *b, uint32_t base);

// absent.c: what is not modelled; `stored` is NULL for a read
enum { CRYPTOCELL_BASE = 0x5002a000 };
void unmodelled(struct board *b, uint32_t address, unsigned size, const uint32_t *stored);
uint64_t cryptocell_read(uc_engine *uc, uint64_t offset, unsigned size, void *user);
void cryptocell_write(uc_engine *uc, uint64_t offset, unsigned size, uint64_t value, void *user);

void timer_due(struct board *b, int index, uint64_t when);
void rtc_due(struct board *b, int index, uint64_t when);
void rtc_reschedule_all(struct board *b);
void uart_tx_due(struct board *b, uint64_t when);
void uart_rx_due(struct board *b, uint64_t when);
void uart_input(struct board *b);
void spim_due(struct board *b, int index, uint64_t when);
void spim3_touched(struct board *b, uint32_t address);
void fault_due(struct board *b, uint64_t when);
void card_due(struct board *b, uint64_t when);
void saadc_due(struct board *b, uint64_t when);
void rng_due(struct board *b, uint64_t when);
void temp_due(struct board *b, uint64_t when);
void ecb_due(struct board *b, uint64_t when);
void clock_due(struct board *b, enum slot slot, uint64_t when);
void watchdog_due(struct board *b, uint64_t when);
void nvmc_apply(struct board *b);
bool nvmc_flash_store(struct board *b, uint32_t address, uint32_t value, unsigned size);
void nvmc_erase_all(struct board *b);
uint64_t random_next(struct board *b);

// power.c: what draws current; the table is filled by soc.py, in nA, with sources
enum drain { DRAIN_BASE, DRAIN_CPU, DRAIN_HFXO, DRAIN_LFXO, DRAIN_LFRC, DRAIN_UARTE, DRAIN_SPIM_8M, DRAIN_SPIM_32M,
             DRAIN_TIMER, DRAIN_RNG, DRAIN_TEMP, DRAIN_ECB, DRAIN_WDT, DRAIN_NVMC_WRITE, DRAIN_NVMC_ERASE, DRAIN_HFINT,
             DRAIN_SYSTEM_OFF, DRAIN_ERRATUM_195, DRAIN_CPU_LDO, DRAINS };
void power_advance(struct board *b, uint64_t cycle);
void power_update(struct board *b);
bool dwt_access(struct board *b, uint32_t address, uint32_t *value, bool store);
bool fpb_access(struct board *b, uint32_t address, uint32_t *value, bool store);
void cyccnt_settle(struct board *b);
uint32_t tb_register_read(struct board *b, uint32_t number);
void tb_register_write(struct board *b, uint32_t number, uint32_t value);
bool coresight_identify(uint32_t address, uint32_t *value);
bool systick_access(struct board *b, uint32_t address, uint32_t *value, bool store);
bool control_block_access(struct board *b, uint32_t address, uint32_t *value, bool store);
bool keep_plain(uint32_t *keep, uint32_t mask, uint32_t *value, bool store);
int block_decode(struct board *b, struct block *k, uint32_t address, uint32_t size, uint32_t it, uint32_t *first,
                 uint32_t *last);
uint8_t *conditional_at(struct board *b, uint32_t address);
int group_priority(const struct board *b, int number);
int active_priority(const struct board *b);
int masked_priority(struct board *b, int priority, bool ignore_primask);
bool more_urgent(const struct board *b, int number, int than);

#endif
