// SPDX-License-Identifier: GPL-2.0-or-later
#include "bare.h"
int main(void)
{
    put("hello\n");
    return 0;
}
