# SPDX-License-Identifier: Apache-2.0
"""Training on a board: the job, its records, and what came back."""
