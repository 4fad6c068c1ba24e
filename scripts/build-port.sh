#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Builds a port of MicroPython from scratch (its makefiles do not notice changed flags) and puts what came out in place only
# when all of it is there, so that whoever uses the old files meanwhile is not disturbed.
#   scripts/build-port.sh DIRECTORY PRODUCT... -- MAKE ARGUMENTS...
set -eu
directory=$1
shift
products=
while [ "$1" != -- ]; do
    products="$products $1"
    shift
done
shift
objects=$directory.build
rm -rf "$objects"
"$@" BUILD="$objects"
mkdir -p "$directory"
for product in $products; do
    cp "$objects/$product" "$directory/.$product.new"
done
for product in $products; do
    mv "$directory/.$product.new" "$directory/$product"
done
