# SPDX-License-Identifier: Apache-2.0
"""Training on the board: it learns, it repeats itself, it refuses what is damaged."""

import pytest
from tercet.board import sync
from tercet.errors import BoardError, InputError
from tercet.profile.bench import LIBRARY_PATH
from tercet.train import job, session


def test_the_loss_falls_and_the_accuracy_rises(trained_model):
    run, _ = trained_model(widths=(64, 16, 10), steps=150, report_every=25)
    losses = [event["loss"] for event in run.events if event["event"] == "step"]
    assert losses[-1] < 0.8 * losses[0]
    assert run.last("evaluated")["accuracy"] > 0.5
    assert run.last("done")["peak_arena_bytes"] <= run.last("ready")["arena_bytes"]


def test_the_same_training_gives_the_same_bits(trained_model):
    first, second = (trained_model(steps=6, evaluate=False)[1] for _ in range(2))
    assert first == second
    assert trained_model(steps=6, seed=2, evaluate=False)[1] != first


def test_a_plan_with_a_flipped_bit_is_refused(trained_model, board):
    trained_model(steps=1, evaluate=False)
    plan = bytearray(sync.get(board, f"{job.FOLDER}/plan.bin"))
    plan[60] ^= 4
    sync.put(board, f"{job.FOLDER}/plan.bin", bytes(plan))
    code = f"{LIBRARY_PATH}from tercet_device import loop\nloop.main('{job.FOLDER}/job.json')"
    events = list(board.run(code))
    assert events[-1]["event"] == "error" and events[-1]["kind"] == "plan"
    with pytest.raises((BoardError, InputError), match="bit was flipped"):
        raise session.device_error(events[-1])
