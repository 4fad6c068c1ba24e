// SPDX-License-Identifier: Apache-2.0
#include "py/mphal.h"
#include "py/obj.h"
#include "py/runtime.h"
#include "py/stream.h"
#include "console.h"
#include "shared/timeutils/timeutils.h"

int mp_hal_stdin_rx_chr(void) {
    for (;;) {
        int c = console_read();
        if (c >= 0) {
            return c;
        }
        mp_event_wait_indefinite();
    }
}

mp_uint_t mp_hal_stdout_tx_strn(const char *text, size_t length) {
    console_write(text, length);
    return length;
}

uintptr_t mp_hal_stdio_poll(uintptr_t poll_flags) {
    uintptr_t ready = 0;
    if ((poll_flags & MP_STREAM_POLL_RD) && console_readable()) {
        ready |= MP_STREAM_POLL_RD;
    }
    if ((poll_flags & MP_STREAM_POLL_WR) && console_writable()) {
        ready |= MP_STREAM_POLL_WR;
    }
    return ready;
}

void mp_hal_delay_ms(mp_uint_t ms) {
    uint64_t deadline = clock_us() + 1000ull * ms;
    for (;;) {
        mp_event_handle_nowait();
        if (clock_us() >= deadline) {
            return;
        }
        clock_idle_until(deadline);
    }
}

// Short waits are busy: going to sleep and coming back takes some microseconds.
void mp_hal_delay_us(mp_uint_t us) {
    enum { CYCLES_PER_US = 64, WORTH_SLEEPING_US = 50 };
    if (us < WORTH_SLEEPING_US) {
        uint32_t begun = mp_hal_ticks_cpu();
        while (mp_hal_ticks_cpu() - begun < us * CYCLES_PER_US) {
        }
        return;
    }
    uint64_t deadline = clock_us() + us;
    while (clock_us() < deadline) {
        clock_idle_until(deadline);
    }
}

void mp_hal_delay_us_fast(mp_uint_t us) {
    mp_hal_delay_us(us);
}
