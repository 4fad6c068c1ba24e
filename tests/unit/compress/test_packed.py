# SPDX-License-Identifier: Apache-2.0
"""The compressed file: lossless, near the entropy, and no damage goes unnoticed."""

import contextlib
import heapq
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tercet.compress.codebook import kmeans, round_to
from tercet.compress.packed import container, huffman, tensor, values
from tercet.compress.packed.execution import Execution
from tercet.errors import ArtifactError, InputError
from tercet.model import Builder, initialise


def _huffman_bits(counts):
    """The cost of an unlimited Huffman code, by merging."""
    heap = [int(c) for c in counts if c]
    heapq.heapify(heap)
    cost = 0
    while len(heap) > 1:
        both = heapq.heappop(heap) + heapq.heappop(heap)
        cost += both
        heapq.heappush(heap, both)
    return cost


@given(st.lists(st.integers(0, 5000), min_size=2, max_size=60).filter(lambda c: sum(map(bool, c)) > 1))
@settings(max_examples=60, deadline=None)
def test_code_lengths_are_optimal_and_complete(counts):
    counts = np.array(counts)
    lengths = huffman.code_lengths(counts)
    huffman.check_lengths(lengths)
    assert np.array_equal(lengths > 0, counts > 0)
    assert int((counts * lengths).sum()) == _huffman_bits(counts)


def test_code_lengths_respect_their_limit():
    counts = np.array([1, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377, 610, 987, 1597, 2584, 4181, 6765])
    assert huffman.code_lengths(counts, 15).max() == 15 and huffman.code_lengths(counts, 6).max() == 6
    huffman.check_lengths(huffman.code_lengths(counts, 15))
    for bad in ([1, 1, 1], [2, 2, 2], [2], [1, 2]):
        with pytest.raises(ArtifactError):
            huffman.check_lengths(np.array(bad))


def _round_trip(table):
    coding = tensor.encode(table)
    source = tensor.Reader(coding.data)
    back = tensor.decode(source)
    assert source.at == len(coding.data)
    assert np.array_equal(back.view(np.uint32), (tensor.matrix(table) + np.float32(0)).view(np.uint32))
    return coding


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_any_tensor_comes_back_bit_by_bit(seed):
    generator = np.random.default_rng(seed)
    shape = tuple(generator.integers(1, 24, generator.integers(1, 5)))
    table = generator.standard_normal(shape).astype(np.float32) * np.float32(10.0 ** generator.integers(-20, 20))
    if generator.random() < 0.7:
        table = round_to(table, int(generator.integers(-3, 12)), int(generator.choice([2, 4, 8, 16])))
    if generator.random() < 0.7:
        table *= generator.random(shape) < generator.choice([0.001, 0.05, 0.4])
    if table.ndim > 1 and generator.random() < 0.5:
        table[generator.random(shape[0]) < 0.5] = 0
    _round_trip(table)


@pytest.mark.parametrize(
    "table",
    [
        np.zeros((3, 5), np.float32),
        np.array([-0.0, 1e-45, -3.4e38, np.float32(2**-126)], np.float32),
        np.array([[-128.0, 127.0]], np.float32),
        np.full((2, 2), 0.1, np.float32),
        np.pad(np.ones((1, 1), np.float32), ((0, 299), (783, 0))),
    ],
)
def test_edges_come_back(table):
    _round_trip(table)


def test_codings_are_chosen_by_content():
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((50, 40)).astype(np.float32)
    assert tensor.encode(noise).flags == values.F32 << 4
    eight = round_to(noise, 2)
    assert tensor.encode(eight).flags & tensor.CODED and not tensor.encode(eight).flags & tensor.SPARSE
    thin = eight * (generator.random(noise.shape) < 0.05)
    assert tensor.encode(thin).flags & tensor.SPARSE
    assert len(tensor.encode(thin).data) < len(tensor.encode(eight).data) / 5
    raw = tensor.encode(noise * (generator.random(noise.shape) < 0.3))
    assert raw.flags & tensor.SPARSE and not raw.flags & tensor.CODED
    assert values.narrowest(np.float32([0.5, 0.25])).code == values.I8
    assert values.narrowest(np.float32([1 / 3])).code == values.F32


