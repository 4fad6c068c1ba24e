# SPDX-License-Identifier: GPL-2.0-or-later
"""Reads a meter with the unmodified ppk2-api package and prints what it saw as JSON.

    read_ppk2_api.py PORT SECONDS

The raw stream is collected first and decoded afterwards, because the package decodes slower than a meter sends.
"""

import itertools
import json
import sys
import time

from ppk2_api.ppk2_api import PPK2_API


def main() -> None:
    port, seconds = sys.argv[1], float(sys.argv[2])
    meter = PPK2_API(port, timeout=1, write_timeout=1, exclusive=True)
    assert meter.get_modifiers(), "no metadata"
    meter.use_ampere_meter()
    meter.set_source_voltage(3000)
    meter.toggle_DUT_power("ON")
    meter.start_measuring()
    while not (raw := meter.get_data()):
        time.sleep(0.001)
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        raw += meter.get_data()
        time.sleep(0.002)
    elapsed = time.monotonic() - started
    meter.stop_measuring()
    currents, levels = meter.get_samples(raw)
    edges = {str(pin): [i for i in range(1, len(levels)) if (levels[i] ^ levels[i - 1]) >> pin & 1] for pin in range(8)}
    counters = [int.from_bytes(raw[i : i + 4], "little") >> 18 & 63 for i in range(0, len(raw) - 3, 4)]
    lost = sum((b - a - 1) % 64 for a, b in itertools.pairwise(counters))
    print(json.dumps({"samples": len(currents), "seconds": elapsed, "lost": lost, "edges": edges,
                      "mean_ua": sum(currents) / len(currents), "calibration": meter.modifiers["R"]}))


main()
