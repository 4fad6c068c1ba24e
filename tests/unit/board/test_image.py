# SPDX-License-Identifier: Apache-2.0
"""Firmware images in every format, and the refusal of those that are not for the board."""

import struct

import pytest
from intelhex import IntelHex
from tercet import targets
from tercet.board.flash import image as images
from tercet.errors import InputError

TARGET = targets.load("nrf52840dk")


def code(base=0, stack=0x20040000, reset=None, nbytes=1000):
    reset = base + 0x101 if reset is None else reset
    return struct.pack("<II", stack, reset) + bytes(i % 251 for i in range(nbytes - 8))


@pytest.fixture
def write(tmp_path):
    def make(data, base=0, name="fw.hex"):
        path = tmp_path / name
        if name.endswith(".hex"):
            file = IntelHex()
            file.frombytes(data, base)
            file.write_hex_file(str(path))
        else:
            path.write_bytes(data)
        return path

    return make


def test_hex_bin_and_uf2_give_the_same_image(write):
    data = code()
    from_hex = images.read(write(data))
    from_bin = images.read(write(data, name="fw.bin"), base=0)
    assert from_hex.segments == from_bin.segments == ((0, data),)
    uf2 = images.read(write(images.to_uf2(from_hex, 0xADA52840), name="fw.uf2"))
    assert uf2.family == 0xADA52840 and uf2.at(0, len(data)) == data and uf2.nbytes == 1024


def test_an_image_for_the_board_passes(write):
    images.preflight(images.read(write(code())), TARGET)


@pytest.mark.parametrize(
    ("data", "base", "message"),
    [
        (code(0x08000000), 0x08000000, "memory map"),  # an STM32's flash
        (code(0x27000), 0x27000, "begins at 0x27000"),  # an application behind a bootloader
        (code(nbytes=0x100001), 0, "outside"),  # longer than the flash
        (code(stack=0x20080000), 0, "stack"),  # another chip's RAM
        (code(reset=0x2000), 0, "reset handler"),  # no Thumb address
        (code(reset=0x200001), 0, "reset handler"),
        (b"\xff" * 512, 0, "stack"),
    ],
)
def test_an_image_for_another_memory_map_is_refused(write, data, base, message):
    with pytest.raises(InputError, match=message):
        images.preflight(images.read(write(data, base)), TARGET)


def test_a_uf2_file_for_a_board_without_a_drive_is_refused(write):
    image = images.read(write(images.to_uf2(images.read(write(code())), 0xADA52840), name="fw.uf2"))
    with pytest.raises(InputError, match="family"):
        images.preflight(image, TARGET)


def test_damaged_files_are_named(write, tmp_path):
    with pytest.raises(InputError, match="no such"):
        images.read(tmp_path / "none.hex")
    broken = write(code()).read_text().replace("1", "2", 5)
    (tmp_path / "broken.hex").write_text(broken)
    with pytest.raises(InputError, match="damaged"):
        images.read(tmp_path / "broken.hex")
    (tmp_path / "empty.bin").write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        images.read(tmp_path / "empty.bin")
    uf2 = bytearray(images.to_uf2(images.read(write(code())), 1))
    uf2[513] ^= 1
    with pytest.raises(InputError, match="block 1"):
        images.read(write(bytes(uf2), name="fw.uf2"))
    with pytest.raises(InputError, match="truncated"):
        images.read(write(bytes(uf2[:700]), name="fw.uf2"))
    with pytest.raises(InputError, match="damaged ELF"):
        images.read(write(b"\x7fELF" + bytes(20), name="fw.elf"))
