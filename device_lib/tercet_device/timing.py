# SPDX-License-Identifier: Apache-2.0
"""The layers of one inference as jobs that can be repeated inside the native module, so that kernels alone are timed."""

from array import array

import tercet_packed as native

from tercet_device.classify import Classifier

TILE_BYTES = 48000
_REPEATS = 7


def run(jobs):
    for job in jobs:
        native.layer(*job)


class Sparse:
    """A compressed network of dense layers and samples for it."""

    def __init__(self, path, samples):
        with open(path, "rb") as stream:
            self.net = Classifier(stream.read())
        self.samples = samples

    def jobs(self, number, repeats):
        """The layers with the inputs that sample `number` gives them."""
        net = self.net
        net.logits(self.samples, number * net.inputs)
        x, jobs = net.x, []
        for layer in net.layers:
            settings = array("i", layer.settings)
            settings[_REPEATS] = repeats
            jobs.append((settings, layer.sums, array("h", x), layer.output, layer.bias, layer.weights, layer.more))
            x = layer.output
        return jobs


class Dense:
    """Dense layers of 8 bits, each as a tile of rows that runs as often as the layer has tiles."""

    def __init__(self, shapes):
        self.layers = []
        for rows, columns in shapes:
            tile = max(n for n in range(1, rows + 1) if rows % n == 0 and n * columns <= TILE_BYTES)
            weights = bytes(((7 * i) & 0xFF for i in range(256))) * (tile * columns // 256 + 1)
            x = array("h", [(5 * i) & 0x7F for i in range(columns)])
            sums, output = array("i", bytes(4 * tile)), array("h", bytes(2 * tile))
            settings = [0, tile, columns, 2, 7, 0, 1, rows // tile]
            self.layers.append((settings, sums, x, output, bytes(tile), weights))

    def jobs(self, number, repeats):
        """The layers; every sample takes the same time."""
        jobs = []
        for settings, sums, x, output, bias, weights in self.layers:
            own = array("i", settings)
            own[_REPEATS] *= repeats
            jobs.append((own, sums, x, output, bias, weights, None))
        return jobs
