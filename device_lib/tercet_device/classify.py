# SPDX-License-Identifier: Apache-2.0
"""Runs a compressed network on the board, in whole numbers: dense and convolution layers, ReLU, pooling by maximum.

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


def _load(data, record, form):
    """(weights, starts or table or None) of a record in the format of execution."""
    if form == DENSE:
        out = bytearray(record.rows * record.columns)
        native.dense(data, record.offset, out)
        return out, None
    if form in (DELTA, CSC):
        by_columns = form == CSC
        starts = _zeros("H", (record.columns if by_columns else record.rows) + 1)
        entries = bytearray(native.count(data, record.offset, by_columns))
        native.entries(data, record.offset, by_columns, starts, entries)
        return entries, starts
    bits = 4 if form == TABLE4 else 2
    codes = bytearray(record.rows * ((record.columns * bits + 7) // 8))
    native.codes(data, record.offset, bits, codes)
    table = _zeros("h", 256 * 8 // bits)
    native.table(table, record.book, bits)
    return codes, table


class _Weighted:
    """What dense and convolution layers share: settings for the kernel, bias, weights, sums. `out` None keeps the sums."""

    def __init__(self, data, weights, bias, form, grid, out, relu):
        if weights.kind != 3:
            _bad("weights are not of 8 bits")
        self.rows, self.columns = weights.rows, weights.columns
        self.bias, moved = None, 0
        if bias is not None:
            moved = weights.fraction + grid - bias.fraction
            if bias.kind != 3 or moved > 23:
                _bad("a bias does not fit")
            self.bias = bias.values()
        self.grid = grid if out is None else out
        shift = 0 if out is None else weights.fraction + grid - out
        low = 0 if relu else -128
        self.settings = array("i", [form, self.rows, self.columns, moved, shift, low, out is not None, 1])
        self.weights, self.more = _load(data, weights, form)
        self.sums = _zeros("i", self.rows)


class _Dense(_Weighted):
    def place(self, shape):
        self.output = _zeros("h", self.rows)
        return (self.rows,)

    def run(self, x):
        native.layer(self.settings, self.sums, x, self.output, self.bias, self.weights, self.more)
        return self.output


def _window(attrs, shape):
    """The sliding window's settings and the map that it gives: (numbers, height, width)."""
    (kh, kw), (sh, sw), (top, left, bottom, right) = attrs["kernel"], attrs["stride"], attrs["pad"]
    channels, height, width = shape if len(shape) == 3 else (shape[0], 1, shape[1])  # a signal has height 1
    out = (height + top + bottom - kh) // sh + 1, (width + left + right - kw) // sw + 1
    return [channels, height, width, kh, kw, sh, sw, top, left, out[0], out[1]], out[0], out[1]


class _Conv(_Weighted):
    def place(self, shape):
        if not self.settings[6] or self.attrs["groups"] != 1:
            _bad("a convolution at the end or in groups cannot run")
        numbers, height, width = _window(self.attrs, shape)
        self.settings = array("i", list(self.settings) + numbers)
        self.field = _zeros("h", self.columns)
        self.output = _zeros("h", self.rows * height * width)
        return (self.rows, height, width)

    def run(self, x):
        native.conv(self.settings, self.sums, x, self.output, self.bias, self.weights, self.more, self.field)
        return self.output


class _Pool:
    def __init__(self, attrs, shape):
        numbers, height, width = _window(attrs, shape)
        self.shape = (shape[0], height, width)
        self.settings = array("i", numbers)
        self.output = _zeros("h", shape[0] * height * width)

    def run(self, x):
        native.pool(self.settings, x, self.output)
        return self.output


class Classifier:
    """A compressed network ready to run; raises DeviceError for a file that is damaged or not such a network."""

    def __init__(self, data):
        packed = Packed(data)
        settings = packed.head.get("q")
        if settings is None:
            _bad("the file does not say how to execute it")
        self.layers = []
        self.inputs = 1
        for extent in packed.head["i"]:
            self.inputs *= extent
        self._build(data, packed, settings)
        self.x = _zeros("h", self.inputs)
        self.lookup = self._input_table(settings)
        last = self.layers[-1]
        self.result = last.output if not isinstance(last, _Weighted) or last.settings[6] else last.sums

    def _build(self, data, packed, settings):
        rows, seen, records = packed.head["l"], {}, iter(packed.records)
        shape, grid, number = tuple(packed.head["i"]), settings["f"]["input"], 0
        names = []
        for row in rows:
            seen[row[0]] = seen.get(row[0], 0) + 1
            odd = row[2] if len(row) > 2 else {}
            names.append(odd.get("n", row[0] + str(seen[row[0]])))
        for at, row in enumerate(rows):
            if row[0] in ("dense", "conv2d"):
                relu = at + 1 < len(rows) and rows[at + 1][0] == "activation"
                if relu and rows[at + 1][1]["kind"] != "relu":
                    _bad("no activation but ReLU can run")
                out = None if at == len(rows) - 1 else settings["f"].get(names[at + 1 if relu else at])
                weights = next(records)
                bias = next(records) if row[1]["bias"] else None
                kind = _Dense if row[0] == "dense" else _Conv
                layer = kind(data, weights, bias, settings["e"][number], grid, out, relu)
                layer.attrs = row[1]
                shape = layer.place(shape)
                self.layers.append(layer)
                grid, number = layer.grid, number + 1
            elif row[0] == "max_pool":
                self.layers.append(_Pool(row[1], shape))
                shape = self.layers[-1].shape
            elif row[0] not in ("flatten", "activation", "dropout"):
                _bad("the board cannot run " + row[0])

    def _input_table(self, settings):
        scale, divisor = 2 << settings["f"]["input"], settings["d"]
        return array("h", [min(127, (value * scale + divisor) // (2 * divisor)) for value in range(256)])

    def logits(self, samples, offset=0):
        """The sums of the last layer (i32), or its map (i16), for the sample of `inputs` bytes at `offset`."""
        x = self.x
        native.lookup(x, samples, offset, self.lookup)
        for layer in self.layers:
            x = layer.run(x)
        return self.result

    def features(self, samples, offset=0):
        """The last feature map (i16, 0..127) of a trunk, a network that ends with a ReLU."""
        self.logits(samples, offset)
        return self.layers[-1].output

    def label(self, samples, offset=0):
        """The class with the largest sum; of equals the first."""
        sums = self.logits(samples, offset)
        best = 0
        for at in range(len(sums)):
            if sums[at] > sums[best]:
                best = at
        return best
