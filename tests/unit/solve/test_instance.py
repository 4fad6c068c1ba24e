# SPDX-License-Identifier: Apache-2.0
"""Instances as data: what they mean in both semantics, and what is wrong with bad ones."""

import copy
import json
import math

import pytest
from tercet.errors import TercetError
from tercet.solve import api, instance
from tercet.solve.baselines.keep_all import peak_bytes

NODE = {"backward": False, "time_s": 1e-3, "ram_bytes": 10, "param_bytes": 0, "compute_j": 1e-6, "pagein_j": 2e-6,
        "pageout_j": 3e-6, "pagein_s": 1e-4, "pageout_s": 2e-4}  # fmt: skip


def node(name, **changes):
    return {"name": name, **NODE, **changes}


GOOD = {
    "format": "tercet-instance/1", "name": "four", "platform": "m4", "source": "by hand",
    "nodes": [node("a"), node("b", ram_bytes=20, param_bytes=100), node("c"), node("d", backward=True)],
    "edges": [[0, 1], [1, 2], [0, 3], [1, 3], [2, 3]],
}  # fmt: skip


def test_poet_semantics_leave_out_time_and_parameters():
    problem = instance.from_instance(GOOD, "poet")
    assert problem.items["b"].out_ns == 0 and problem.items["b"].out_pj == 3_000_000
    assert peak_bytes(problem) == 50 and not any(op.mutates for op in problem.ops)


def test_exact_semantics_time_transfers_and_update_parameters_once():
    problem = instance.from_instance(GOOD, "exact")
    assert problem.items["b"].out_ns == 200_000
    assert peak_bytes(problem) == 50 + 100
    assert problem.ops[3].mutates == () and problem.ops[3].again  # its layer is c, which has no parameters
    trained = copy.deepcopy(GOOD)
    trained["nodes"][2]["param_bytes"] = 7
    problem = instance.from_instance(trained, "exact")
    assert problem.ops[3].mutates == ("c.param",) and not problem.ops[3].again


def broken(where, value):
    body = copy.deepcopy(GOOD)
    target = body
    for key in where[:-1]:
        target = target[key]
    target[where[-1]] = value
    return body


@pytest.mark.parametrize(("where", "value", "message"), [
    (("edges",), [[0, 1], [1, 0]], r"reads b, which does not come before it"),
    (("edges",), [[1, 1]], "does not come before it"),
    (("edges",), [[0, 9]], "not a pair of node positions below 4"),
    (("edges",), [[0, 1], [0, 1]], "listed twice"),
    (("nodes", 0, "ram_bytes"), -1, r"ram_bytes: -1 is not a finite number"),
    (("nodes", 0, "ram_bytes"), 1.5, "a whole number was expected"),
    (("nodes", 1, "compute_j"), math.nan, "compute_j: nan is not a finite number"),
    (("nodes", 1, "time_s"), "fast", "time_s: 'fast' is not a finite number"),
    (("nodes", 1, "colour"), "red", "unknown field 'colour'"),
    (("nodes", 1, "name"), "a", "a second node is called 'a'"),
    (("nodes", 1, "backward"), 1, "true or false was expected"),
    (("nodes",), [], "missing, empty or not a list"),
    (("mood",), "good", "unknown field 'mood'"),
])  # fmt: skip
def test_bad_instances_are_refused_by_name(where, value, message):
    with pytest.raises(TercetError, match=message):
        instance.from_instance(broken(where, value))


def test_a_missing_field_and_nan_in_a_file(tmp_path):
    body = copy.deepcopy(GOOD)
    del body["nodes"][0]["time_s"]
    with pytest.raises(TercetError, match="field 'time_s' is missing"):
        instance.from_instance(body)
    path = tmp_path / "i.json"
    path.write_text(json.dumps(broken(("nodes", 0, "time_s"), math.nan)))
    with pytest.raises(TercetError, match="holds NaN"):
        api.load(path, ram_bytes=100)
