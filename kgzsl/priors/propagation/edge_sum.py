"""Sums over the edges of a fixed pattern whose weights are learnt: attention without a message per edge."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

__all__ = ["EdgePattern"]

_BUDGET = 1 << 24


class EdgePattern:
    """The places of a sparse matrix [R, C], to be filled with weights that carry gradients.

    Args:
        matrix: SciPy CSR array [R, C]; its values are not read.
        device: Where to sum.
    """

    def __init__(self, matrix: Any, *, device: torch.device | str = "cpu") -> None:
        self.shape: tuple[int, int] = matrix.shape
        counts = torch.from_numpy((matrix.indptr[1:] - matrix.indptr[:-1]).astype("int64"))
        self.starts = torch.from_numpy(matrix.indptr.astype("int64")).to(device)
        self.columns = torch.from_numpy(matrix.indices.astype("int64")).to(device)
        self.rows = torch.repeat_interleave(torch.arange(len(counts)), counts).to(device)
        self._order = torch.argsort(self.columns, stable=True)
        per_column = torch.bincount(self.columns, minlength=self.shape[1])
        self._column_starts = torch.cat([per_column.new_zeros(1), per_column.cumsum(0)])

    def __len__(self) -> int:
        """E, the number of places."""
        return len(self.columns)

    def softmax(self, scores: Tensor) -> Tensor:
        """Softmax of ``scores`` [E, H] within each row."""
        index = self.rows[:, None].expand_as(scores)
        top = scores.new_full((self.shape[0], scores.shape[1]), -torch.inf)
        top = top.scatter_reduce(0, index, scores.detach(), "amax")
        raised = (scores - top[self.rows]).exp()
        total = raised.new_zeros(top.shape).index_add(0, self.rows, raised)
        return raised / total[self.rows]

    def sum(self, weights: Tensor, dense: Tensor) -> Tensor:
        """``sum_c weights[r, c] dense[c]``: weights [E], dense [C, D], result [R, D]; both carry gradients."""
        found: Tensor = _Sum.apply(weights, dense, self)  # type: ignore[no-untyped-call]
        return found

    def matrix(self, weights: Tensor, *, transposed: bool = False) -> Tensor:
        """The CSR matrix [R, C] (or [C, R]) with ``weights`` [E] in its places."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
            if transposed:
                return torch.sparse_csr_tensor(
                    self._column_starts,
                    self.rows[self._order],
                    weights[self._order],
                    size=self.shape[::-1],
                    check_invariants=False,
                )
            return torch.sparse_csr_tensor(self.starts, self.columns, weights, size=self.shape, check_invariants=False)


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, dense: Tensor, pattern: EdgePattern) -> Tensor:
        ctx.save_for_backward(weights, dense)
        ctx.pattern = pattern
        return pattern.matrix(weights) @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None]:
        weights, dense = ctx.saved_tensors
        pattern: EdgePattern = ctx.pattern
        (gradient,) = gradients
        own = other = None
        if ctx.needs_input_grad[0]:
            chunk = max(1, _BUDGET // max(dense.shape[1], 1))
            own = torch.cat(
                [
                    (gradient[rows] * dense[columns]).sum(dim=1)
                    for rows, columns in zip(
                        torch.split(pattern.rows, chunk), torch.split(pattern.columns, chunk), strict=True
                    )
                ]
            )
        if ctx.needs_input_grad[1]:
            other = pattern.matrix(weights, transposed=True) @ gradient
        return own, other, None
