# SPDX-License-Identifier: Apache-2.0
"""How often the loops of each kernel of `firmware/kernels` turn, by shape: what a cost model is made of."""
