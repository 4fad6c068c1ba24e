# SPDX-License-Identifier: Apache-2.0
"""The weights that a job trained, wherever it left them."""

import json

from tercet_device.places import open_card, open_weights


def open_result(path):
    """The weights that the job in `path` trained, as a stream."""
    with open(path) as stream:
        job = json.load(stream)
    return open_weights(job["result"], open_card(job["card"]) if job.get("card") else None)
