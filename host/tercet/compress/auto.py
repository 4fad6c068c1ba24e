# SPDX-License-Identifier: Apache-2.0
"""`tercet compress auto`: choose for all layers at once, then prune, share and fine-tune to that choice."""

from __future__ import annotations

from tercet.compress import deep, joint, lowrank
from tercet.compress.finetune import Recipe
from tercet.compress.job import Job
from tercet.compress.methods import Result
from tercet.compress.network import Network, weight_layers
from tercet.compress.packed import pack
from tercet.compress.packed.execution import Execution
from tercet.errors import InfeasibleError, InputError
from tercet.model.graph import Model
from tercet.model.weights import Weights
from tercet.units import format_bytes

TRIES = 4  # trained bytes differ a little from those measured before training


def budget_of(job: Job) -> joint.Budget:
    """The limits in the options `flash`, `ram` (bytes), `cycles` and `energy` (joules); at least one is needed."""
    cycles = job.options.get("cycles")
    if job.options.get("energy") is not None:
        paid = joint.energy_to_cycles(job.number("energy", 0))
        cycles = paid if cycles is None else min(paid, int(cycles))
    limits = [None if job.options.get(name) is None else int(job.number(name, 0)) for name in ("flash", "ram")]
    budget = joint.Budget(limits[0], limits[1], None if cycles is None else int(cycles))
    if not budget.limits():
        raise InputError("auto needs a budget", hint="give --flash, --ram, --cycles or --energy")
    return budget


def by_auto(job: Job) -> Result:
    """The network within its budgets; raises InfeasibleError with the nearest possible when there is none."""
    data, budget = job.needs("auto"), budget_of(job)
    table = joint.possibilities(job.network, job.weights, data.train)
    fixed, asked = joint.fixed_costs(job.model), budget.flash_bytes
    over, size = 0, 0
    for _ in range(TRIES):
        plan = joint.choose(table, fixed, budget)
        result = _carry_out(job, plan)
        size = len(pack(result.model, result.weights, result.execution))
        if asked is None or size <= asked:
            return result
        over += size - asked
        budget = joint.Budget(asked - over, budget.ram_bytes, budget.cycles)
    raise InfeasibleError(
        f"the fine-tuned network takes {format_bytes(size)} of the {format_bytes(asked or 0)} allowed",
        hint=f"allow {format_bytes(size)}",
        smallest={"flash_bytes": size},
    )


def _carry_out(job: Job, plan: joint.Plan) -> Result:
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
    settings = None
    if data.divisor:
        found = deep.execution(network, done.shared, job.calibration(), data.divisor)
        formats = {name: owner[name].format for name in names if not owner[name].format.startswith("table")}
        settings = Execution(found.fractions, found.divisor, found.formats | formats)
    stages: tuple[tuple[str, Model, Weights], ...] = (("pruned", model, done.pruned), ("shared", model, done.shared))
    facts = {
        "choices": {name: vars(choice) for name, choice in plan.choices.items()},
        "planned": plan.totals,
        "proven": plan.proven,
    }
    return Result(model, done.shared, settings, stages=stages, facts=facts)
