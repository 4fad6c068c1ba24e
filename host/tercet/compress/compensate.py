# SPDX-License-Identifier: Apache-2.0
"""Rounding whose errors are made up for: weights go onto their grid one by one, and those still to come take over the error.

Source: Hassibi, Stork (1993), Optimal Brain Surgeon; its form for rounding in Frantar, Alistarh (2022), Optimal Brain
Compression: with the Hessian `H = sum x x^T` of a layer's squared response error, rounding weight q by e moves the others
by `-e [H^-1]_q / [H^-1]_qq`, and a Cholesky factor of H^-1 holds every such row with the rounded inputs eliminated.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tercet.compress.network import Network
from tercet.compress.windowed import columns
from tercet.model.graph import Layer
from tercet.model.weights import Weights

DAMPING = 0.01  # of the mean of H's diagonal: inputs that never move, as a picture's edges, leave H singular
Rounding = Callable[[np.ndarray], np.ndarray]


def hessians(network: Network, weights: Weights, layer: Layer, x: np.ndarray) -> np.ndarray:
    """`sum x x^T` of what the layer multiplies by its weights, f64 `[groups, inputs, inputs]`, damped."""
    seen = network.values(weights, x, {layer.inputs[0]})[layer.inputs[0]]
    if layer.op == "dense":
        fields = seen.reshape(1, -1, seen.shape[-1]).transpose(0, 2, 1)
    else:
        fields = columns(seen if seen.ndim == 4 else seen[:, :, None], layer.attrs)
    found = np.matmul(fields, fields.transpose(0, 2, 1)).astype(np.float64)
    for each in found:
        each[np.diag_indices_from(each)] += DAMPING * max(float(np.trace(each)) / len(each), 1e-12)
    return found


def rounded(weights: np.ndarray, hessian: np.ndarray, onto_grid: Rounding) -> np.ndarray:
    """The matrix `[outputs, inputs]` on its grid, column by column, f64; `onto_grid` rounds one column."""
    order = np.argsort(-np.diag(hessian), kind="stable")  # what matters most is rounded while the most can still make up for it
    left = weights[:, order].astype(np.float64)
    factor = np.linalg.cholesky(np.linalg.inv(hessian[np.ix_(order, order)])).T
    found = np.empty_like(left)
    for at in range(len(order)):
        column = onto_grid(left[:, at]).astype(np.float64)
        found[:, order[at]] = column
        left[:, at + 1 :] -= np.outer((left[:, at] - column) / factor[at, at], factor[at, at + 1 :])
    return found


def round_layer(
    network: Network, weights: Weights, layer: Layer, x: np.ndarray, onto_grid: Callable[..., np.ndarray]
) -> np.ndarray:
    """The layer's weights on their grid, f32 in their shape; `weights` hold the earlier layers as already rounded.

    `onto_grid(values, rows)` rounds one weight of each of the output channels in the slice `rows`.
    """
    value = weights[layer.parameters["w"]]
    table = value.reshape(len(value), -1)
    found = np.empty(table.shape)
    groups = hessians(network, weights, layer, x)
    each = len(table) // len(groups)
    for group, hessian in enumerate(groups):
        rows = slice(group * each, (group + 1) * each)
        found[rows] = rounded(table[rows], hessian, partial(onto_grid, rows=rows))
    return found.astype(np.float32).reshape(value.shape)
