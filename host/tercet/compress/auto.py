# SPDX-License-Identifier: Apache-2.0
"""`tercet compress auto`: choose for all layers at once, then prune, share and fine-tune to that choice."""

from __future__ import annotations

import logging

from tercet.compress import deep, joint, lowrank
from tercet.compress.finetune import Recipe
from tercet.compress.job import Job
from tercet.compress.methods import Result
from tercet.compress.network import Network, macs, weight_layers
from tercet.compress.packed import cycles, pack
from tercet.compress.packed.execution import Execution
from tercet.errors import InfeasibleError, InputError
from tercet.model.graph import Model
from tercet.model.weights import Weights

_log = logging.getLogger(__name__)
TRIES = 4  # what is trained differs a little from what was measured before training


def budget_of(job: Job) -> joint.Budget:
    """The limits in the options `flash`, `ram` (bytes), `cycles` and `energy` (joules); at least one is needed."""
    limits = [None if job.options.get(name) is None else int(job.number(name, 0)) for name in ("flash", "ram", "cycles")]
    flash, ram, most = limits
    if job.options.get("energy") is not None:
        paid = joint.energy_to_cycles(job.number("energy", 0))
        most = paid if most is None else min(paid, most)
    budget = joint.Budget(flash, ram, most)
    if not budget.limits():
        raise InputError("auto needs a budget", hint="give --flash, --ram, --cycles or --energy")
    return budget


def by_auto(job: Job) -> Result:
    """The network within its budgets; raises InfeasibleError with the nearest possible when there is none."""
    data, asked = job.needs("auto"), budget_of(job)
    table = joint.possibilities(job.network, job.weights, data.train)
    fixed, budget = joint.fixed_costs(job.model), asked
    for _ in range(TRIES):
        result, spent = _carry_out(job, joint.choose(table, fixed, budget))
        over = {name: spent[name] - limit for name, limit in asked.limits().items() if spent[name] > limit}
        if not over:
            return result
        _log.info("fine-tuned, it needs %s; trying a smaller choice", joint.described({name: spent[name] for name in over}))
        budget = budget.less(over)
    beyond = {name: spent[name] for name in over}
    raise InfeasibleError(
        f"the fine-tuned network needs {joint.described(beyond)}, more than allowed",
        hint="allow that, or ask for a little less so that the choice is another",
        smallest=dict(beyond),
    )


def _carry_out(job: Job, plan: joint.Plan) -> tuple[Result, dict[str, int]]:
    """The network pruned, shared and fine-tuned to the plan, and what it takes of each budget."""
    data = job.needs("auto")
    ranks = {name: choice.rank for name, choice in plan.choices.items() if choice.rank}
    model, weights = job.model, job.weights
    if ranks:
        model, weights = lowrank.factor(model, weights, ranks, job.calibration())
    network = Network(model)
    names = [layer.name for layer in weight_layers(model)]
    owner = {name: plan.choices.get(name) or plan.choices[name.removesuffix("_thin")] for name in names}
    densities = {layer.parameters["w"]: owner[layer.name].density for layer in weight_layers(model)}
    pruning: Recipe = job.recipe(10, 1e-3)
    sharing = pruning.with_(epochs=max(1, pruning.epochs // 3), rate=pruning.rate / 2)
    recipe = deep.DeepRecipe(densities, tuple(owner[name].bits for name in names), pruning, sharing)
    done = deep.compress(network, weights, data.train, recipe, job.teacher())
    costs = _costs(model, done.shared, owner)
    settings = None
    if data.divisor:
        found = deep.execution(network, done.shared, job.calibration(), data.divisor)
        settings = Execution(found.fractions, found.divisor, {name: cost.format for name, cost in costs.items()})
    spent = joint.fixed_costs(model) | {"flash_bytes": len(pack(model, done.shared, settings))}
    spent["ram_bytes"] += sum(cost.bytes_in_memory for cost in costs.values())
    spent["cycles"] += round(sum(cost.cycles for cost in costs.values()))
    stages: tuple[tuple[str, Model, Weights], ...] = (("pruned", model, done.pruned), ("shared", model, done.shared))
    choices = {name: vars(choice) for name, choice in plan.choices.items()}
    facts = {"choices": choices, "planned": plan.totals, "spent": spent, "proven": plan.proven}
    return Result(model, done.shared, settings, stages=stages, facts=facts), spent


def _costs(model: Model, weights: Weights, owner: dict[str, joint.Choice]) -> dict[str, cycles.Cost]:
    """What each layer costs in the format chosen for it, or, where training left too many values for that, in the smallest."""
    products, found = macs(model), {}
    for layer in weight_layers(model):
        value = weights[layer.parameters["w"]]
        possible = cycles.costs(value, products[layer.name] // value.size)
        smallest = min(possible.values(), key=lambda cost: cost.bytes_in_memory)
        found[layer.name] = possible.get(owner[layer.name].format, smallest)
    return found
