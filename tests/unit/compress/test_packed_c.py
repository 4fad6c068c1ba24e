# SPDX-License-Identifier: Apache-2.0
"""The C decoder and the packed kernels on this machine, with sanitizers, against the NumPy ones."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tercet.compress.codebook import round_to
from tercet.compress.packed import integer, tensor

KERNELS = Path(__file__).resolve().parents[3] / "firmware" / "kernels"
SOURCES = sorted(KERNELS.glob("tk_packed_*.c"))


class Record(ctypes.Structure):
    """tk_record_t."""

    _fields_ = [
        *[(name, ctypes.c_void_p) for name in ("book", "value_lengths", "gap_lengths", "row_bits", "column_bits", "stream")],
        *[(name, ctypes.c_uint32) for name in ("rows", "columns", "nonzeros", "stream_bytes")],
        *[(name, ctypes.c_uint16) for name in ("book_count", "gap_count")],
        *[(name, ctypes.c_uint8) for name in ("flags", "kind", "width")],
        ("fraction", ctypes.c_int8),
    ]


@pytest.fixture(scope="module")
def c(tmp_path_factory):
    if not shutil.which("gcc"):
        pytest.skip("no gcc: install it to test the decoder on this machine")
    path = tmp_path_factory.mktemp("packed") / "packed.so"
    flags = [
        "-std=c99",
        "-O2",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-shared",
        "-fPIC",
        "-fsanitize=undefined,bounds",
        "-fno-sanitize-recover=all",
    ]
    subprocess.run(["gcc", *flags, *map(str, SOURCES), "-o", str(path)], check=True)
    return ctypes.CDLL(str(path))


def _array(values, kind):
    return np.ascontiguousarray(values, kind)


def _pointer(array):
    return array.ctypes.data_as(ctypes.c_void_p)


def _parse(c, data):
    record, buffer = Record(), ctypes.create_string_buffer(data, len(data))
    used = c.tk_record_parse(ctypes.byref(record), buffer, ctypes.c_size_t(len(data)))
    return used, record, buffer


def _dense(c, data):
    """(status, the stored bytes) of a record decoded in C."""
    used, record, keep = _parse(c, data)
    if used < 0:
        return used, b"", keep
    out = ctypes.create_string_buffer(max(1, record.rows * record.columns * record.width))
    scratch = ctypes.create_string_buffer(2048)
    return c.tk_unpack_dense(scratch, ctypes.byref(record), out, ctypes.c_size_t(len(out))), out.raw, keep


def _random_table(generator):
    table = generator.standard_normal(tuple(generator.integers(1, 40, 2))).astype(np.float32)
    table = (
        round_to(table, int(generator.integers(0, 8)), int(generator.choice([2, 4, 8, 16])))
        if generator.random() < 0.8
        else table
    )
    table *= generator.random(table.shape) < generator.choice([0.01, 0.1, 0.5, 1.0])
    if generator.random() < 0.5:
        table[:, generator.random(table.shape[1]) < 0.6] = 0
    return table + np.float32(0)


def test_c_decodes_what_python_encodes(c):
    for seed in range(150):
        table = _random_table(np.random.default_rng(seed))
        data = tensor.encode(table).data
        used, record, _ = _parse(c, data)
        assert used == len(data)
        status, raw, _ = _dense(c, data)
        assert status == 0
        kind = tensor.kind_of(record.kind, record.fraction)
        assert np.array_equal(kind.decode(raw[: table.size * kind.width_bytes]).reshape(table.shape), table), seed


def test_c_refuses_damaged_records_without_reading_or_writing_outside(c):
    for seed in range(200):
        generator = np.random.default_rng(seed)
        data = bytearray(tensor.encode(_random_table(generator)).data)
        for _ in range(2):
            data[generator.integers(0, len(data))] = generator.integers(0, 256)
        try:
            expected = tensor.decode(tensor.Reader(bytes(data))).shape
        except tensor.ArtifactError:
            expected = None
        status, _, _ = _dense(c, bytes(data))
        assert (expected is None) == (status < 0), seed
    for cut in range(40):
        assert _dense(c, tensor.encode(np.eye(40, dtype=np.float32)).data[:cut])[0] < 0


def _sparse_coding(table, order):
    """The record in the order that the format wants, whatever would be smallest."""
    codings = [tensor._sparse(table, order | trim, 16) for trim in (0, tensor.TRIMMED)]
    return [coding.data for coding in codings]


@pytest.mark.parametrize("by_columns", [0, 1])
def test_sparse_kernels_give_the_exact_product(c, by_columns):
    for seed in range(60):
        generator = np.random.default_rng(seed)
        shape = (int(generator.integers(1, 700)), int(generator.integers(1, 900)))
        table = round_to(generator.standard_normal(shape).astype(np.float32), 5) * (generator.random(shape) < 0.01)
        table[generator.random(shape[0]) < 0.3] = 0
        if not table.any():
            continue
        x = _array(generator.integers(0, 128, shape[1]) * (generator.random(shape[1]) < 0.4), np.int16)
        exact = (table.astype(np.float64) * 32 @ x).astype(np.int32)
        for data in _sparse_coding(table, tensor.COLUMNS if by_columns else 0):
            used, record, _keep = _parse(c, data)
            scale = 2.0 ** (record.fraction - 5)
            scratch = ctypes.create_string_buffer(2048)
            size = c.tk_count_entries(scratch, ctypes.byref(record), by_columns)
            assert used == len(data) and size >= 2 * np.count_nonzero(table)
            starts, entries = np.zeros(shape[by_columns] + 1, np.uint16), np.zeros(size, np.uint8)
            arguments = (scratch, ctypes.byref(record), _pointer(starts), _pointer(entries), ctypes.c_size_t(size), by_columns)
            assert c.tk_unpack_entries(*arguments) == size
            assert c.tk_unpack_entries(*arguments[:4], ctypes.c_size_t(size - 1), by_columns) < 0
            acc = np.zeros(shape[0], np.int32)
            kernel = c.tk_packed_csc if by_columns else c.tk_packed_delta
            kernel(_pointer(acc), _pointer(starts), _pointer(entries), _pointer(x), shape[1 if by_columns else 0])
            assert np.array_equal(acc, (exact * scale).astype(np.int32)), seed


def test_dense_and_table_kernels_give_the_exact_product(c):
    for seed in range(40):
        generator = np.random.default_rng(seed)
        rows, columns = (int(n) for n in generator.integers(1, 60, 2))
        x = _array(generator.integers(-128, 128, columns), np.int16)
        start = _array(generator.integers(-1000, 1000, rows), np.int32)
        w = _array(generator.integers(-128, 128, (rows, columns)), np.int8)
        acc = start.copy()
        c.tk_packed_dense(_pointer(acc), _pointer(w), _pointer(x), rows, columns)
        assert np.array_equal(acc, start + w.astype(np.int32) @ x.astype(np.int32))
        for bits in (4, 2):
            book = _array(generator.integers(-128, 128, 2**bits), np.int8)
            codes = generator.integers(0, 2**bits, (rows, columns))
            per_byte = 8 // bits
            padded = np.pad(codes, ((0, 0), (0, -columns % per_byte))).reshape(rows, -1, per_byte)
            packed = _array((padded << (np.arange(per_byte) * bits)).sum(2), np.uint8)
            table = np.zeros(256 * per_byte, np.int16)
            c.tk_packed_make_table(_pointer(table), _pointer(book), len(book), bits)
            acc = start.copy()
            c.tk_packed_table(_pointer(acc), _pointer(packed), _pointer(table), _pointer(x), rows, columns, bits)
            assert np.array_equal(acc, start + book[codes].astype(np.int32) @ x.astype(np.int32))


def test_codes_of_a_record_give_the_exact_product(c):
    for seed in range(30):
        generator = np.random.default_rng(seed)
        shape = tuple(int(n) for n in generator.integers(1, 40, 2))
        bits = int(generator.choice([4, 2]))
        book = generator.choice(np.arange(-100, 100), 2**bits - 1, replace=False)
        density = generator.choice([0.05, 1.0])
        values = (book[generator.integers(0, len(book), shape)] * (generator.random(shape) < density)).astype(np.float32)
        data = tensor.encode(values).data
        used, record, _keep = _parse(c, data)
        if not record.flags & tensor.CODED:
            continue
        out = np.zeros((shape[0], -(-shape[1] * bits // 8)), np.uint8)
        scratch = ctypes.create_string_buffer(2048)
        arguments = (scratch, ctypes.byref(record), bits, _pointer(out))
        assert c.tk_unpack_codes(*arguments, ctypes.c_size_t(out.size)) == 0
        assert c.tk_unpack_codes(*arguments, ctypes.c_size_t(out.size - 1)) < 0
        table, acc = np.zeros(256 * 8 // bits, np.int16), np.zeros(shape[0], np.int32)
        stored = tensor.kind_of(record.kind, record.fraction).encode(np.unique(values[values != 0]))
        if not record.flags & tensor.SPARSE:
            stored = tensor.kind_of(record.kind, record.fraction).encode(np.unique(values))
        books = np.frombuffer(stored, np.int8)
        c.tk_packed_make_table(_pointer(table), _pointer(books), len(books), bits)
        x = _array(generator.integers(0, 128, shape[1]), np.int16)
        c.tk_packed_table(_pointer(acc), _pointer(out), _pointer(table), _pointer(x), *shape, bits)
        assert np.array_equal(acc * 2.0**-record.fraction, values.astype(np.float64) @ x), seed


def test_requantise_and_bias_agree_with_numpy(c):
    generator = np.random.default_rng(0)
    acc = _array(np.concatenate([generator.integers(-(2**28), 2**28, 500), generator.integers(-300, 300, 500)]), np.int32)
    for shift in (-30, -9, -1, 0, 1, 7, 20, 31, 40):
        for low in (0, -128):
            y = np.zeros(len(acc), np.int16)
            c.tk_packed_requantise(_pointer(y), _pointer(acc), len(acc), shift, low)
            assert np.array_equal(y, integer.requantise(acc, shift, low)), (shift, low)
    bias, out = _array(generator.integers(-128, 128, 50), np.int8), np.ones(50, np.int32)
    c.tk_packed_bias(_pointer(out), _pointer(bias), 50, 11)
    assert np.array_equal(out, bias.astype(np.int32) << 11)
    for shift in (-20, -9, -8, -1, 0, 3):
        c.tk_packed_bias(_pointer(out), _pointer(bias), 50, shift)
        assert np.array_equal(out, integer.shifted_bias(bias, shift)), shift
    c.tk_packed_bias(_pointer(out), None, 50, 11)
    assert not out.any()
