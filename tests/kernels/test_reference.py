# SPDX-License-Identifier: Apache-2.0
"""The operators of the device equal the NumPy reference of the same names, over random shapes."""

from __future__ import annotations

import numpy as np
import pytest
from tercet.autodiff.kernels import KERNELS as REFERENCE
from tercet.kernel_table import KERNELS, named_dims, split_count, split_float

HYPER = {"rate": 0.05, "momentum": 0.9, "decay": 0.01, "beta1": 0.9, "beta2": 0.99, "epsilon": 1e-6,
         "correction1": 0.3, "correction2": 0.05, "clip": 0.5, "seed": 77.0, "step": 3.0}  # fmt: skip
ROUNDS = 12


def conv_dims(r: np.random.Generator) -> dict[str, int]:
    """Random but consistent dimensions of a convolution or pooling."""
    d = {name: int(r.integers(1, 4)) for name in ("kernel_height", "kernel_width", "stride_height", "stride_width")}
    d |= {"pad_top": int(r.integers(0, d["kernel_height"] // 2 + 1)), "pad_left": int(r.integers(0, d["kernel_width"] // 2 + 1))}
    d |= {"in_height": int(r.integers(4, 12)), "in_width": int(r.integers(4, 12))}
    for side, pad in (("height", "pad_top"), ("width", "pad_left")):
        d[f"out_{side}"] = (d[f"in_{side}"] + 2 * d[pad] - d[f"kernel_{side}"]) // d[f"stride_{side}"] + 1
    return d


def random_dims(op: str, r: np.random.Generator) -> tuple[int, ...]:
    """Dimensions of `op` in the table's order."""
    groups = int(r.integers(1, 4))
    d = {name: int(r.integers(1, 9)) for name in KERNELS[op].dims} | conv_dims(r)
    d |= {"groups": groups, "in_channels": groups * int(r.integers(1, 6)), "out_channels": groups * int(r.integers(1, 6))}
    d |= {"activation": int(r.integers(0, 5)), "nesterov": int(r.integers(0, 2)), "decoupled": int(r.integers(0, 2))}
    d |= {"count_padding": int(r.integers(0, 2)), "classes": int(r.choice([2, 7, 300]))}
    if op.startswith("groupnorm"):
        d["channels"] = groups * int(r.integers(1, 4))
    if op == "batchnorm_running":
        d["spatial"] = 5
    if op.endswith("_inplace"):
        d |= {"kernel_height": d["stride_height"], "kernel_width": d["stride_width"], "pad_top": 0, "pad_left": 0}
        d |= {"out_height": d["in_height"] // d["stride_height"], "out_width": d["in_width"] // d["stride_width"]}
    if op in ("slice", "slice_backward"):
        d["width_x"] = d["first"] + d["width_y"] + 2
    if op.endswith("_tile"):
        d |= {"groups": 1, "total": d["first"] + d["outputs" if op.startswith("dense") else "out_channels"] + 2}
        d["first"] *= int(r.integers(0, 2))
    if op == "transpose":
        d |= {f"axis_{i}": int(axis) for i, axis in enumerate(r.permutation(4))}
    halves = {"count": split_count(int(r.integers(1, 200)))}
    halves |= {name: split_float(value) for name, value in
               {"epsilon": 1e-5, "alpha": 0.1, "delta": 0.3, "keep": 0.9, "factor": 1.7, "drop": 0.25}.items()}  # fmt: skip
    for name, (low, high) in halves.items():
        d |= {f"{name}_low": low, f"{name}_high": high}
    return tuple(d[name] for name in KERNELS[op].dims)


def shape_of(op: str, name: str, d: dict[str, float]) -> tuple[int, ...]:
    """The shape of an operand."""
    family = op.split("_", maxsplit=1)[0]
    if family == "dense":
        x, z, w, b = ("batch", "inputs"), ("batch", "outputs"), ("outputs", "inputs"), ("outputs",)
    elif family in ("conv2d", "depthwise", "maxpool2d", "avgpool2d"):
        inner, outer = ("in_channels", "out_channels") if family == "conv2d" else ("channels", "channels")
        x, z = ("batch", inner, "in_height", "in_width"), ("batch", outer, "out_height", "out_width")
        w, b = (outer, "each", "kernel_height", "kernel_width"), (outer,)
        d = d | {"each": d[inner] // d["groups"] if family == "conv2d" else 1}
    elif family == "global":
        x, z, w, b = ("batch", "channels", "spatial"), ("batch", "channels"), (), ()
    elif family in ("batchnorm", "groupnorm"):
        x, b = ("batch", "channels", "spatial"), ("channels",)
        z, w = x, b
    else:
        return other_shape(op, name, d)
    known = {"x": x, "dx": x, "y": z, "dy": z, "dz": z, "argmax": z, "w": w, "dw": w, "vw": w, "b": b, "db": b, "vb": b}
    if "total" in d:
        known |= dict.fromkeys(("y", "dz"), (z[0], "total", *z[2:]))
    statistics = ("batch", "groups") if family == "groupnorm" else ("channels",)
    known |= dict.fromkeys(("mean", "variance"), statistics)
    return tuple(int(d[extent]) for extent in known.get(name, ("channels",)))


def other_shape(op: str, name: str, d: dict[str, float]) -> tuple[int, ...]:
    """The shape of an operand of a loss, an element-wise operator or an optimizer."""
    simple = dict.fromkeys(KERNELS[op].tensors, d["count"]) if "count" in d else {}
    simple |= {"metric": 2, "total": 1, "labels": d.get("batch", 0)}
    if name in simple:
        return (int(simple[name]),)
    if op == "concat":
        widths = {"a": d["width_a"], "b": d["width_b"], "y": d["width_a"] + d["width_b"]}
        return int(d["outer"]), int(widths[name])
    if op in ("slice", "slice_backward"):
        return int(d["outer"]), int(d[f"width_{name.removeprefix('d')}"])
    if op == "transpose":
        extents = [int(d[f"extent_{i}"]) for i in range(4)]
        return tuple(extents if name == "x" else [extents[int(d[f"axis_{i}"])] for i in range(4)])
    rows = d.get("batch", d.get("rows", 1))
    return int(rows), int(d.get("width", d.get("classes", 1)))


def operand(op: str, name: str, d: dict[str, float], r: np.random.Generator) -> np.ndarray:
    """A random operand of the right type and range."""
    shape = shape_of(op, name, d)
    if name == "labels":
        return r.integers(0, int(d["classes"]), shape).astype(np.uint16)
    if name == "argmax":
        return np.zeros(shape, np.uint8)
    x = r.normal(size=shape).astype(np.float32)
    if name in ("variance", "running_variance", "total") or (op == "adam_update" and name == "v"):
        return np.abs(x) + np.float32(0.1)
    return (r.random(shape) > 0.5).astype(np.float32) if op == "binary_cross_entropy" and name == "target" else x


def tensors_of(op: str, dims: tuple[int, ...], r: np.random.Generator) -> dict[str, np.ndarray]:
    """Random operands; optional ones are absent in every third case."""
    d = named_dims(op, dims)
    absent = KERNELS[op].optional if r.integers(0, 3) == 0 else ()
    tensors = {name: operand(op, name, d, r) for name in KERNELS[op].tensors if name not in absent}
    if op == "maxpool2d_backward":
        given = tensors | {"x": r.normal(size=tensors["dx"].shape).astype(np.float32), "y": tensors["dy"] * 0}
        forward = {name: given[name] for name in ("x", "y", "argmax")}
        REFERENCE["maxpool2d_forward"](forward, dims, HYPER)
    return tensors


HOST_ONLY = [op for op in KERNELS if op.startswith(("embedding", "position", "attention", "gelu", "read_"))]


@pytest.mark.parametrize("op", [op for op in KERNELS if op not in HOST_ONLY])
def test_device_equals_reference(kernels, op):
    r = np.random.default_rng(KERNELS[op].opcode)
    for _ in range(ROUNDS):
        dims = random_dims(op, r)
        device = tensors_of(op, dims, r)
        reference = {name: array.copy() for name, array in device.items()}
        REFERENCE[op](reference, dims, HYPER)
        kernels.run(op, dims, HYPER, **device)
        for name, expected in reference.items():
            np.testing.assert_allclose(
                device[name], expected, rtol=2e-4, atol=3e-5, err_msg=f"{op} {named_dims(op, dims)} operand {name}"
            )
