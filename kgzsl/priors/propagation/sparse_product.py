"""A sparse matrix times a dense one in PyTorch, with the transposed matrix kept for the way back."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.priors.propagation.edge_sum import EdgePattern

__all__ = ["SparseProduct", "gathered"]


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
        self._forward = _csr(matrix, self.device, dtype)
        self._backward: Tensor | None = None
        self._pattern: EdgePattern | None = None
        self._filled: tuple[Tensor, SparseProduct] | None = None

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

    @property
    def filled(self) -> tuple[Tensor, SparseProduct]:
        """int64 [n], the rows that have entries, and the product with these rows alone; made once."""
        if self._filled is None:
            rows = np.flatnonzero(np.diff(self._source.indptr))
            short = SparseProduct(self._source[rows], device=self.device, dtype=self.dtype)
            self._filled = torch.from_numpy(rows).to(self.device), short
        return self._filled

    def __call__(self, dense: Tensor) -> Tensor:
        """``matrix @ dense``: [C, D] to [R, D]."""
        with torch.autocast(self.device.type, enabled=False):
            product: Tensor = _Multiply.apply(dense.to(self.dtype), self)  # type: ignore[no-untyped-call]
        return product

    def __repr__(self) -> str:
        return f"SparseProduct({self.shape[0]} x {self.shape[1]}, {self.nnz} entries)"


def gathered(products: Sequence[SparseProduct], dense: Tensor) -> tuple[Tensor, Tensor, list[int]]:
    """The rows of several products that have entries, on end: a relation reaches few nodes of a graph.

    Args:
        products: At least one, each [R, C].
        dense: [C, D].

    Returns:
        int64 [M], whose row each is; [M, D], the rows; how many of them each product has.
    """
    filled = [product.filled for product in products]
    found = torch.cat([short(dense) for _, short in filled])
    return torch.cat([rows for rows, _ in filled]), found, [len(rows) for rows, _ in filled]


class _Multiply(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, dense: Tensor, product: SparseProduct) -> Tensor:
        ctx.product = product
        return product._forward @ dense

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
