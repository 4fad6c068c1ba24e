# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing is frozen: the tests bring what they need.
