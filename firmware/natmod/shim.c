/* SPDX-License-Identifier: Apache-2.0
 * What the compiler may call on its own for copies and clearings of structures; a native module has no libc. */
#include <stddef.h>
#include <stdint.h>

void *memset(void *to, int value, size_t count) {
    uint8_t *t = to;
    while (count--) {
        *t++ = (uint8_t)value;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t count) {
    uint8_t *t = to;
    const uint8_t *f = from;
    while (count--) {
        *t++ = *f++;
    }
    return to;
}
