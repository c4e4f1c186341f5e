"""Laps of training and filtered ranking of triple embeddings, PyKEEN's beside ours."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgzsl.benchmarks.kge_boxes import PeerBoxEScorer
from kgzsl.benchmarks.kge_peer import Peer, check
from kgzsl.benchmarks.timing import interleaved
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.priors.triples import (
    BoxEScorer,
    ComplExScorer,
    DistMultScorer,
    RotatEScorer,
    TransEScorer,
    TripleLoop,
    TripleModel,
    TripleOptions,
    TripleScorer,
    rank_triples,
)

__all__ = ["make_scorer", "same_ranks", "speed"]

# Margin and learning rate that both sides train with.
_SETTINGS = {
    "distmult": (0.0, 0.01),
    "complex": (0.0, 0.01),
    "rotate": (6.0, 0.01),
    "transe": (6.0, 0.005),
    "boxe": (6.0, 0.01),
}


def make_scorer(name: str, dim: int) -> TripleScorer:
    """The scorer called ``name``, with ``dim`` numbers per node (BoxE: ``dim`` for the place and as many for bumps)."""
    if name == "transe":
        return TransEScorer(dim, 1)
    if name == "boxe":
        return BoxEScorer(2 * dim)
    if name == "rotate":
        return RotatEScorer(dim)
    return ComplExScorer(dim) if name == "complex" else DistMultScorer(dim)


def same_ranks(name: str, split: KGSplit) -> str:
    """Check that with the same vectors PyKEEN and we give the same filtered MRR; says what was compared.

    Raises:
        AssertionError: They do not.
    """
    return check(name, PeerBoxEScorer(16) if name == "boxe" else make_scorer(name, 8), split)


def speed(
    name: str,
    split: KGSplit,
    *,
    dim: int,
    batch_size: int,
    negatives: int,
    triples: int,
    ranked: int,
    laps: int,
    device: torch.device,
) -> dict[str, Any]:
    """Time a pass over ``triples`` training triples, and the ranking of ``ranked`` test triples, on both sides in turn.

    Both sides train as many numbers per entity with Adam and the self-adversarial loss. PyKEEN draws ``negatives`` for
    each triple; here the batch shares as many nodes, which stand in as heads and as tails.

    Returns:
        ``training`` and ``ranking``, each with ``ours_s`` and ``baseline_s`` (medians), ``ratio``, ``spread``,
        ``triples_per_s`` and ``baseline_triples_per_s``.
    """
    margin, lr = _SETTINGS[name]
    some = split.train[:triples]
    test = split.test[:ranked]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), len(split.entities), len(split.relations))
    options = TripleOptions(batch_size=batch_size, negatives=negatives, margin=margin, lr=lr)
    model, loop = _ours(name, split, some, options, device, dim)
    peer = Peer(name, split, dim, batch_size, negatives, margin, lr, device)
    steps = loop.steps_per_epoch

    def ours_pass() -> None:
        for index in range(steps):
            loop.step(index)

    train = interleaved({"ours": ours_pass, "baseline": lambda: peer.train(some, 1)}, laps, device)
    rank = interleaved(
        {"ours": lambda: rank_triples(model, test, known), "baseline": lambda: peer.rank(test, split)}, laps, device
    )
    found: dict[str, Any] = {}
    for what, taken, count in (("training", train, len(some)), ("ranking", rank, len(test))):
        ours, baseline = taken["ours"], taken["baseline"]
        found[what] = {
            "ours_s": ours.median,
            "baseline_s": baseline.median,
            "ratio": baseline.median / ours.median,
            "spread": max(ours.spread, baseline.spread),
            "triples_per_s": count / ours.median,
            "baseline_triples_per_s": count / baseline.median,
        }
    return found


def _ours(
    name: str, split: KGSplit, train: Tensor, options: TripleOptions, device: torch.device, dim: int
) -> tuple[TripleModel, TripleLoop]:
    random = torch.Generator(device=device).manual_seed(0)
    sizes = len(split.entities), len(split.relations)
    model = TripleModel(make_scorer(name, dim), *sizes, generator=random, device=device, dtype=torch.float32)
    steps = -(-len(train) // options.batch_size)
    return model, TripleLoop(model, train.to(device), options, steps=steps, generator=random)
