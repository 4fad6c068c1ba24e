# SPDX-License-Identifier: Apache-2.0
"""What the library needs of `time`, which QEMU's port lacks: microseconds of the machine's 25 MHz counter."""

from machine import mem32

_TIMER = 0x40000000  # CMSDK timer 0: control, value (counts down), reload
_PERIOD = 1 << 30
mem32[_TIMER + 8] = mem32[_TIMER + 4] = 0xFFFFFFFF
mem32[_TIMER] = 1


def ticks_us():
    return (0xFFFFFFFF - (mem32[_TIMER + 4] & 0xFFFFFFFF)) // 25


def ticks_ms():
    return ticks_us() // 1000


ticks_cpu = ticks_us


def ticks_diff(later, earlier):
    return (later - earlier + _PERIOD // 2) % _PERIOD - _PERIOD // 2


def ticks_add(ticks, delta):
    return (ticks + delta) % _PERIOD


def sleep_us(us):
    begun = ticks_us()
    while ticks_us() - begun < us:
        pass


def sleep_ms(ms):
    sleep_us(1000 * ms)


def sleep(seconds):
    sleep_us(int(1000000 * seconds))
