// SPDX-License-Identifier: GPL-2.0-or-later
#include "counting.h"

NOIPA static void sort(int *a, int n) {
    for (int i = 1; i < n; i++) {
        int x = a[i], j = i;
        while (j && a[j - 1] > x) {
            a[j] = a[j - 1];
            j--;
        }
        a[j] = x;
    }
}

int main(void) {
    static int a[40];
    unsigned s = 1;
    for (int i = 0; i < 40; i++) {
        s = s * 1103515245 + 12345;
        a[i] = s >> 16;
    }
    sort(a, 40);
    sink = a[7];
    return 0;
}
