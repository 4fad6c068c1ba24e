# SPDX-License-Identifier: Apache-2.0
"""What `train` refuses before it flashes anything, and which kernels it chooses."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tercet import targets
from tercet.autodiff import training_graph
from tercet.cli import guards, pipeline, work
from tercet.errors import InputError
from tercet.kernel_table import KERNELS
from tercet.model import zoo
from tercet.plan.dataset_file import PackedData
from tercet.train import job

DIGITS = PackedData(np.zeros((20, 64), np.uint8), np.arange(20) % 10, 16, 10)
ROOT = Path(__file__).parents[2]


def test_operators_without_a_kernel_are_named() -> None:
    graph = training_graph(zoo.build("transformer"), 1)
    with pytest.raises(InputError, match="attention_scores") as error:
        guards.check(graph, DIGITS)
    assert "gelu" in str(error.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": np.arange(20) % 10 + 1}, "label 10 of sample 9"),
        ({"rows": np.zeros((20, 63), np.uint8)}, "63 numbers, the network reads 64"),
        ({"rows": np.full((20, 64), np.nan, np.float32)}, "no numbers"),
        ({"training": 7}, "7 training samples do not fill one batch of 8"),
    ],
)
def test_data_that_do_not_fit_are_refused(change: dict[str, object], text: str) -> None:
    graph = training_graph(zoo.build("demo"), 8)
    guards.check(graph, DIGITS)
    with pytest.raises(InputError, match=text):
        guards.check(graph, replace(DIGITS, **change))


def test_the_job_is_refused_before_a_board_is_asked(tmp_path: Path) -> None:
    np.savez(tmp_path / "wrong.npz", x=np.zeros((40, 64), np.uint8), y=np.arange(40) % 12)
    request = pipeline.Request("demo", str(tmp_path / "wrong.npz"), tmp_path, 100_000, batch=8)
    with pytest.raises(InputError, match="label 10"):
        pipeline.prepare(request)


@pytest.mark.parametrize(("model", "momentum", "expected"), [
    ("demo", False, "mlp"), ("demo", True, "mlp"), ("lenet-28", False, "cnn"), ("lenet-28", True, "cnn"),
    ("resnet-8", False, "all"),
])  # fmt: skip
def test_the_smallest_set_of_kernels_is_chosen(model: str, momentum: bool, expected: str) -> None:
    graph = training_graph(zoo.build(model), 1, optimizer={"name": "momentum" if momentum else "sgd"})
    assert work.operator_set(graph) == expected


def test_the_sets_are_those_of_the_native_module() -> None:
    """mlp and cnn hold exactly the operators of their C dispatchers, tiles as whole layers; the rest stands in the third."""
    kernels = ROOT / "firmware" / "kernels"
    plain, extra = (kernels / f"{name}.c" for name in ("tk_exec", "tk_exec_extra"))
    for kernel in KERNELS.values():
        if kernel.on_device and not kernel.name.startswith("read_"):
            case = f"case TK_{kernel.name.removesuffix('_tile').upper()}:"
            found = "mlp" if case in plain.read_text() else "all" if case in extra.read_text() else "cnn"
            assert work.set_of(kernel.name) == found, kernel.name


def test_a_large_data_set_goes_to_the_card_or_is_refused() -> None:
    target = targets.load("nrf52840dk")
    small, large = bytes(1000), bytes(job.FLASH_DATA_BYTES + 1)
    assert not job.goes_to_card(small, target)
    assert job.data_place(small, target) == {"data": "/tercet/data.tds"}
    assert job.data_place(large, target)["data"][0] == len(large)
    with pytest.raises(InputError, match="no card"):
        job.goes_to_card(large, replace(target, card={}))
