// SPDX-License-Identifier: GPL-2.0-or-later
// The RAM, which the CPU sees at two addresses: one memory, mapped twice into this process, too. The engine has data in
// the one and code in the other (pages.c).
#define _DEFAULT_SOURCE
#include "board.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

bool ram_create(struct board *b)
{
    FILE *backing = tmpfile();
    void *views[2] = {MAP_FAILED, MAP_FAILED};
    if (!backing)
        return false;
    if (!ftruncate(fileno(backing), b->ram_bytes))
        for (int i = 0; i < 2; i++)
            views[i] = mmap(NULL, b->ram_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fileno(backing), 0);
    fclose(backing);
    b->ram = views[0];
    b->ram_alias = views[1];
    return views[0] != MAP_FAILED && views[1] != MAP_FAILED;
}

void ram_destroy(struct board *b)
{
    munmap(b->ram, b->ram_bytes);
    munmap(b->ram_alias, b->ram_bytes);
}
