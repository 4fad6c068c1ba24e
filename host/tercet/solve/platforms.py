# SPDX-License-Identifier: Apache-2.0
"""Instances for platforms that have no file: derived from the nRF52840's (`m4`) by published constants."""

from __future__ import annotations

import copy
from typing import Any

from tercet.errors import InputError

# FLOP/s of POET's nRF52840 table: 2,000 FLOP in 0.314 ms.
M4_FLOPS = 6.37e6
# Compute energy of the MKR1000 relative to the nRF52840 in POET's tables; the page costs are equal (same card).
M0_COMPUTE = 229.684
M0_FLOPS = 2000 / 12e-3
# FLOP/s, J/FLOP, page-in (latency, bytes/s), page-out (latency, bytes/s), card power. POET's chipset tables, except the
# TX2's rate, which its public code lacks: NVIDIA's single-precision figure for the TX2's GPU. The a72 entries contradict
# each other (time by 2 GFLOP/s, energy by 120.3 MFLOP/s); both are kept as published.
TABLES = {
    "a72": (2e9, 0.6 * 5 / 120.3e6, (5.1e-6, 45.5e6), (18.5e-6, 24.5e6), 0.03 * 5),
    "tx2": (665.6e9, 0.766 / 665.6e9, (0.54e-3, 108.5e6), (2.396e-3, 94.37e6), 0.309),
}


def derive(body: dict[str, Any], platform: str) -> dict[str, Any]:
    """The instance `body` (of m4) on another platform, its source saying how it was derived; raises InputError."""
    if body.get("platform") != "m4" or platform not in ("m0", *TABLES):
        raise InputError(f"no rule leads from {body.get('platform')!r} to {platform!r}", hint="m4 to m0, a72 or tx2")
    found = copy.deepcopy(body)
    found["platform"] = platform
    found["source"] = f"derived from the m4 instance by published constants ({platform})"
    for node in found["nodes"]:
        if platform == "m0":
            node["compute_j"] *= M0_COMPUTE
            node["time_s"] *= M4_FLOPS / M0_FLOPS
            continue
        rate, per_flop, page_in, page_out, card = TABLES[platform]
        flops = node["time_s"] * M4_FLOPS
        node["time_s"], node["compute_j"] = flops / rate, flops * per_flop
        node["pagein_s"] = page_in[0] + node["ram_bytes"] / page_in[1]
        node["pageout_s"] = page_out[0] + node["ram_bytes"] / page_out[1]
        node["pagein_j"], node["pageout_j"] = node["pagein_s"] * card, node["pageout_s"] * card
    return found
