# SPDX-License-Identifier: Apache-2.0
"""The cipher of pages against the vectors of RFC 8439, and every bit of a sealed page."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest

CIPHER = Path(__file__).resolve().parents[2] / "firmware" / "cipher"
SANITIZE = ("-g", "-fsanitize=undefined", "-fno-sanitize-recover=all")
STATE_BYTES = 256
SUNSCREEN = (
    b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it."
)


@pytest.fixture(scope="module")
def cipher(tmp_path_factory, build):
    """The C sources as a library of this machine."""
    path = tmp_path_factory.mktemp("cipher") / "cipher.so"
    library = ctypes.CDLL(str(build[0](path, sorted(CIPHER.glob("*.c")), "-shared", "-fPIC", *SANITIZE)))
    library.tc_aead_matches.restype = ctypes.c_bool
    return library


def words(*values: int) -> bytes:
    return b"".join(value.to_bytes(4, "little") for value in values)


def test_key_stream(cipher):
    """Section 2.3.2."""
    state, stream = ctypes.create_string_buffer(STATE_BYTES), ctypes.create_string_buffer(64)
    cipher.tc_chacha_begin(state, bytes(range(32)), bytes.fromhex("000000090000004a00000000"), 1)
    cipher.tc_chacha_block(state, stream)
    assert stream.raw == bytes.fromhex(
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )


@pytest.mark.parametrize(
    "r, s, data, tag",
    [  # appendix A.3, vectors 7 to 11: sums at the edge of the prime
        ("02", "", "ff" * 16, "03"),
        ("02", "ff" * 16, "02" + "00" * 15, "03"),
        ("01", "", "ff" * 16 + "f0" + "ff" * 15 + "11" + "00" * 15, "05"),
        ("01", "", "ff" * 16 + "fb" + "fe" * 15 + "01" * 16, ""),
        ("02", "", "fd" + "ff" * 15, "fa" + "ff" * 15),
        (
            "0100000000000000040000000000000000", "",
            "e33594d7505e43b900000000000000003394d7505e4379cd01000000000000000000000000000000000000000000000001000000000000000000000000000000",
            "14000000000000005500000000000000",
        ),
        (
            "0100000000000000040000000000000000", "",
            "e33594d7505e43b900000000000000003394d7505e4379cd010000000000000000000000000000000000000000000000",
            "13",
        ),
    ],
)  # fmt: skip
def test_sums_at_the_edge(cipher, r, s, data, tag):
    state, found = ctypes.create_string_buffer(STATE_BYTES), ctypes.create_string_buffer(16)
    key = bytes.fromhex(r).ljust(16, b"\0")[:16] + bytes.fromhex(s).ljust(16, b"\0")
    cipher.tc_poly_begin(state, key)
    cipher.tc_poly_add(state, bytes.fromhex(data), len(data) // 2)
    cipher.tc_poly_end(state, found)
    assert found.raw == bytes.fromhex(tag).ljust(16, b"\0")


def begun(cipher, key, nonce, associated):
    state = ctypes.create_string_buffer(STATE_BYTES)
    cipher.tc_aead_begin(state, key, nonce, associated, len(associated))
    return state


def test_authenticated_encryption(cipher):
    """Section 2.8.2, in two pieces."""
    key, nonce = bytes(range(0x80, 0xA0)), bytes.fromhex("070000004041424344454647")
    associated = bytes.fromhex("50515253c0c1c2c3c4c5c6c7")
    state, sealed = begun(cipher, key, nonce, associated), ctypes.create_string_buffer(len(SUNSCREEN))
    cipher.tc_aead_seal(state, sealed, SUNSCREEN, 64)
    cipher.tc_aead_seal(state, ctypes.byref(sealed, 64), SUNSCREEN[64:], len(SUNSCREEN) - 64)
    tag = ctypes.create_string_buffer(16)
    cipher.tc_aead_end(state, tag)
    assert sealed.raw[:16].hex() == "d31a8d34648e60db7b86afbc53ef7ec2" and sealed.raw[-2:].hex() == "6116"
    assert tag.raw.hex() == "1ae10b594f09e26a7e902ecbd0600691"
    state = begun(cipher, key, nonce, associated)
    cipher.tc_aead_open(state, sealed, sealed, len(SUNSCREEN))
    assert sealed.raw == SUNSCREEN and cipher.tc_aead_matches(state, tag.raw)


def test_every_flipped_bit_of_a_page_is_refused(cipher):
    """Also another tensor, block or counter in its name."""
    key, name = bytes(range(32)), words(3, 17, 5, 0)
    page = bytes(i * 7 & 0xFF for i in range(512))
    sealed, tag = ctypes.create_string_buffer(512), ctypes.create_string_buffer(16)
    state = begun(cipher, key, name[4:], name)
    cipher.tc_aead_seal(state, sealed, page, 512)
    cipher.tc_aead_end(state, tag)

    def opens(data: bytes, name: bytes = name, tag: bytes = tag.raw) -> bool:
        state, out = begun(cipher, key, name[4:], name), ctypes.create_string_buffer(512)
        cipher.tc_aead_open(state, out, data, 512)
        return cipher.tc_aead_matches(state, tag)

    assert opens(sealed.raw)
    damaged = bytearray(sealed.raw)
    for bit in range(8 * 512):
        damaged[bit // 8] ^= 1 << bit % 8
        assert not opens(bytes(damaged)), bit
        damaged[bit // 8] ^= 1 << bit % 8
    for other in (words(4, 17, 5, 0), words(3, 18, 5, 0), words(3, 17, 4, 0), words(3, 17, 5, 1)):
        assert not opens(sealed.raw, other)
    for bit in range(128):
        wrong = bytearray(tag.raw)
        wrong[bit // 8] ^= 1 << bit % 8
        assert not opens(sealed.raw, tag=bytes(wrong))
