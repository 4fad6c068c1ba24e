# SPDX-License-Identifier: Apache-2.0
"""Firmware onto boards: one interface, each way in a file."""
