"""A step of the text-aware embedding, with the gradient written out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

if TYPE_CHECKING:
    from kgzsl.priors.text_aware.model import TextAwareModel

__all__ = ["put_gradients"]

_FLOOR = 1e-12


@torch.no_grad()
def put_gradients(
    model: TextAwareModel, batch: Tensor, pool: Tensor, known: Tensor, *, margin: float, temperature: float
) -> Tensor:
    """The self-adversarial loss of both sides, with its gradient put into the ``grad`` of the model's parameters.

    The value and the gradient are those of :meth:`TripleLoop.losses` by autograd. Written out, since autograd makes a
    dense table of gradients anew in every step and copies every representation for every term of the score. The rows of
    ``model.nodes.grad`` that the last step filled are emptied, no others.

    Args:
        model: Of the Euclidean norm and without inverse relations.
        batch: int64 [B, 3].
        pool: int64 [M], nodes that stand in as tails and as heads.
        known: bool [2, B, M], which of the corrupted tails and heads get no weight.
        margin: See :func:`self_adversarial_loss`.
        temperature: See :func:`self_adversarial_loss`.

    Returns:
        The loss, a scalar.
    """
    (head, relation, tail), size, count = batch.unbind(dim=1), len(batch), model.scorer.count
    pairs, wide = model.scorer.view_pairs, len(pool)
    nodes = torch.cat([head, tail, pool])
    used, place = torch.unique(nodes, return_inverse=True)
    text = model.text.index_select(0, used)
    views = model.nodes.new_empty(3, len(nodes), model.relations.shape[1])
    torch.index_select(model.nodes, 0, nodes, out=views[0])
    torch.index_select(text @ model.projection, 0, place, out=views[1])
    torch.add(views[0], views[1], out=views[2])
    heads, tails, others = views[:, :size], views[:, size : 2 * size], views[:, 2 * size :]
    asked, which = torch.unique(relation, return_inverse=True)
    table = model.relations.index_select(0, asked)
    steps = table.index_select(0, which)
    # Both sides at once: the tails of (h, r) are near h + r, the heads of (r, t) near t - r. A term compares view a of
    # the head with view b of the tail, and the terms do not change when a and b trade places.
    queries = views.new_empty(3, 2 * size, views.shape[2])
    torch.add(heads, steps, out=queries[:, :size])
    torch.sub(tails, steps, out=queries[:, size:])

    # Products of structure and text with each other are one matrix product; those of the sums are its sum, but for the
    # step of the relation, which the sum has once and its two parts have twice.
    flat, flat_others = queries[:2].view(-1, views.shape[2]), others[:2].reshape(-1, views.shape[2])
    dots = (flat @ flat_others.T).view(2, 2 * size, 2, wide)
    steps_dots = (table @ others[2].T).index_select(0, which)
    norms, other_norms = queries.square().sum(dim=2), others.square().sum(dim=2)
    squares = views.new_empty(len(pairs), 2 * size, wide)
    for square, (a, b) in zip(squares, pairs, strict=True):
        torch.add(norms[a, :, None], other_norms[b], out=square)
        if (a, b) == (2, 2):
            for part in (0, 0), (0, 1), (1, 0), (1, 1):
                square.sub_(dots[part[0], :, part[1]], alpha=2.0)
            square[:size].add_(steps_dots, alpha=2.0)
            square[size:].sub_(steps_dots, alpha=2.0)
        else:
            square.sub_(dots[a, :, b], alpha=2.0)
    apart = squares > _FLOOR
    lengths = squares.clamp_min_(_FLOOR).sqrt_()
    false = lengths.sum(dim=0).div_(-count)
    away = views.new_empty(len(pairs), size, views.shape[2])
    for gap, (a, b) in zip(away, pairs, strict=True):
        torch.sub(queries[a, :size], tails[b], out=gap)
    near = torch.linalg.vector_norm(away, dim=2)
    true = near.sum(dim=0).div_(-count)

    sharp = (false * temperature).masked_fill_(known.reshape(false.shape), float("-inf"))
    # A row whose negatives are all true triples has softmax 0/0; it is given no weight.
    weights = sharp.softmax(dim=1).nan_to_num_(nan=0.0).mul_(0.25 / size)
    beyond = false.add_(margin)
    loss = (weights * functional.softplus(beyond)).sum() + functional.softplus(-margin - true).mean() / 2

    # d loss / d length, over the length: what each difference of two vectors is pulled by. ``blocks`` adds the pulls
    # by the views of which each term is made, as ``dots`` has them.
    pull = weights.mul_(torch.sigmoid(beyond)).div_(-count) / lengths
    pull.mul_(apart)
    by_query, by_other = pull.sum(dim=2), pull.sum(dim=1)
    blocks = torch.zeros_like(dots)
    for part, (a, b) in zip(pull, pairs, strict=True):
        if (a, b) == (2, 2):
            blocks += part[:, None]
        else:
            blocks[a, :, b] += part
    blocks = blocks.view(4 * size, 2 * wide)
    to_queries, to_views = torch.zeros_like(queries), torch.zeros_like(views)
    torch.mm(blocks, flat_others, out=to_queries[:2].view(-1, views.shape[2])).neg_()
    to_others = to_views[:, 2 * size :]
    to_others[:2] = (blocks.T @ flat).view(2, wide, -1).neg_()
    to_steps = torch.zeros_like(table)
    for number, (a, b) in enumerate(pairs):
        to_queries[a].addcmul_(queries[a], by_query[number, :, None])
        to_others[b].addcmul_(others[b], by_other[number, :, None])
        if (a, b) == (2, 2):
            pulled = pull.new_zeros(len(table), wide).index_add_(0, which, pull[number, :size])
            pulled.index_add_(0, which, pull[number, size:], alpha=-1.0)
            # ``blocks.T @ flat`` has the step twice; and what came to both parts of a query came to its step once.
            to_others[:2] += pulled.T @ table
            to_steps.addmm_(pulled, others[b])
    away.mul_((torch.sigmoid(-margin - true) / (2 * size * count) / near.clamp_min(_FLOOR))[:, :, None])
    for part, (a, b) in zip(away, pairs, strict=True):
        to_queries[a, :size] += part
        to_views[b, size : 2 * size] -= part
    from_head, from_tail = to_queries[:, :size], to_queries[:, size:]
    to_views[:, :size] = from_head
    to_views[:, size : 2 * size] += from_tail

    structure, words = to_views[0].add_(to_views[2]), to_views[1].add_(to_views[2])
    kept, rows = model.filled
    # Another loop may have put another gradient there.
    gradient = _fresh(model.nodes, rows if kept is model.nodes.grad else None)
    gradient.index_add_(0, nodes, structure)
    model.filled = gradient, used
    to_steps.index_add_(0, which, from_head.sum(dim=0).sub_(from_tail.sum(dim=0)))
    _fresh(model.relations, None).index_add_(0, asked, to_steps)
    to_text = words.new_zeros(len(used), words.shape[1]).index_add_(0, place, words)
    torch.mm(text.T, to_text, out=_fresh(model.projection, used[:0]))
    return loss


def _fresh(table: Tensor, filled: Tensor | None) -> Tensor:
    """The gradient of ``table``, with the rows ``filled`` (None: all) emptied."""
    if table.grad is None:
        table.grad = torch.zeros_like(table)
    elif filled is None:
        table.grad.zero_()
    elif len(filled):
        table.grad.index_fill_(0, filled, 0.0)
    return table.grad
