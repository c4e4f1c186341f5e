"""How far many points lie from many boxes, block by block, with the gradient written out."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["box_lengths"]

# Numbers per block: on a CPU its few tables stay in the cache; on a GPU it bounds the memory.
_BLOCK = {"cpu": 1 << 17}
_BLOCK_ELSEWHERE = 1 << 24

_FLOOR = 1e-6


def box_lengths(start: Tensor, wide: Tensor, offset: Tensor, others: Tensor) -> Tensor:
    """Euclidean lengths [B, M] of BoxE's distances of ``start[b] + others[m]`` from box b, whose centre is 0.

    With ``u = |start + others|`` the distance is ``max(u / wide, u wide - offset)`` in each dimension (Abboud et al.,
    NeurIPS 2020, equation 2: the first inside the box, the second outside). Neither the forward nor the backward pass
    makes a table of [B, M, D]; the backward pass computes the distances of a block again. It has no second derivative.

    Args:
        start: [B, D], points minus the centres of their boxes.
        wide: [B, D], ``width + 1``.
        offset: [B, D], ``(width / 2) (wide - 1 / wide)``.
        others: [M, D], what is added to each point.
    """
    found: Tensor = _BoxLengths.apply(start, wide, offset, others)  # type: ignore[no-untyped-call]
    return found


class _BoxLengths(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, start: Tensor, wide: Tensor, offset: Tensor, others: Tensor) -> Tensor:
        narrow = 1 / wide
        found = start.new_empty(len(start), len(others))
        rows, columns = _shape(start, others)
        space = [start.new_empty(rows, columns, start.shape[1]) for _ in range(2)]
        for left in range(0, len(others), columns):
            part = others[left : left + columns]
            for top in range(0, len(start), rows):
                row = slice(top, top + rows)
                away, inside = (one[: len(start[row]), : len(part)] for one in space)
                torch.add(part, start[row, None], out=away).abs_()
                torch.mul(away, narrow[row, None], out=inside)
                away.mul_(wide[row, None]).sub_(offset[row, None])
                torch.maximum(away, inside, out=away)
                found[row, left : left + columns] = torch.linalg.vector_norm(away, dim=2)
        # The root of 0 has no gradient.
        found.clamp_min_(_FLOOR)
        ctx.save_for_backward(start, wide, offset, others, found)
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        start, wide, offset, others, found = ctx.saved_tensors
        narrow, weight = 1 / wide, grad / found
        to_start, to_wide, to_offset, to_others = (torch.zeros_like(one) for one in (start, wide, offset, others))
        rows, columns = _shape(start, others)
        space = [start.new_empty(rows, columns, start.shape[1]) for _ in range(3)]
        for left in range(0, len(others), columns):
            part, column = others[left : left + columns], slice(left, left + columns)
            for top in range(0, len(start), rows):
                row = slice(top, top + rows)
                signed, inside, far = (one[: len(start[row]), : len(part)] for one in space)
                w, n = wide[row, None], narrow[row, None]
                torch.add(part, start[row, None], out=signed)
                torch.abs(signed, out=inside)
                torch.mul(inside, w, out=far).sub_(offset[row, None])
                inside.mul_(n)
                is_outside = far > inside
                # d length / d distance, times what comes in; outside the box, then inside.
                torch.maximum(far, inside, out=far).mul_(weight[row, column, None])
                pull_outside = far * is_outside
                pull_inside = far.sub_(pull_outside)
                # Outside d/d wide = u (``inside`` holds u / wide), inside -u / wide^2.
                to_offset[row] -= pull_outside.sum(dim=1)
                to_wide[row] += (pull_outside * inside).sum(dim=1) * wide[row]
                to_wide[row] -= (pull_inside * inside).sum(dim=1) * narrow[row]
                pull = pull_outside.mul_(w).add_(pull_inside.mul_(n)).mul_(signed.sign_())
                to_start[row] += pull.sum(dim=1)
                to_others[column] += pull.sum(dim=0)
        return to_start, to_wide, to_offset, to_others


def _shape(start: Tensor, others: Tensor) -> tuple[int, int]:
    """Rows and columns of a block."""
    numbers = _BLOCK.get(start.device.type, _BLOCK_ELSEWHERE) // max(1, start.shape[1])
    columns = max(1, min(len(others), numbers))
    return max(1, min(len(start), numbers // columns)), columns
