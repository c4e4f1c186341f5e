"""Retrieval and clustering of unseen classes: how near rows of one class lie in a space, in percent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kgzsl.classifiers import k_means, normalised_mutual_information, recall_at_k

__all__ = ["RETRIEVAL", "RETRIEVAL_KS", "Space", "retrieval_figures", "score_spaces"]

RETRIEVAL_KS = (1, 2, 4, 8)
RETRIEVAL = (*(f"retrieval.recall@{k}" for k in RETRIEVAL_KS), "retrieval.nmi")
"""The names of the figures, in the order in which they are shown."""


@dataclass(frozen=True)
class Space:
    """Test rows of unseen classes in some space, before anybody looks at their labels.

    Args:
        points: float [Nu, d].
        seed: Of the clusters.
    """

    points: Any
    seed: int = 0


def retrieval_figures(points: Any, labels: Any, *, seed: int = 0) -> dict[str, float]:
    """Recall@1, 2, 4, 8 and NMI of a space, in percent, by Euclidean distance.

    Recall@K is the share of rows that have one of their class among their K nearest others; NMI is that of the classes
    and as many clusters by k-means, which knows no class (Song et al., CVPR 2016, section 6). A space in which all rows
    are one point scores chance in the one and 0 in the other.

    Args:
        points: [N, d], N of at least 2.
        labels: [N].
        seed: Of the start of k-means.

    Raises:
        InputError: Fewer than two rows, values that are not finite, or labels that do not fit.
    """
    return {**_recall(points, labels), **_clusters(points, labels, seed)}


def score_spaces(spaces: Mapping[str, Space], labels: npt.NDArray[np.int64]) -> dict[str, dict[str, float]]:
    """:func:`retrieval_figures` of several spaces of the same rows; what several share is measured once."""
    recalls: dict[int, dict[str, float]] = {}
    found = {}
    for name, space in spaces.items():
        if id(space.points) not in recalls:
            recalls[id(space.points)] = _recall(space.points, labels)
        found[name] = {**recalls[id(space.points)], **_clusters(space.points, labels, space.seed)}
    return found


def _recall(points: Any, labels: Any) -> dict[str, float]:
    shares = recall_at_k(points, labels, RETRIEVAL_KS)
    return {f"retrieval.recall@{k}": 100.0 * share for k, share in zip(RETRIEVAL_KS, shares, strict=True)}


def _clusters(points: Any, labels: Any, seed: int) -> dict[str, float]:
    clusters = k_means(points, len(np.unique(np.asarray(labels))), seed=seed)
    return {"retrieval.nmi": 100.0 * normalised_mutual_information(labels, clusters)}
