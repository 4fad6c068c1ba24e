/* SPDX-License-Identifier: Apache-2.0
 * The checks as a program for this machine; built with address and undefined-behaviour sanitizers. */
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static void *blocks[64];
static int taken;

void *take(size_t bytes) {
    char *block = malloc(bytes + 4); /* 4 bytes in: the kernels may count on no more alignment than a float's */
    if (!block || taken == 64) {
        abort();
    }
    blocks[taken++] = block;
    return block + 4;
}

void give_all(void) {
    while (taken) {
        free(blocks[--taken]);
    }
}

void fail(const char *what, int line, int a, int b, int c) {
    failures++;
    printf("%s:%d differs at %d, %d, %d\n", what, line, a, b, c);
}

int main(void) {
    check_dense();
    check_conv();
    check_layers();
    check_int8();
    check_norm();
    printf("%d comparisons, %d failures\n", comparisons, failures);
    return failures != 0;
}
