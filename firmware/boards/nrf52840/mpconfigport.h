// SPDX-License-Identifier: Apache-2.0
// What this port's MicroPython can do. The `stock` variant stands in for a common image: less of everything.
#include <alloca.h>
#include <stdint.h>

#ifndef PORT_STOCK
#define PORT_STOCK (0)
#endif

#define MICROPY_CONFIG_ROM_LEVEL (MICROPY_CONFIG_ROM_LEVEL_EXTRA_FEATURES)

// Names.
#define MICROPY_HW_BOARD_NAME "tercet-nrf52840dk"
#define MICROPY_HW_MCU_NAME "nRF52840"
#if PORT_STOCK
#define MICROPY_PY_SYS_PLATFORM "nrf"
#else
#define MICROPY_PY_SYS_PLATFORM "nrf52840"
#endif

// The compiler and what it emits. Code in RAM runs through the code bus at the alias 0x00800000: through the system bus it
// would share every cycle with its data.
#define MICROPY_EMIT_THUMB (1)
#define MICROPY_EMIT_INLINE_THUMB (1)
#define MICROPY_PERSISTENT_CODE_LOAD (1)
#define MICROPY_MAKE_POINTER_CALLABLE(p) ((void *)(((uintptr_t)(p) >> 29 == 1 \
    ? (uintptr_t)(p) - 0x20000000 + 0x00800000 : (uintptr_t)(p)) | 1))
#define MICROPY_OPT_COMPUTED_GOTO (1)
#define MICROPY_LONGINT_IMPL (MICROPY_LONGINT_IMPL_MPZ)
#define MICROPY_FLOAT_IMPL (MICROPY_FLOAT_IMPL_FLOAT)
#define MP_NEED_LOG2 (1)

// Memory.
#define MICROPY_ENABLE_GC (1)
#define MICROPY_STACK_CHECK_MARGIN (1024) // room for interrupts and the exception itself
#define MICROPY_ALLOC_PATH_MAX (256)
#define MICROPY_MEM_STATS (0)
#define MICROPY_ENABLE_EMERGENCY_EXCEPTION_BUF (1)
#define MICROPY_EMERGENCY_EXCEPTION_BUF_SIZE (128)
#define MICROPY_SCHEDULER_DEPTH (8)
#define MICROPY_USE_INTERNAL_ERRNO (1)

// Files: littlefs in flash; either on cards, FAT not in the stock variant (both switched on in the Makefile).
#define MICROPY_VFS (1)
#define MICROPY_READER_VFS (1)
#define MICROPY_VFS_ROM (1)
#define MICROPY_VFS_ROM_IOCTL (1)
#define MICROPY_FATFS_ENABLE_LFN (1)
#define MICROPY_FATFS_LFN_CODE_PAGE 437
#define MICROPY_FATFS_USE_LABEL (1)
#define MICROPY_FATFS_RPATH (2)
#define MICROPY_FATFS_MAX_SS (512)
#define MICROPY_FATFS_MULTI_PARTITION (0)

// Modules.
#define MICROPY_PY_SYS_STDIO_BUFFER (1)
#define MICROPY_PY_SYS_EXC_INFO (!PORT_STOCK)
#define MICROPY_PY_BUILTINS_HELP_TEXT help_text
#define MICROPY_PY_GC_COLLECT_RETVAL (1)
#define MICROPY_PY_ALL_INPLACE_SPECIAL_METHODS (!PORT_STOCK)
#define MICROPY_PY_BUILTINS_MEMORYVIEW_ITEMSIZE (!PORT_STOCK)
#define MICROPY_PY_BUILTINS_RANGE_BINOP (!PORT_STOCK)
#define MICROPY_PY_COLLECTIONS_NAMEDTUPLE__ASDICT (!PORT_STOCK)
#define MICROPY_PY_IO_BUFFEREDWRITER (!PORT_STOCK)
#define MICROPY_PY_MICROPYTHON_HEAP_LOCKED (!PORT_STOCK)
#define MICROPY_PY_RE_MATCH_GROUPS (!PORT_STOCK)
#define MICROPY_PY_RE_MATCH_SPAN_START_END (!PORT_STOCK)
#define MICROPY_PY_SYS_GETSIZEOF (!PORT_STOCK)
#define MICROPY_PY_DEFLATE_COMPRESS (!PORT_STOCK)
#define MICROPY_PY_HASHLIB_SHA256 (1)
#define MICROPY_PY_ONEWIRE (0)
#define MICROPY_PY_OS_UNAME (1)
#define MICROPY_PY_OS_SYNC (1)
#define MICROPY_PY_OS_URANDOM (1)
#define MICROPY_PY_OS_INCLUDEFILE "modos_port.c"
#define MICROPY_PY_RANDOM_SEED_INIT_FUNC (rng_word())
#define MICROPY_PY_TIME_GMTIME_LOCALTIME_MKTIME (1)
#define MICROPY_PY_TIME_TIME_TIME_NS (1)
#define MICROPY_PY_TIME_INCLUDEFILE "modtime_port.c"
#define MICROPY_EPOCH_IS_1970 (1)

// The clock of a common image counts 32768 Hz: microseconds come in steps of 30.5.
#if PORT_STOCK
#define TICKS_US(us) (((us) * 512 / 15625) * 15625 / 512)
#else
#define TICKS_US(us) (us)
#endif

#define MICROPY_PY_MACHINE (1)
#define MICROPY_PY_MACHINE_INCLUDEFILE "modmachine_port.c"
#define MICROPY_PY_MACHINE_RESET (1)
#define MICROPY_PY_MACHINE_BARE_METAL_FUNCS (1)
#define MICROPY_PY_MACHINE_BOOTLOADER (0)
#define MICROPY_PY_MACHINE_DISABLE_IRQ_ENABLE_IRQ (1)
#define MICROPY_PY_MACHINE_PULSE (1)
#define MICROPY_PY_MACHINE_SIGNAL (1)
#define MICROPY_PY_MACHINE_SOFTI2C (1)
#define MICROPY_PY_MACHINE_SOFTSPI (1)
#define MICROPY_PY_MACHINE_SPI (1)
#define MICROPY_PY_MACHINE_WDT (1)
#define MICROPY_PY_MACHINE_WDT_INCLUDEFILE "wdt_port.c"

// Types of this machine.
#define MP_SSIZE_MAX (0x7fffffff)
#define UINT_FMT "%u"
#define INT_FMT "%d"
typedef int mp_int_t;
typedef unsigned int mp_uint_t;
typedef long mp_off_t;

#define MP_STATE_PORT MP_STATE_VM

extern const char help_text[];
uint32_t rng_word(void);
