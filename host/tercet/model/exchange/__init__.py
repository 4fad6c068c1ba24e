# SPDX-License-Identifier: Apache-2.0
"""Networks from ONNX files, and trained weights back into them. Needs the extra `tercet[onnx]`."""

from tercet.model.exchange.importer import Imported, import_onnx
from tercet.model.exchange.writer import write_back

__all__ = ["Imported", "import_onnx", "write_back"]
