# SPDX-License-Identifier: Apache-2.0
"""Optimizers, clipping and schedules against PyTorch's own."""

import numpy as np
import pytest
from tercet.autodiff import training_graph
from tercet.autodiff.optimizers import OPTIMIZERS, hyper, rate_at, settings
from tercet.autodiff.reference import Reference
from tercet.errors import InputError
from tercet.model import Builder

SETTINGS = {
    "sgd": {"name": "sgd", "rate": 0.1},
    "sgd-decay": {"name": "sgd", "rate": 0.1, "decay": 0.02},
    "momentum": {"name": "momentum", "rate": 0.1, "momentum": 0.8},
    "momentum-decay": {"name": "momentum", "rate": 0.1, "momentum": 0.8, "decay": 0.02},
    "nesterov": {"name": "nesterov", "rate": 0.1, "momentum": 0.8, "decay": 0.02},
    "adam": {"name": "adam", "rate": 0.01},
    "adam-decay": {"name": "adam", "rate": 0.01, "decay": 0.02, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-4},
    "adamw": {"name": "adamw", "rate": 0.01, "decay": 0.02},
    "clip-norm": {"name": "sgd", "rate": 0.1, "clip_norm": 0.05},
    "clip-norm-large": {"name": "momentum", "rate": 0.1, "clip_norm": 1000.0},
    "clip-value": {"name": "adam", "rate": 0.01, "clip_value": 0.01},
    "schedule": {"name": "sgd", "rate": 0.1, "schedule": {"name": "cosine", "steps": 5}},
}


def make(torch, parameters, chosen):
    """PyTorch's optimizer of the same settings."""
    extra = {"lr": chosen["rate"], "weight_decay": chosen.get("decay", 0.0)}
    if chosen["name"].startswith("adam"):
        betas = (chosen.get("beta1", 0.9), chosen.get("beta2", 0.999))
        kind = torch.optim.AdamW if chosen["name"] == "adamw" else torch.optim.Adam
        return kind(parameters, betas=betas, eps=chosen.get("epsilon", 1e-8), **extra)
    nesterov = chosen["name"] == "nesterov"
    momentum = chosen.get("momentum", 0.9 if chosen["name"] == "momentum" else 0.0)
    return torch.optim.SGD(parameters, momentum=momentum, nesterov=nesterov, **extra)


@pytest.mark.parametrize("micro_batches", [1, 2])
@pytest.mark.parametrize("name", SETTINGS)
def test_five_steps_equal_those_of_pytorch(mirror, tools, name, micro_batches):
    chosen, torch = SETTINGS[name], mirror.torch
    model = Builder("t", (2, 6, 6)).conv(3, 3).activation("tanh").max_pool(2).flatten().dense(4).model()
    weights = tools.weights(model)
    graph = training_graph(model, 4, optimizer=chosen, micro_batches=micro_batches)
    run = Reference(graph, weights, dtype=np.float64)
    params = mirror.parameters(weights, set(weights))
    optimizer = make(torch, params.values(), chosen)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 5) if name == "schedule" else None
    for step in range(5):
        x, labels = tools.data(model, 4, "softmax_cross_entropy", seed=step)
        optimizer.zero_grad()
        mirror.loss("softmax_cross_entropy", mirror.forward(model, params, x), labels).backward()
        if "clip_norm" in chosen:
            torch.nn.utils.clip_grad_norm_(params.values(), chosen["clip_norm"])
        if "clip_value" in chosen:
            torch.nn.utils.clip_grad_value_(params.values(), chosen["clip_value"])
        optimizer.step()
        if falling:
            falling.step()
        run.step(x, labels)
    for key, value in params.items():
        assert np.abs(run.weights[key] - value.detach().numpy()).max() < 1e-9, key


def test_gradients_are_fused_with_updates_only_where_nothing_else_needs_them():
    model = Builder("t", (6,)).dense(5).relu().dense(4).model()

    def ops(**chosen):
        return {node.op for node in training_graph(model, 4, optimizer=chosen).nodes if node.phase == "update"}

    assert ops(name="sgd") == {"dense_update_sgd"}
    assert ops(name="sgd", decay=0.1) == {"dense_update_sgd", "weight_decay"}
    assert ops(name="momentum") == {"dense_update_momentum"}
    assert ops(name="momentum", decay=0.1) == {"momentum_update"}
    assert ops(name="sgd", clip_norm=1.0) == {"sgd_update", "square_sum", "accumulate", "clip_norm"}


def test_rates_follow_their_schedule():
    def rates(schedule, steps=10):
        return [rate_at({"rate": 1.0, "schedule": schedule}, step, steps) for step in range(steps + 1)]

    assert rates({"name": "step", "every": 4, "factor": 0.5}) == [1] * 4 + [0.5] * 4 + [0.25] * 3
    assert rates({"name": "linear"}) == pytest.approx([1 - step / 10 for step in range(11)])
    cosine = rates({"name": "cosine", "final": 0.1})
    assert cosine[0] == 1 and cosine[-1] == pytest.approx(0.1) and cosine == sorted(cosine, reverse=True)
    warm = rates({"name": "warmup_cosine", "warmup": 4})
    assert warm[:4] == [0.25, 0.5, 0.75, 1.0] and warm[4] == 1.0 and warm[-1] == pytest.approx(0)


def test_settings_are_complete_and_checked():
    for name in OPTIMIZERS:
        assert hyper(settings({"name": name}), 0)["rate"] > 0
    corrections = hyper(settings({"name": "adam"}), 1)
    assert corrections["correction1"] == pytest.approx(1 - 0.9**2)
    for wrong, words in [
        ({"name": "lion"}, "unknown optimizer 'lion'"),
        ({"name": "sgd", "momentum": 0.9}, "no setting 'momentum'"),
        ({"name": "sgd", "rate": float("nan")}, "rate must be a finite number"),
        ({"name": "sgd", "rate": -1}, "rate must be"),
        ({"name": "sgd", "clip_norm": 1, "clip_value": 1}, "not by both"),
        ({"name": "sgd", "schedule": {"name": "sawtooth"}}, "unknown rate schedule"),
    ]:
        with pytest.raises(InputError, match=words):
            settings(wrong)
