"""A sparse matrix times a dense one in PyTorch, with the transposed matrix kept for the way back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.priors.propagation.edge_sum import EdgePattern

__all__ = ["Gathered", "SparseProduct", "gathered"]


class SparseProduct:
    """Multiplies by a fixed sparse matrix; gradients reach the dense factor only.

    PyTorch would transpose a CSR matrix anew in every backward pass; here it is done once, when it is first needed.

    Args:
        matrix: SciPy CSR array [R, C].
        device: Where to multiply.
        dtype: In which type; the dense factor is brought to it, under autocast too.
    """

    def __init__(self, matrix: Any, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.shape: tuple[int, int] = matrix.shape
        self.nnz = int(matrix.nnz)
        self.device, self.dtype = torch.device(device), dtype
        self._source = matrix
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None
        self._pattern: EdgePattern | None = None
        self._stacks: dict[int, tuple[Sequence[SparseProduct], _Stack]] = {}

    @property
    def straight(self) -> Tensor:
        """CSR [R, C]."""
        if self._forward is None:
            self._forward = _csr(self._source, self.device, self.dtype)
        return self._forward

    @property
    def transposed(self) -> Tensor:
        """CSR [C, R]."""
        if self._backward is None:
            self._backward = _csr(self._source.T.tocsr(), self.device, self.dtype)
        return self._backward

    @property
    def pattern(self) -> EdgePattern:
        """Where the matrix has entries, for layers that weigh them anew; made once."""
        if self._pattern is None:
            self._pattern = EdgePattern(self._source, device=self.device)
        return self._pattern

    def __call__(self, dense: Tensor) -> Tensor:
        """``matrix @ dense``: [C, D] to [R, D]."""
        with torch.autocast(self.device.type, enabled=False):
            product: Tensor = _Multiply.apply(dense.to(self.dtype), self)  # type: ignore[no-untyped-call]
        return product

    def __repr__(self) -> str:
        return f"SparseProduct({self.shape[0]} x {self.shape[1]}, {self.nnz} entries)"


class _Stack:
    """The rows of several products that have entries, on end, as one product: a relation reaches few nodes."""

    def __init__(self, products: Sequence[SparseProduct]) -> None:
        from scipy.sparse import vstack

        first = products[0]
        filled = [np.flatnonzero(np.diff(product._source.indptr)) for product in products]
        matrix = vstack([one._source[rows] for one, rows in zip(products, filled, strict=True)], format="csr")
        self.rows = torch.from_numpy(np.concatenate(filled)).to(first.device)
        self.counts = [len(rows) for rows in filled]
        self.owners = torch.repeat_interleave(torch.tensor(self.counts)).to(first.device)
        self.product = SparseProduct(matrix, device=first.device, dtype=first.dtype)


@dataclass(frozen=True)
class Gathered:
    """What several products read, see :func:`gathered`.

    Args:
        rows: int64 [M], whose row each is.
        owners: int64 [M], the number of the product that gives it, ascending.
        values: [M, D], the rows.
        counts: How many rows each product has.
    """

    rows: Tensor
    owners: Tensor
    values: Tensor
    counts: list[int]


def gathered(products: Sequence[SparseProduct], dense: Tensor) -> Gathered:
    """The rows of several products that have entries, on end, by one product; prepared once for the same products.

    Args:
        products: At least one, each [R, C].
        dense: [C, D].
    """
    kept = products[0]._stacks.get(len(products))
    if kept is None or any(one is not two for one, two in zip(kept[0], products, strict=True)):
        kept = products[0]._stacks[len(products)] = tuple(products), _Stack(products)
    stack = kept[1]
    return Gathered(stack.rows, stack.owners, stack.product(dense), stack.counts)


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, product: SparseProduct) -> Tensor:
        ctx.product = product
        return product.straight @ dense

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        with torch.autocast(ctx.product.device.type, enabled=False):
            return ctx.product.transposed @ gradients[0], None


def _csr(matrix: Any, device: torch.device, dtype: torch.dtype) -> Tensor:
    offsets, columns = (torch.from_numpy(part.astype("int64")) for part in (matrix.indptr, matrix.indices))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Sparse CSR tensor support is in beta")
        made = torch.sparse_csr_tensor(
            offsets, columns, torch.from_numpy(matrix.data), size=matrix.shape, dtype=dtype, check_invariants=False
        )
        return made.to(device)
