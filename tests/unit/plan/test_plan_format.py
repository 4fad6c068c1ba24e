# SPDX-License-Identifier: Apache-2.0
"""The bytes of a plan: round trip, damage, and the device's constants."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tercet import plan_format
from tercet.errors import ArtifactError
from tercet.plan import generate
from tercet.plan_format import Persistent, Plan, Record, decode, encode

ROOT = Path(__file__).parents[3]
COUNTS = {16: (4, 4), 17: (3, 3), plan_format.PAGE_OUT: (2, 4)}


def records() -> st.SearchStrategy[Record]:
    word = st.integers(0, 0xFFFF)

    def build(opcode: int) -> st.SearchStrategy[Record]:
        n, d = COUNTS[opcode]
        offsets = st.tuples(*[word.map(lambda v: v * 16)] * n)
        return st.builds(Record, st.just(opcode), st.integers(0, 255), word, offsets, st.tuples(*[word] * d))

    return st.sampled_from(sorted(COUNTS)).flatmap(build)


def plans() -> st.SearchStrategy[Plan]:
    word, long = st.integers(0, 0xFFFF), st.integers(0, 2**32 - 1)
    table = st.lists(st.builds(Persistent, word, word.map(lambda v: v * 16), long), max_size=5).map(tuple)
    return st.builds(
        Plan, st.binary(min_size=8, max_size=8), long, long, long, long, long, word, st.just(0),
        st.lists(records(), max_size=12).map(tuple), table,
    )  # fmt: skip


@given(plans())
def test_decode_gives_back_what_was_encoded(plan: Plan) -> None:
    assert decode(encode(plan), COUNTS) == plan


@settings(max_examples=30)
@given(plans(), st.data())
def test_every_flipped_bit_is_refused(plan: Plan, data: st.DataObject) -> None:
    raw = bytearray(encode(plan))
    bit = data.draw(st.integers(0, 8 * len(raw) - 1))
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ArtifactError):
        decode(bytes(raw), COUNTS)


@settings(max_examples=30)
@given(plans(), st.data())
def test_every_truncation_is_refused(plan: Plan, data: st.DataObject) -> None:
    raw = encode(plan)
    with pytest.raises(ArtifactError, match="truncated"):
        decode(raw[: data.draw(st.integers(0, len(raw) - 1))], COUNTS)


def test_equal_operand_runs_are_stored_once() -> None:
    record = Record(16, 2, 0, (0, 16, 32, 48), (48, 64, 48, 1))
    one = Plan(bytes(8), 0, 0, 0, 0, 0, 1, 0, (record,), ())
    two = Plan(bytes(8), 0, 0, 0, 0, 0, 1, 0, (record, record), ())
    assert len(encode(two)) - len(encode(one)) == plan_format.RECORD.size


def test_a_value_too_large_for_its_field_is_refused() -> None:
    record = Record(16, 2, 0, (0, 16, 32, 48), (70000, 1, 1, 1))
    with pytest.raises(ArtifactError, match="70000"):
        encode(Plan(bytes(8), 0, 0, 0, 0, 0, 1, 0, (record,), ()))


def test_the_devices_constants_are_generated_from_the_table() -> None:
    path = ROOT / "device_lib" / "tercet_device" / "_format.py"
    assert path.read_text() == generate.device_constants(), "run `make generate`"
