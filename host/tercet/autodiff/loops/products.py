# SPDX-License-Identifier: Apache-2.0
"""Counts of the blocked matrix products of `firmware/kernels/tk_gemm.c`, C[m, n] += A B over k.

Blocks of 4 x 4, whose inner loop takes four steps of k at a time; then the columns and the rows that are left over.
"""

from __future__ import annotations

Counts = dict[str, float]


def loops(name: str, calls: int, steps: int, unrolled: int) -> Counts:
    """A loop of `steps` that is run `calls` times, some steps in one turn: starts, turns, and the steps left over."""
    found = {f"{name}_starts": float(calls), f"{name}_turns": float(calls * (steps // unrolled))}
    return found | ({f"{name}_rests": float(calls * (steps % unrolled))} if unrolled > 1 else {})


def times(factor: int, counts: Counts) -> Counts:
    """Each count so many times."""
    return {name: factor * count for name, count in counts.items()}


def rows_by_rows(m: int, n: int, k: int) -> Counts:
    """tk_gemm_nt: rows of A times rows of B."""
    rest = loops("dot8", m % 4 * (n // 8), k, 8) | loops("dot2", 2 * (m // 4) * (n % 4) + m % 4 * -(-(n % 8) // 2), k, 8)
    return _blocked(m, n, k) | rest


def rows_by_columns(m: int, n: int, k: int) -> Counts:
    """tk_gemm_nn: rows of A times columns of B."""
    rest = loops("combine8", m % 4 * (n // 8), k, 4) | loops("combine4", m % 4 * (n % 8 // 4), k, 4)
    return _blocked(m, n, k) | rest | loops("single", m * (n % 4), k, 1)


def _blocked(m: int, n: int, k: int) -> Counts:
    return {"rows": m, "elements": m * n, "bands": m // 4, **loops("block", m // 4 * (n // 4), k, 4)}


def columns_by_columns(m: int, n: int, k: int) -> Counts:
    """tk_gemm_tn: columns of A, packed by panels of 32 steps, times columns of B; the rows left over are rank-1 updates."""
    bands = m // 4 if k > 1 else 0
    rest, panels, columns = m - 4 * bands, -(-k // 32), bands * (n % 4)
    quads, strips = k // 32 * 8 + k % 32 // 4, k * (n // 16)
    return {
        "rows": m, "elements": n * m, "depth": k,
        "packed": bands * k, "panels": bands * panels, "block_starts": bands * (n // 4) * panels,
        "block_turns": bands * (n // 4) * quads, "block_rests": bands * (n // 4) * (k % 4),
        "column_starts": columns * panels, "column_turns": columns * k,
        "strip_starts": strips * (rest > 0), "strip_turns": strips * (rest // 3), "strip_rests": strips * (rest % 3),
        "tail_starts": k * rest * (n % 16 > 0), "tail_turns": k * rest * (n % 16),
    }  # fmt: skip


def dense(op: str, batch: int, inputs: int, outputs: int) -> Counts:
    """A dense layer: `dense_forward`, `dense_backward_data`, or one that makes the gradient of the weights."""
    if op == "dense_forward":
        return {"start": 1.0, **rows_by_rows(batch, outputs, inputs)}
    if op == "dense_backward_data":
        return {"start": 1.0, **rows_by_columns(batch, inputs, outputs)}
    return {"start": 1.0, **columns_by_columns(outputs, inputs, batch), "bias": batch * outputs}
