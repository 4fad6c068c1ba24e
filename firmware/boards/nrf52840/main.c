// SPDX-License-Identifier: Apache-2.0
// One life of MicroPython after another, each ended by a soft reset.
#include "py/cstack.h"
#include "py/gc.h"
#include "py/mperrno.h"
#include "py/mphal.h"
#include "py/runtime.h"
#include "extmod/vfs.h"
#include "shared/readline/readline.h"
#include "shared/runtime/gchelper.h"
#include "shared/runtime/pyexec.h"
#include "console.h"
#include "flash.h"
#include "pin.h"
#include "spi.h"
#include "timer.h"

extern uint8_t _stack_bottom, _stack_top, _heap_start, _heap_end;

// The linker script's 256 KB, or what the factory wrote if the chip has more.
static uint8_t *heap_end(void) {
    enum { LARGEST_KB = 2048 };
    uint32_t ram_kb = FICR(INFO_RAM);
    uint8_t *end = (uint8_t *)0x20000000 + 1024 * ram_kb;
    return ram_kb <= LARGEST_KB && end > &_heap_end ? end : &_heap_end;
}

const char help_text[] =
    "MicroPython on the nRF52840 for training neural networks with tercet.\n"
    "  machine.Pin(33) or Pin('P1.01')   32 * port + pin\n"
    "  machine.SPI(3, 16_000_000)        the card's bus, P1.13 to P1.15\n"
    "  nrf.Flash()                       the internal block device, mounted at /\n"
    "CTRL-A raw REPL, CTRL-B this one, CTRL-C interrupts, CTRL-D soft reset, CTRL-E paste mode.\n";

// False when a script asked for a soft reset.
static bool run_scripts(void) {
    int result = pyexec_file_if_exists("boot.py");
    if (!(result & PYEXEC_FORCED_EXIT) && pyexec_mode_kind == PYEXEC_MODE_FRIENDLY_REPL && result != 0) {
        result = pyexec_file_if_exists("main.py");
    }
    return !(result & PYEXEC_FORCED_EXIT);
}

static void run_repl(void) {
    for (;;) {
        int result = pyexec_mode_kind == PYEXEC_MODE_RAW_REPL ? pyexec_raw_repl() : pyexec_friendly_repl();
        if (result != 0) {
            return;
        }
    }
}

static void live_once(void) {
    gc_init(&_heap_start, heap_end());
    mp_init();
    readline_init0();
    timer_deinit_all();
    pin_irq_deinit();
    flash_mount();
    mp_obj_list_append(mp_sys_path, MP_OBJ_NEW_QSTR(MP_QSTR__slash_lib)); // where packages are installed
    mp_vfs_mount_romfs_protected(); // fails quietly while nothing has been deployed there
    if (run_scripts()) {
        run_repl();
    }
    mp_printf(&mp_plat_print, "MPY: soft reboot\n");
    timer_deinit_all();
    pin_irq_deinit();
    spi_deinit_all();
    gc_sweep_all();
    mp_deinit();
}

int main(void) {
    clock_start();
    console_start();
    mp_cstack_init_with_top(&_stack_top, &_stack_top - &_stack_bottom);
    for (;;) {
        live_once();
    }
}

void gc_collect(void) {
    gc_collect_start();
    gc_helper_collect_regs_and_stack();
    gc_collect_end();
}
