/* SPDX-License-Identifier: Apache-2.0
 * The workloads of the kernel bench, and what the machine under them offers. */
#ifndef BENCH_H
#define BENCH_H

#include "../tk_block.h"
#include "../tk_conv.h"

typedef struct {
    const char *name;
    void (*prepare)(void); /* untimed: takes memory and fills it */
    void (*run)(void);
    uint32_t macs;
} workload_t;

extern const workload_t workloads[];
extern const uint32_t workload_count;

/* blocks of pages, in pages.c */
void page_memory(void);
void page_crc16(void);
void page_crc32(void);
void page_chacha(void);
void page_poly(void);
void page_seal(void);
void page_ecb(void);

float *take_floats(uint32_t count); /* from the pool, with values between -1 and 1 that are never 0 */
uint32_t taken_bytes(void);
void give_back(void);

#endif