def test_stream_lies_close_to_its_entropy_at_8_percent():
    generator = np.random.default_rng(1)
    weights = generator.standard_normal((300, 784)).astype(np.float32)
    weights *= np.abs(weights) > np.quantile(np.abs(weights), 0.92)
    book, codes = kmeans(weights[weights != 0], 64)
    weights[weights != 0] = book[codes]
    coding = _round_trip(weights)
    assert 1.0 <= coding.stream_bits / coding.entropy_bits <= 1.02


def _small_model():
    net = Builder("small", (1, 6, 6)).conv(3, 3, padding=1).batch_norm().relu().max_pool(2)
    model = net.flatten().dense(5, name="head").model().frozen(last=1)
    weights = initialise(model, 2)
    generator = np.random.default_rng(5)
    for name in ("conv2d1.w", "head.w"):
        weights[name] = round_to(weights[name], 5) * (generator.random(weights[name].shape) < 0.5)
    return model, weights


def test_a_model_comes_back_whole(tmp_path):
    model, weights = _small_model()
    path = container.write(model, weights, tmp_path / "m.trz")
    back, found = container.read(path)
    assert back == model and list(found) == list(weights)
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_odd_names_and_shared_shapes_come_back():
    net = Builder("odd", (4,)).dense(4, name="first").relu()
    skip = net.at
    model = net.dense(4, bias=False).add(skip).model()
    assert container.unpack(container.pack(model, initialise(model)))[0] == model


def test_every_single_byte_corruption_is_found():
    model, weights = _small_model()
    data = container.pack(model, weights)
    for at in range(len(data)):
        for value in range(256):
            if value != data[at]:
                with pytest.raises(ArtifactError):
                    container.check(data[:at] + bytes([value]) + data[at + 1 :])


def test_cut_and_lengthened_files_are_found(tmp_path):
    model, weights = _small_model()
    data = container.pack(model, weights)
    for cut in range(len(data)):
        with pytest.raises(ArtifactError):
            container.unpack(data[:cut])
    with pytest.raises(ArtifactError, match="says"):
        container.unpack(data + b"\0")
    with pytest.raises(InputError):
        container.read(tmp_path / "none.trz")


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_damage_under_a_right_checksum_raises_nothing_but_artifact_error(seed):
    """A tensor record that a CRC happens to bless must still not crash the decoder or write outside the tensor."""
    generator = np.random.default_rng(seed)
    table = round_to(generator.standard_normal((9, 11)), 4) * (generator.random((9, 11)) < 0.3)
    data = bytearray(tensor.encode(table).data)
    for _ in range(3):
        data[generator.integers(0, len(data))] = generator.integers(0, 256)
    with contextlib.suppress(ArtifactError):
        assert tensor.decode(tensor.Reader(bytes(data))).ndim == 2


def test_values_beyond_f32_are_refused_even_under_a_right_checksum():
    model = Builder("tiny", (4,)).dense(2, bias=False).model()
    data = bytearray(container.pack(model, {"dense1.w": np.full((2, 4), 0.5, np.float32)}))
    at = data.index(struct.pack("<bHH", 1, 2, 4))  # fraction, rows, columns of the one tensor
    data[at] = 256 - 128
    data[8:12] = struct.pack("<I", zlib.crc32(data[12:], zlib.crc32(data[4:8])))
    with pytest.raises(ArtifactError, match="no numbers"):
        container.unpack(bytes(data))


def test_execution_settings_travel_with_the_model():
    model, weights = _small_model()
    settings = Execution({"input": 7, "activation1": 5}, 255, {"conv2d1": "dense", "head": "csc"})
    data = container.pack(model, weights, settings)
    assert container.unpack_all(data)[2] == settings and container.unpack_all(container.pack(model, weights))[2] is None
    for order in (0, tensor.COLUMNS):
        coding = tensor.encode(weights["head.w"], order)
        assert coding.flags & tensor.SPARSE and coding.flags & tensor.COLUMNS == order
        assert np.array_equal(tensor.decode(tensor.Reader(coding.data)), weights["head.w"])
