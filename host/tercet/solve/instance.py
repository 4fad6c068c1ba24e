# SPDX-License-Identifier: Apache-2.0
"""Problem instances as plain data: `tercet-instance/1`, the format of POET's published instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tercet import artifacts
from tercet.errors import ArtifactError, InputError
from tercet.solve.problem import EXACT, POET, Item, Op, Problem

FORMAT = "tercet-instance/1"
NODE_FIELDS = {
    "name", "backward", "time_s", "ram_bytes", "param_bytes", "compute_j", "pagein_j", "pageout_j", "pagein_s", "pageout_s",
}  # fmt: skip
OPTIONAL_NODE_FIELDS = {"workspace_bytes", "once"}
TOP_FIELDS = {
    "format", "name", "platform", "source", "nodes", "edges", "baseline_mw", "overlap", "card_bytes", "inputs", "made_by",
}  # fmt: skip


def load(path: str | Path, semantics: str = EXACT) -> Problem:
    """The problem in an instance file, without budgets; raises InputError or ArtifactError that names the faulty field."""
    body = artifacts.read_json(path, FORMAT)
    return from_instance(body, semantics, str(path), artifacts.sha256_file(path))


def from_instance(body: dict[str, Any], semantics: str = EXACT, where: str = "instance", sha256: str = "") -> Problem:
    """The problem that an instance states.

    `poet`: transfers take no time, parameters no RAM. `exact`: transfers take their time on the bus (one that the CPU waits for,
    unless `overlap` says otherwise); parameters are tensors that live in RAM, read by their layer and by the
    gradient of their layer,
    which updates them in place. In both, what an instance leaves open is settled so: the gradient of a layer is the backward node
    whose last forward input is that layer's output; if the layer has parameters its gradient node has a side effect
    and runs once. In `exact`, reading again an input that costs nothing the first time costs a page-in.
    """
    if semantics not in (EXACT, POET):
        raise InputError(f"semantics {semantics!r} is unknown", hint="choose exact or poet")
    nodes, edges = _checked(body, where)
    readers: list[list[int]] = [[] for _ in nodes]
    for producer, consumer in edges:
        readers[consumer].append(producer)
    items, ops = {}, []
    for position, node in enumerate(nodes):
        items[node["name"]] = _item(node, semantics)
        layer = (
            max((p for p in readers[position] if not nodes[p]["backward"]), default=None) if node["backward"] else None
        )
        ops.append(_op(nodes, position, sorted(readers[position]), layer, semantics))
        if semantics == EXACT and node["param_bytes"] and not node["backward"]:
            items[parameter(node)] = Item(parameter(node), int(node["param_bytes"]), persistent=True, pageable=False)
    card = body.get("card_bytes")
    return Problem(
        body.get("name", where), tuple(ops), items,
        0.0 if semantics == POET else artifacts.finite(body.get("baseline_mw", 0.0), f"{where}: baseline_mw"),
        bool(body.get("overlap", False)), semantics=semantics, card_bytes=card, inputs={"instance": sha256} if sha256 else {},
    )  # fmt: skip


def parameter(node: dict[str, Any]) -> str:
    """The name of a layer's parameter tensor."""
    return f"{node['name']}.param"


def _item(node: dict[str, Any], semantics: str) -> Item:
    timed = semantics == EXACT
    return Item(
        node["name"], int(node["ram_bytes"]),
        out_ns=round(node["pageout_s"] * 1e9) if timed else 0, in_ns=round(node["pagein_s"] * 1e9) if timed else 0,
        out_pj=round(node["pageout_j"] * 1e12), in_pj=round(node["pagein_j"] * 1e12),
    )  # fmt: skip


