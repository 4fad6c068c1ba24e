# SPDX-License-Identifier: Apache-2.0
"""Train neural networks on microcontrollers within a RAM budget and a deadline."""

__version__ = "0.1.0"
