# SPDX-License-Identifier: Apache-2.0
"""The elementary functions against double precision, in units in the last place of the true result."""

from __future__ import annotations

import ctypes

import numpy as np
import pytest

RANDOM = np.random.default_rng(7)


def ulps(got: np.ndarray, true: np.ndarray) -> float:
    spacing = np.spacing(np.abs(true).astype(np.float32)).astype(np.float64)
    return float(np.max(np.abs(got.astype(np.float64) - true) / spacing))


def spread(low: float, high: float, count: int = 40_000) -> np.ndarray:
    return RANDOM.uniform(low, high, count).astype(np.float32)


@pytest.mark.parametrize(
    ("function", "reference", "low", "high", "bound"),
    [
        ("tk_expf", np.exp, -87.3, 88.7, 1.0),
        ("tk_expf", np.exp, -1.0, 1.0, 1.0),
        ("tk_logf", np.log, 1e-3, 2.0, 1.0),
        ("tk_logf", np.log, 1.0, 1e6, 1.0),
        ("tk_tanhf", np.tanh, -0.7, 0.7, 1.5),
        ("tk_tanhf", np.tanh, -10.0, 10.0, 1.5),
        ("tk_sigmoidf", lambda x: 1 / (1 + np.exp(-x)), -60.0, 60.0, 2.5),
        ("tk_sqrtf", np.sqrt, 0.0, 1e6, 0.5),
    ],
)
def test_elementary_functions(kernels, function, reference, low, high, bound):
    x = spread(low, high)
    assert ulps(kernels.map(function, x), reference(x.astype(np.float64))) <= bound


def test_exp_at_its_ends(kernels):
    x = np.array([-np.inf, -104, -100, 88.7228, 88.73, np.inf, np.nan, 0], np.float32)
    got = kernels.map("tk_expf", x)
    assert got[0] == 0 and got[1] == 0 and got[3] < np.inf and got[4] == got[5] == np.inf and got[7] == 1
    assert got[2] == pytest.approx(np.exp(np.float64(-100)), rel=0.1) and np.isnan(got[6])


def test_division_for_cores_without_any(kernels):
    divide = kernels.c.tk_soft_divide
    divide.restype, divide.argtypes = ctypes.c_float, [ctypes.c_float, ctypes.c_float]
    bits = RANDOM.integers(0, 2**32, (40_000, 2), dtype=np.uint32)
    bits[:9000] = bits[:9000] & 0x80FFFFFF  # subnormals and the smallest normals
    bits[9000:9100, 1] = 0
    bits[9100:9200, 0] = 0x7F800000
    a, b = bits.view(np.float32).T
    with np.errstate(all="ignore"):
        expected = a / b
    got = np.array([divide(x, y) for x, y in zip(a.tolist(), b.tolist(), strict=True)], np.float32)
    both_nan = np.isnan(got) & np.isnan(expected)
    assert np.all(both_nan | (got.view(np.uint32) == expected.view(np.uint32)))
