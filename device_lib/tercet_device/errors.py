# SPDX-License-Identifier: Apache-2.0
"""What can go wrong on the board. `kind` names the cause for the host; the text says what and where."""


class DeviceError(Exception):
    def __init__(self, kind, text):
        super().__init__(text)
        self.kind = kind
        self.text = text
