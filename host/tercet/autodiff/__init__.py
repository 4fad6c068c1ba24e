# SPDX-License-Identifier: Apache-2.0
"""From a model to its training graph, and the NumPy reference that executes any legal schedule."""

from tercet.autodiff.graph import Graph, Node, Tensor
from tercet.autodiff.training import inference_graph, training_graph

__all__ = ["Graph", "Node", "Tensor", "inference_graph", "training_graph"]
