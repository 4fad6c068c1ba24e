# SPDX-License-Identifier: Apache-2.0
"""Means with their confidence."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np


@dataclass(frozen=True)
class Estimate:
    """A mean of `count` values and half the width of its 95 % interval."""

    mean: float
    ci: float
    count: int


def t_quantile(probability: float, freedom: int) -> float:
    """Student's t quantile by bisection over the exact distribution function for whole degrees of freedom.

    Source: Abramowitz and Stegun 26.7.3 and 26.7.4, the finite trigonometric sums.
    """
    if freedom > 200:
        z = NormalDist().inv_cdf(probability)
        return z + (z**3 + z) / (4 * freedom)
    low, high = 0.0, 1e4
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if _t_two_sided(middle, freedom) < 2 * probability - 1 else (low, middle)
    return (low + high) / 2


def _t_two_sided(t: float, freedom: int) -> float:
    """The probability that |T| <= t."""
    theta = np.arctan(t / np.sqrt(freedom))
    sine, cosine = np.sin(theta), np.cos(theta)
    total = term = 1.0 if freedom % 2 == 0 else cosine
    first = 2 if freedom % 2 == 0 else 3
    for k in range(first, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    if freedom % 2 == 0:
        return float(sine * total)
    return float(2 / np.pi * (theta + (sine * total if freedom > 1 else 0.0)))


def estimate(values: np.ndarray) -> Estimate:
    """The mean of float [n] with its interval; one value alone, or none, has an interval without end."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return Estimate(float(values.mean()) if len(values) else 0.0, float("inf"), len(values))
    half = t_quantile(0.975, len(values) - 1) * float(values.std(ddof=1)) / len(values) ** 0.5
    return Estimate(float(values.mean()), half, len(values))


def difference(a: np.ndarray, b: np.ndarray, known: tuple[float, float] = (0.0, 0.0)) -> Estimate:
    """The mean of float [n] less that of float [m]; `count` is the smaller number.

    The interval is Welch's (B. L. Welch, Biometrika 34, 1947); without end when there are fewer than two values on a side.
    `known`: the least variance of a value of each side, where the measurement has one that a few values need not show.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    count = min(len(a), len(b))
    mean = float(a.mean() - b.mean()) if count else 0.0
    if count < 2:
        return Estimate(mean, float("inf"), count)
    spread, doubt = 0.0, 0.0
    for values, least in zip((a, b), known, strict=True):
        shown = float(values.var(ddof=1))
        spread += max(shown, least) / len(values)
        # a known variance is not estimated: it has all the freedom that there is
        doubt += (shown / len(values)) ** 2 / (len(values) - 1) if shown > least else 0.0
    if spread == 0:
        return Estimate(mean, 0.0, count)
    freedom = max(1, int(min(spread**2 / doubt, 1e6))) if doubt else 10**6
    return Estimate(mean, t_quantile(0.975, freedom) * spread**0.5, count)


def without_outliers(values: np.ndarray, limit: float = 5.0, share: float = 0.0) -> np.ndarray:
    """bool [n]: which values stay.

    Those within `limit` robust standard deviations (1.4826 MAD), or within `share` of the median.
    """
    values = np.asarray(values, float)
    middle = np.median(values)
    away = np.abs(values - middle)
    scale = 1.4826 * float(np.median(away))
    return away <= max(limit * scale, share * abs(middle)) if scale > 0 or share else np.ones(len(values), bool)
