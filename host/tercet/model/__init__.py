# SPDX-License-Identifier: Apache-2.0
"""Networks: their graph, parameters, files, a builder and a zoo."""

from tercet.model.builder import Builder, mlp
from tercet.model.graph import Layer, Model, Parameter, initialise, load, save

__all__ = ["Builder", "Layer", "Model", "Parameter", "initialise", "load", "mlp", "save"]
