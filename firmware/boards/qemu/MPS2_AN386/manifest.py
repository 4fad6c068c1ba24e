# SPDX-License-Identifier: Apache-2.0
# Nothing is frozen: tests bring what they need.
