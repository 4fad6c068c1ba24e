# SPDX-License-Identifier: Apache-2.0
"""What others do: each strategy in a file, each judged by the same replay."""
