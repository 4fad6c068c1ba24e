// SPDX-License-Identifier: Apache-2.0
#ifndef TERCET_SPI_H
#define TERCET_SPI_H

void spi_deinit_all(void); // at soft reset

#endif // TERCET_SPI_H
