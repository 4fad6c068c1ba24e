# SPDX-License-Identifier: Apache-2.0
"""From a model to its training graph, and the NumPy reference that executes any legal schedule."""
