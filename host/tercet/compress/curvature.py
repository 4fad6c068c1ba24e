# SPDX-License-Identifier: Apache-2.0
"""The diagonal of the Hessian of the loss, in the Gauss-Newton approximation: the saliency of Optimal Brain Damage.

For softmax with cross entropy the Gauss-Newton matrix is `E sum_c p_c g_c g_c^T` with g_c the gradient for label
c, so its diagonal
needs one backward run per class, squared per sample. It is exact where LeCun et al. (1990) propagate a diagonal.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.compress.finetune import softmax
from tercet.compress.network import Network, weight_layers
from tercet.model.graph import Layer
from tercet.model.weights import Weights

CHUNK = 100


def _squares(layer: Layer, saved: Any, dy: np.ndarray) -> np.ndarray:
    """The sum over samples of the squared gradients of the layer's weights, in their shape."""
    if layer.op == "dense":
        return (dy * dy).T @ (saved * saved)
    cols, batch = saved[0], len(dy)
    groups, inputs = cols.shape[:2]
    cols = np.ascontiguousarray(cols.reshape(groups, inputs, -1, batch).transpose(3, 0, 2, 1))
    each = np.matmul(np.ascontiguousarray(dy).reshape(batch, groups, -1, cols.shape[2]), cols)
    return np.einsum("ngok,ngok->gok", each, each).reshape(-1, inputs)


def hessian_diagonal(network: Network, weights: Weights, x: np.ndarray) -> Weights:
    """`{weight name: h_kk}` of the mean loss over the samples `x`, f32 in the weights' shapes."""
    x = network.shaped(x)
    layers = {layer.name: layer for layer in weight_layers(network.model)}
    total = {layer.parameters["w"]: np.zeros(weights[layer.parameters["w"]].shape, np.float32) for layer in layers.values()}
    for at in range(0, len(x), CHUNK):
        trace = network.forward(weights, x[at : at + CHUNK])
        chance = softmax(trace.logits)
        for label in range(chance.shape[1]):
            gradient = chance.copy()
            gradient[:, label] -= 1
            gradient *= np.sqrt(chance[:, label : label + 1])

            def watch(layer: Layer, saved: Any, dy: np.ndarray) -> None:
                if layer.name in layers:
                    name = layer.parameters["w"]
                    total[name] += _squares(layer, saved, dy).reshape(total[name].shape)

            network.backward(weights, trace, gradient, watch)
    return {name: value / np.float32(len(x)) for name, value in total.items()}


def saliency(weights: Weights, diagonal: Weights) -> Weights:
    """The rise of the loss when one weight is removed, `h_kk u_k^2 / 2` (LeCun, Denker, Solla, 1990)."""
    return {name: value * weights[name] ** 2 / 2 for name, value in diagonal.items()}
