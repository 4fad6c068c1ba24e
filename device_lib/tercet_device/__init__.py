# SPDX-License-Identifier: Apache-2.0
"""Executes tercet's plans on a board: one arena, fixed-size records, pages on a card."""
