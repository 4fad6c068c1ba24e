# SPDX-License-Identifier: Apache-2.0
"""From the artefacts of a run to one self-contained HTML page."""