def _op(nodes: list[dict[str, Any]], position: int, inputs: list[int], layer: int | None, semantics: str) -> Op:
    node = nodes[position]
    time_ns, energy_pj = round(node["time_s"] * 1e9), round(node["compute_j"] * 1e12)
    again_ns, again_pj = time_ns, energy_pj
    names = tuple(nodes[p]["name"] for p in inputs)
    mutates: tuple[str, ...] = ()
    trained = nodes[layer] if layer is not None and nodes[layer]["param_bytes"] else None
    if semantics == EXACT:
        if not inputs and not node["backward"] and not time_ns and not energy_pj:
            again_ns, again_pj = round(node["pagein_s"] * 1e9), round(node["pagein_j"] * 1e12)
        if node["param_bytes"] and not node["backward"]:
            names = (*names, parameter(node))
        if trained is not None:
            mutates = (parameter(trained),)
    return Op(
        node["name"], names, (node["name"],), time_ns, energy_pj, mutates=mutates,
        workspace_bytes=int(node.get("workspace_bytes", 0)), again=trained is None and not node.get("once", False),
        again_ns=again_ns, again_pj=again_pj, phase="backward" if node["backward"] else "forward",
    )  # fmt: skip


def _checked(body: dict[str, Any], where: str) -> tuple[list[dict[str, Any]], list[tuple[int, int]]]:
    """Nodes and edges after every field has been looked at."""
    unknown = sorted(set(body) - TOP_FIELDS)
    if unknown:
        raise ArtifactError(
            f"{where}: unknown field {unknown[0]!r}", hint=f"fields are {', '.join(sorted(TOP_FIELDS))}"
        )
    nodes, edges = body.get("nodes"), body.get("edges")
    if not isinstance(nodes, list) or not nodes or not isinstance(edges, list):
        raise ArtifactError(f"{where}: `nodes` or `edges` is missing, empty or not a list")
    names: set[str] = set()
    for position, node in enumerate(nodes):
        _check_node(node, f"{where}: node {position}")
        if node["name"] in names:
            raise InputError(f"{where}: node {position}: a second node is called {node['name']!r}")
        names.add(node["name"])
    pairs = []
    for edge in edges:
        if (
            not isinstance(edge, list)
            or len(edge) != 2
            or not all(type(end) is int and 0 <= end < len(nodes) for end in edge)
        ):
            raise InputError(f"{where}: edge {edge!r} is not a pair of node positions below {len(nodes)}")
        producer, consumer = edge
        if producer >= consumer:
            raise InputError(
                f"{where}: edge {edge!r}: {nodes[consumer]['name']} reads {nodes[producer]['name']}, which "
                "does not come before it",
                hint="nodes must stand in topological order; a cycle has none",
            )
        pairs.append((producer, consumer))
    if len(set(pairs)) != len(pairs):
        raise InputError(f"{where}: an edge is listed twice")
    return nodes, pairs


def _check_node(node: Any, where: str) -> None:
    if not isinstance(node, dict):
        raise InputError(f"{where}: {node!r} is not an object")
    unknown, missing = set(node) - NODE_FIELDS - OPTIONAL_NODE_FIELDS, NODE_FIELDS - set(node)
    if unknown or missing:
        what = f"unknown field {min(unknown)!r}" if unknown else f"field {min(missing)!r} is missing"
        raise InputError(f"{where}: {what}", hint=f"fields are {', '.join(sorted(NODE_FIELDS))}")
    if not isinstance(node["name"], str) or not node["name"] or any(c.isspace() for c in node["name"]):
        raise InputError(f"{where}: its name {node['name']!r} is not a word")
    if not isinstance(node["backward"], bool):
        raise InputError(f"{where}: backward is {node['backward']!r}, true or false was expected")
    for name in sorted((set(node) & (NODE_FIELDS | OPTIONAL_NODE_FIELDS)) - {"name", "backward", "once"}):
        value = artifacts.finite(node[name], f"{where} ({node['name']}): {name}")
        if name.endswith("_bytes") and value != int(value):
            raise InputError(f"{where} ({node['name']}): {name} is {value!r}, a whole number was expected")
