# SPDX-License-Identifier: Apache-2.0
"""`tercet compress`: make a network small by a published method, or by the best mix within budgets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from tercet.cli import options
from tercet.compress import METHODS, report, run
from tercet.compress.joint import described
from tercet.errors import InputError
from tercet.units import parse_joules


def _numbers(text: str | None) -> Any:
    """A number, or a list of numbers separated by commas."""
    if text is None or "/" in text:
        return text
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError as error:
        raise InputError(f"{text!r} is no number or list of numbers", hint="write 0.1 or 0.08,0.09,0.26") from error
    return values[0] if len(values) == 1 else values


def settings(given: dict[str, Any]) -> dict[str, Any]:
    """The options of a run out of those of the command line; what was not given is left out."""
    found = {name: value for name, value in given.items() if value not in (None, False)}
    for name in ("density", "bits", "share"):
        if name in found:
            found[name] = _numbers(found[name])
    if "energy" in found:
        found["energy"] = parse_joules(found["energy"])
    if found.pop("no_distill", False):
        found["distill"] = False
    return found


def describe(result: dict[str, Any]) -> str:
    """A run as people read it."""
    stages = "".join(f"{row['stage']:<18} {row['bytes_on_disk']:>9,} B   {row['error']:.2f} %\n" for row in result["stages"])
    board = result.get("error_on_board")
    return (
        f"{report.table(result['layers'])}\n\n"
        f"{'before':<18} {result['bytes_before']:>9,} B   {result['error_before']:.2f} %\n{stages}"
        f"{'after':<18} {result['bytes_on_disk']:>9,} B   {result['error_after']:.2f} %   {result['ratio']:.1f} times smaller\n"
        + (f"on the board       {board:.2f} % in whole numbers\n" if board is not None else "")
        + (f"it takes           {described(result['spent'])}\n" if "spent" in result else "")
        + f"written to {result['output']}"
    )


@click.command()
@click.argument("method", type=click.Choice(list(METHODS)))
@click.argument("model", metavar="MODEL")
@click.option("--data", required=True, metavar="DATA", help="A data set, NAME=FILE for one that you have, or an .npz of x and y.")
@click.option("-o", "--out", "output", type=click.Path(dir_okay=False), help="The compressed file; by default MODEL.METHOD.trz.")
@click.option("--write-model", "json", is_flag=True, help="Also write it as model file and weights, for the next stage.")
@click.option("--pareto", type=click.Path(dir_okay=False), help="Write a picture (SVG) of error against bytes.")
@click.option("--flash", type=options.Size(), help="auto: bytes of the file at most, e.g. 32k.")
@click.option("--ram", type=options.Size(), help="auto: bytes of weights, maps and sums in RAM at most.")
@click.option("--energy", metavar="ENERGY", help="auto: energy of an inference at most, e.g. 2mJ.")
@click.option("--cycles", type=int, help="auto: cycles of an inference at most.")
@click.option("--density", metavar="D[,D...]", help="prune, deep: share of the weights kept, of all together or per layer.")
@click.option("--rise", type=float, help="prune, deep: points a layer may cost in the scan that finds densities.")
@click.option("--saliency", is_flag=True, help="prune: by Optimal Brain Damage instead of magnitude.")
@click.option("--bits", metavar="BITS", help="deep: bits a code (4, or a list); fixedpoint: weights/maps (8/8).")
@click.option("--share", metavar="S", help="channels: share of the channels kept.")
@click.option("--rule", type=click.Choice(["squared", "l1"]), help="fixedpoint: distance that is made least.")
@click.option("--per-channel", is_flag=True, help="fixedpoint: a binary point per output channel.")
@click.option("--compensate", is_flag=True, help="fixedpoint: weights make up for each other's rounding; for 4 bits.")
@click.option("--static", is_flag=True, help="fixedpoint: the baseline with one binary point.")
@click.option("--speedup", type=float, help="lowrank: how many times fewer operations (4).")
@click.option("--approach", type=click.Choice(["nonlinear", "asymmetric", "linear", "svd"]), help="lowrank: how.")
@click.option("--threshold", type=float, help="ternary: share of the largest weight below which weights are zero.")
@click.option("--fixed", is_flag=True, help="ternary: the baseline with one scale that is not trained.")
@click.option("--epochs", type=int, help="Passes over the data while retraining.")
@click.option("--rate", type=float, help="The learning rate of retraining.")
@click.option("--batch", type=int, help="Samples a step of retraining.")
@click.option("--shift-pixels", type=int, help="Move images by up to so many pixels while retraining.")
@click.option("--no-distill", is_flag=True, help="Retrain on labels alone, without the network before as a teacher.")
@click.option("--seed", type=int, help="Of everything random.")
@options.json_option
def compress(method: str, model: str, data: str, pareto: str | None, as_json: bool, **given: Any) -> None:
    """Compress MODEL (model.json, ONNX, .trz or a network of the zoo) by METHOD.

    \b
    Example:
      tercet compress deep model.json --data digits --density 0.1 --bits 4
      tercet compress auto model.json --data digits --flash 32k --ram 64k --energy 2mJ
    """
    result = run(method, model, data, settings(given))
    if pareto:
        Path(pareto).write_bytes(report.pareto_svg(report.points(result), result["model"]))
    options.show(result, as_json, describe(result))
