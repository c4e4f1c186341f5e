"""Retrieval and clustering quality of an embedding: Recall@K and normalised mutual information."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl._options import check_budget, check_count, check_seed
from kgzsl.classifiers._inputs import class_indices, float_matrix, rows_per_chunk
from kgzsl.errors import InputError

__all__ = ["k_means", "normalised_mutual_information", "recall_at_k"]

_ROUNDING = 1e-13  # of a squared distance by a product of matrices, in units of the squared lengths


def recall_at_k(
    embeddings: Any, labels: Any, ks: Sequence[int] = (1, 2, 4, 8), *, budget: int = 64 << 20
) -> list[float]:
    """Share of rows that have one of their own class among their K nearest others, by Euclidean distance, in [0, 1].

    Song et al., "Deep Metric Learning via Lifted Structured Feature Embedding" (CVPR 2016), section 6. Ties are settled
    by chance, in expectation over the first own-class row: an embedding that maps everything to one point scores what
    drawing K rows at random would.

    Args:
        embeddings: [N, d], N of at least 2.
        labels: [N].
        ks: The K, each at least 1.
        budget: Bytes that a chunk of distances may take.

    Raises:
        InputError: Fewer than two rows, labels that do not fit, or a K that is no whole number from 1 on.
    """
    given: Any = ks  # one number alone is no list
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InputError(f"ks is {ks!r}", remedy="give a list of whole numbers, 1 or more: (1, 2, 4, 8)")
    ks = list(given)
    for k in ks:
        check_count(k, "one of ks")
    check_budget(budget, "budget")
    points = float_matrix(embeddings, "embeddings", dtype=torch.float64)
    _, encoded = class_indices(labels, len(points))
    truth = torch.as_tensor(encoded, device=points.device)
    if len(points) < 2 or not ks:
        raise InputError(f"recall at {ks} of {len(points)} rows", remedy="give two rows or more, and K from 1 on")
    found = torch.zeros(len(ks), dtype=torch.float64)
    points = points - points.mean(dim=0)
    length = points.square().sum(dim=1)
    step = rows_per_chunk(48 * len(points), budget)
    for start in range(0, len(points), step):
        part = points[start : start + step]
        size = length[start : start + step, None]
        distance = torch.addmm(size + length, part, points.T, alpha=-2)
        own = truth[start : start + step, None] == truth
        line = torch.arange(len(part), device=points.device)
        own[line, start + line] = False
        distance[line, start + line] = torch.inf
        nearest, where = distance.masked_fill(~own, torch.inf).min(dim=1, keepdim=True)
        # A product of matrices is fast, and blurs what is about as near as the nearest: there it is measured exactly.
        blurred = (distance - nearest).abs() <= _ROUNDING * (2 * size + length + length[where])
        unsure = (blurred.sum(dim=1) > 1).nonzero()[:, 0]
        if len(unsure):
            distance[unsure] = torch.cdist(part[unsure], points, compute_mode="donot_use_mm_for_euclid_dist")
            distance[unsure, start + unsure] = torch.inf
            nearest = distance.masked_fill(~own, torch.inf).amin(dim=1, keepdim=True)
        nearer = (distance < nearest).sum(dim=1)
        tied = distance == nearest
        friends, strangers = (tied & own).sum(dim=1), (tied & ~own).sum(dim=1)
        alone = torch.isinf(nearest[:, 0])
        for place, k in enumerate(ks):
            room = (k - nearer).clamp_min(0)
            missed = _none_drawn(friends, strangers, room)
            found[place] += (1 - missed).masked_fill(alone, 0.0).sum().cpu()
    return (found / len(points)).tolist()


def _none_drawn(friends: Tensor, strangers: Tensor, room: Tensor) -> Tensor:
    """Probability that ``room`` rows drawn without return out of friends and strangers hold no friend."""
    total, room = (friends + strangers).double(), room.double()
    drawn = torch.minimum(room, total)
    possible = drawn <= strangers
    strangers = strangers.double()
    # C(strangers, r) / C(total, r), by logarithms of factorials.
    safe = torch.where(possible, drawn, 0.0)
    log = (
        torch.lgamma(strangers + 1)
        - torch.lgamma(strangers - safe + 1)
        - torch.lgamma(total + 1)
        + torch.lgamma(total - safe + 1)
    )
    return torch.where(possible, log.exp(), 0.0)


def normalised_mutual_information(first: Any, second: Any) -> float:
    """Mutual information of two labellings over the mean of their entropies, in [0, 1]; 1 for two constant ones."""
    one = np.unique(np.asarray(first), return_inverse=True)[1]
    two = np.unique(np.asarray(second), return_inverse=True)[1]
    if one.shape != two.shape or one.ndim != 1 or not len(one):
        raise InputError(f"labellings of the shapes {one.shape} and {two.shape}", remedy="give one label a row in both")
    width = int(two.max()) + 1
    joint = np.bincount(one * width + two, minlength=(int(one.max()) + 1) * width).reshape(-1, width) / len(one)
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)

    def entropy(shares: np.ndarray) -> float:
        shares = shares[shares > 0]
        return float(-(shares * np.log(shares)).sum())

    mean = (entropy(rows) + entropy(columns)) / 2
    return 1.0 if mean <= 0 else max(0.0, (2 * mean - entropy(joint.ravel())) / mean)


def k_means(points: Any, count: int, *, seed: int = 0, iterations: int = 100) -> np.ndarray:
    """Lloyd's clustering from a k-means++ start (Arthur and Vassilvitskii 2007): the cluster of each row, int64 [N].

    Args:
        points: [N, d].
        count: Clusters, at most N.
        seed: Of the start.
        iterations: At most; it ends when nothing moves.

    Raises:
        InputError: More clusters than rows, or an option out of range.
    """
    check_count(count, "count")
    check_count(iterations, "iterations", least=0)
    check_seed(seed)
    rows = float_matrix(points, "points", dtype=torch.float64)
    if count > len(rows):
        raise InputError(f"{count} clusters of {len(rows)} rows", remedy="give between 1 and as many as rows")
    generator = torch.Generator().manual_seed(int(seed))
    centres = rows[torch.randint(len(rows), (1,), generator=generator).to(rows.device)]
    for _ in range(count - 1):
        squared = torch.cdist(rows, centres).square().amin(dim=1).cpu()
        if not bool(squared.sum() > 0):
            squared = torch.ones_like(squared)
        chosen = torch.multinomial(squared, 1, generator=generator).to(rows.device)
        centres = torch.cat([centres, rows[chosen]])
    answer = torch.full((len(rows),), -1, dtype=torch.int64, device=rows.device)
    for _ in range(iterations):
        nearest = torch.cdist(rows, centres).argmin(dim=1)
        if torch.equal(nearest, answer):
            break
        answer = nearest
        sums = torch.zeros_like(centres).index_add_(0, answer, rows)
        sizes = torch.bincount(answer, minlength=count)[:, None]
        centres = torch.where(sizes > 0, sums / sizes.clamp_min(1), centres)  # an empty cluster stays where it was
    result: np.ndarray = answer.cpu().numpy()
    return result
