# SPDX-License-Identifier: Apache-2.0
"""Turns a data set into the features that a compressed trunk makes of it, once, before its head is trained on them."""

import struct

from tercet_device.classify import Classifier
from tercet_device.data import _HEADER, DataSet
from tercet_device.errors import DeviceError


def features(model_path, data_path, out_path):
    """Writes the packed data set `out_path`: a row of u8 features per row of `data_path`, labels as they were.

    Returns the number of rows. Raises DeviceError when the data do not fit the trunk.
    """
    with open(model_path, "rb") as stream:
        net = Classifier(stream.read())
    data = DataSet(data_path)
    if data.value_bytes != 1 or data.features != net.inputs or not net.layers[-1].settings[6]:
        raise DeviceError("data", "%s: not u8 rows of %d values for a trunk" % (data_path, net.inputs))
    width = net.layers[-1].rows
    out, label = bytearray(width), bytearray(data.label_bytes)
    scale = 1.0 / (1 << net.layers[-1].grid)
    with open(out_path, "wb") as sink:
        sink.write(struct.pack(
            _HEADER, b"TDS1", data.count, data.training, width, 1, data.label_bytes, data.classes, scale, 0.0))
        for sample in range(data.count):
            found = net.features(data.row(sample))
            for i in range(width):
                out[i] = found[i]
            sink.write(out)
        for sample in range(data.count):
            data.read_labels(label, 0, (sample,), data.label_bytes)
            sink.write(label)
    return data.count
