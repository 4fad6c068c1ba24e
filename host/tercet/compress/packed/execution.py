# SPDX-License-Identifier: Apache-2.0
"""How the board executes a compressed model: grids of the feature maps and one weight format per layer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tercet.compress.network import weight_layers
from tercet.errors import ArtifactError
from tercet.model.graph import Model

# Names of the formats and their numbers in the file.
FORMATS = {"dense": 0, "delta": 1, "csc": 2, "table4": 3, "table2": 4}
NAMES = {number: name for name, number in FORMATS.items()}


@dataclass(frozen=True)
class Execution:
    """`fractions` of feature maps by value name, the `divisor` of u8 inputs (255 for pixels), `formats` by layer
    name."""

    fractions: dict[str, int]
    divisor: int
    formats: dict[str, str] = field(default_factory=dict)

    def to_head(self, model: Model) -> dict[str, Any]:
        """The short form in a compressed file: `f`, `d`, and `e` with the formats of all weight layers in order."""
        formats = [FORMATS[self.formats.get(layer.name, "dense")] for layer in weight_layers(model)]
        return {"f": self.fractions, "d": self.divisor, "e": formats}


def from_head(body: dict[str, Any], model: Model) -> Execution:
    """The settings in a description; raises ArtifactError."""
    try:
        names = [NAMES[number] for number in body["e"]]
        formats = dict(zip((layer.name for layer in weight_layers(model)), names, strict=True))
        return Execution({str(k): int(v) for k, v in body["f"].items()}, int(body["d"]), formats)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"the execution settings are damaged: {error!r}") from error
