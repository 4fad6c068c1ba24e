# SPDX-License-Identifier: Apache-2.0
"""A trained network on the board, one sample at a time.

    model = Model()                 # what `tercet deploy` and `tercet train` left under /tercet
    outputs = model.predict(x)      # array('f')
    label = model.label(x)
"""

import json
from array import array

from tercet_device import kernels, trace, weights
from tercet_device.arena import Arena
from tercet_device.errors import DeviceError
from tercet_device.places import find_weights, open_card, open_weights
from tercet_device.plan import Plan
from tercet_device.step import Step


class Model:
    """The network that `path` describes, with the weights in the file `source`: by default the trained ones, else those that
    the training starts from, in files or on the card.

    Raises DeviceError with kind "plan", "weights" or "memory".
    """

    def __init__(self, path="/tercet/predict.json", source=None):
        with open(path) as stream:
            settings = json.load(stream)
        with open(settings["plan"], "rb") as stream:
            plan = Plan(stream.read(), kernels, settings.get("board_id"))
        self.features, self._value_bytes = settings["features"], settings["value_bytes"]
        self._scale = array("f", settings["scale"])
        self._arena = Arena(plan.arena_bytes, kernels)
        card = open_card(settings["card"]) if settings.get("card") else None
        with open_weights(source, card) if source else first_of(settings["weights"], card) as stream:
            weights.read(
                stream, source or "the weights", bytes.fromhex(settings["graph"]), self._views(settings["tensors"]), kernels
            )
        offset, count = settings["output"]
        self._output = self._arena.view(offset, 4 * count)
        self._step = Step(plan, self._arena, self, None, trace.Markers(), kernels, array("f", bytes(64)))

    def _views(self, tensors):
        """Where each tensor of a weights file goes; some are passed over."""
        for at, nbytes in tensors:
            if at >= 0:
                yield self._arena.view(at, nbytes)
            else:
                for part in weights.passed(nbytes):
                    yield part

    def predict(self, x):
        """The network's outputs for one sample, an array of floats: for a classifier what the softmax would be taken of.

        `x` holds the features as a row of the training data did: bytes or small integers where that held bytes, which are
        scaled as they were there, else floats. Raises DeviceError("data") when their number is another one.
        """
        if self._value_bytes == 1:
            row = x if isinstance(x, (bytes, bytearray, memoryview)) else bytes(x)
        else:
            row = memoryview(x if isinstance(x, array) else array("f", x))
        if len(row) != self.features:
            raise DeviceError("data", "a sample has %d features, the network reads %d" % (len(row), self.features))
        self._step.run(row)
        return array("f", bytes(self._output))

    def label(self, x):
        """The number of the largest output."""
        outputs = self.predict(x)
        return max(range(len(outputs)), key=lambda i: outputs[i])

    def read_rows(self, arena, offset, row, kernels):
        """Takes the place of a data set: the step reads the one sample from here."""
        if self._value_bytes == 1:
            kernels.u8_to_f32(arena, offset, row, self._scale)
        else:
            memoryview(arena)[offset : offset + 4 * len(row)] = bytes(row)


def first_of(places, card):
    """The first of some weights that is there, as a stream."""
    for place in places:
        stream = find_weights(place, card)
        if stream is not None:
            return stream
    return open_weights(places[-1], card)
