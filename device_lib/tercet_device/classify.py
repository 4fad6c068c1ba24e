# SPDX-License-Identifier: Apache-2.0
"""Runs a compressed network of dense layers on the board, in whole numbers.

    net = Classifier(open("model.trz", "rb").read())
    label = net.label(sample)       # bytes, one per input

Weights are decoded once, into the format that the file names for each layer: dense bytes, row entries (`delta`),
column entries that skip inputs of zero (`csc`), or codes with a table of 4 or 2 bits. The sums are exact, so every
board gives the host's labels.
"""

from array import array

import tercet_packed as native

from tercet_device.errors import DeviceError
from tercet_device.unpack import Packed

DENSE, DELTA, CSC, TABLE4, TABLE2 = range(5)


def _bad(text):
    raise DeviceError("packed", "compressed model: " + text)


def _zeros(kind, count):
    return array(kind, bytes(count * (4 if kind == "i" else 2)))


class _Layer:
    """One dense layer: its settings for the kernel, its bias, and its weights in the format of execution."""

    def __init__(self, data, weights, bias, form, grid, out):
        if weights.kind != 3:
            _bad("weights are not of 8 bits")
        self.rows, self.columns = weights.rows, weights.columns
        self.bias, moved = None, 0
        if bias is not None:
            moved = weights.fraction + grid - bias.fraction
            if bias.kind != 3 or moved < 0:
                _bad("a bias does not fit")
            self.bias = bias.values()
        self.grid = grid if out is None else out
        shift = 0 if out is None else weights.fraction + grid - out
        self.settings = array("i", [form, self.rows, self.columns, moved, shift, 0, out is not None, 1])
        self.weights, self.more = self._load(data, weights, form)

    def _load(self, data, record, form):
        if form == DENSE:
            out = bytearray(self.rows * self.columns)
            native.dense(data, record.offset, out)
            return out, None
        if form in (DELTA, CSC):
            by_columns = form == CSC
            starts = _zeros("H", (self.columns if by_columns else self.rows) + 1)
            entries = bytearray(native.count(data, record.offset, by_columns))
            native.entries(data, record.offset, by_columns, starts, entries)
            return entries, starts
        bits = 4 if form == TABLE4 else 2
        codes = bytearray(self.rows * ((self.columns * bits + 7) // 8))
        native.codes(data, record.offset, bits, codes)
        table = _zeros("h", 256 * 8 // bits)
        native.table(table, record.book, bits)
        return codes, table


class Classifier:
    """A compressed network ready to run; raises DeviceError for a file that is damaged or not such a network."""

    def __init__(self, data):
        packed = Packed(data)
        settings = packed.head.get("q")
        if settings is None:
            _bad("the file does not say how to execute it")
        self.layers = []
        self._build(data, packed, settings)
        self.inputs = self.layers[0].columns
        self.x = _zeros("h", self.inputs)
        self.lookup = self._input_table(settings)
        self.outputs = [_zeros("h", layer.rows) for layer in self.layers]
        self.sums = [_zeros("i", layer.rows) for layer in self.layers]

    def _build(self, data, packed, settings):
        rows, seen, records = packed.head["l"], {}, iter(packed.records)
        names = []
        for row in rows:
            seen[row[0]] = seen.get(row[0], 0) + 1
            odd = row[2] if len(row) > 2 else {}
            names.append(odd.get("n", row[0] + str(seen[row[0]])))
        grid, number = settings["f"]["input"], 0
        for at, row in enumerate(rows):
            if row[0] == "dense":
                last = at == len(rows) - 1
                if not last and (rows[at + 1][0] != "activation" or rows[at + 1][1]["kind"] != "relu"):
                    _bad("only ReLU may follow a dense layer")
                out = None if last else settings["f"][names[at + 1]]
                weights = next(records)
                bias = next(records) if row[1]["bias"] else None
                layer = _Layer(data, weights, bias, settings["e"][number], grid, out)
                self.layers.append(layer)
                grid, number = layer.grid, number + 1
            elif row[0] not in ("flatten", "reshape", "activation", "dropout"):
                _bad("the board cannot run " + row[0])

    def _input_table(self, settings):
        scale, divisor = 2 << settings["f"]["input"], settings["d"]
        return array("h", [min(127, (value * scale + divisor) // (2 * divisor)) for value in range(256)])

    def logits(self, samples, offset=0):
        """The sums of the last layer (i32) for the sample of `inputs` bytes at `offset`."""
        x = self.x
        native.lookup(x, samples, offset, self.lookup)
        for layer, sums, output in zip(self.layers, self.sums, self.outputs):  # noqa: B905 (MicroPython has no strict=)
            native.layer(layer.settings, sums, x, output, layer.bias, layer.weights, layer.more)
            x = output
        return sums

    def features(self, samples, offset=0):
        """The last feature map (i16, 0..127) of a trunk, a network that ends with a ReLU."""
        self.logits(samples, offset)
        return self.outputs[-1]

    def label(self, samples, offset=0):
        """The class with the largest sum; of equals the first."""
        sums = self.logits(samples, offset)
        best = 0
        for at in range(len(sums)):
            if sums[at] > sums[best]:
                best = at
        return best
