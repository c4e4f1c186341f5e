"""Training and filtered ranking of triple embeddings beside PyKEEN, in the same process."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl.benchmarks import kge_peer
from kgzsl.benchmarks.timing import interleaved
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
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

__all__ = ["MODELS", "make_scorer", "run"]

MODELS = ("distmult", "complex", "rotate", "transe", "boxe")

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


def run(
    device: str = "auto",
    *,
    data: KGSplit | None = None,
    models: Sequence[str] = MODELS,
    dim: int = 128,
    batch_size: int = 256,
    negatives: int = 64,
    triples: int = 10_240,
    ranked: int = 400,
    laps: int = 2,
    epochs: int = 0,
    threads: int = 1,
) -> dict[str, Any]:
    """Time a pass over ``triples`` and the filtered ranking of ``ranked`` test triples on both sides, per model.

    Both sides train the same number of parameters with Adam and the self-adversarial loss. PyKEEN draws ``negatives``
    for each triple; here the batch shares as many nodes, which stand in as heads and as tails. With ``epochs`` both
    are also trained on the whole training set for as many passes, and the filtered MRR of the test set is compared.

    Args:
        device: As for :class:`Engine`.
        data: The graph; None is CoDEx-S.
        models: Which of :data:`MODELS`.
        dim: Numbers per entity.
        batch_size: Triples per step.
        negatives: See above.
        triples: Training triples per lap.
        ranked: Test triples per lap, both sides of each.
        laps: Laps of each side.
        epochs: Passes for the comparison of MRR; 0 leaves it out.
        threads: Threads of the CPU.

    Returns:
        The report, see :func:`kgzsl.benchmarks.run`, with ``rows``, one per model; ``ratio`` is the geometric mean of
        the training ratios.

    Raises:
        InputError: PyKEEN or the data set is missing.
    """
    unknown = [name for name in models if name not in MODELS]
    if unknown or not models:
        raise InputError(f"models={list(models)!r} is not known", remedy=f"choose among {', '.join(MODELS)}")
    kge_peer.require()
    split = data if data is not None else _codex()
    engine = Engine(device=device, precision="32-true", progress=False)
    where = engine.torch_device
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        checked = [kge_peer.check(name, make_scorer(name, 8), split) for name in models if name != "boxe"]
        rows = [_row(name, split, where, dim, batch_size, negatives, triples, ranked, laps, epochs) for name in models]
    finally:
        torch.set_num_threads(before)
    train = [row["training"] for row in rows]
    return {
        "name": "kge",
        "ours_s": sum(row["ours_s"] for row in train),
        "baseline_s": sum(row["baseline_s"] for row in train),
        "ratio": math.exp(sum(math.log(row["ratio"]) for row in train) / len(train)),
        "spread": max(row["spread"] for row in train),
        "unit": ("processor" if where.type == "cpu" else "wall") + f" seconds for {triples} training triples",
        "checked": "; ".join(checked),
        "sizes": {
            "data": split.name,
            "entities": len(split.entities),
            "relations": len(split.relations),
            "dim": dim,
            "batch_size": batch_size,
            "negatives": negatives,
            "triples": triples,
            "ranked": ranked,
            "laps": laps,
            "epochs": epochs,
        },
        "rows": rows,
        "device": torch.cuda.get_device_name(where) if where.type == "cuda" else where.type,
        "threads": threads,
        "baseline": f"PyKEEN {kge_peer.version()}, its sLCWA loop and rank-based evaluator",
    }


def _row(
    name: str,
    split: KGSplit,
    where: torch.device,
    dim: int,
    batch_size: int,
    negatives: int,
    triples: int,
    ranked: int,
    laps: int,
    epochs: int,
) -> dict[str, Any]:
    margin, lr = _SETTINGS[name]
    some = split.train[:triples]
    test = split.test[:ranked]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), len(split.entities), len(split.relations))
    options = TripleOptions(batch_size=batch_size, negatives=negatives, margin=margin, lr=lr)
    model, loop = _ours(name, split, some, options, where, dim)
    peer = kge_peer.Peer(name, split, dim, batch_size, negatives, margin, lr, where)
    steps = loop.steps_per_epoch

    def ours_pass() -> None:
        for index in range(steps):
            loop.step(index)

    train = interleaved({"ours": ours_pass, "baseline": lambda: peer.train(some, 1)}, laps, where)
    rank = interleaved(
        {"ours": lambda: rank_triples(model, test, known), "baseline": lambda: peer.rank(test, split)}, laps, where
    )
    row: dict[str, Any] = {"model": name}
    for what, taken, count in (("training", train, len(some)), ("ranking", rank, len(test))):
        ours, baseline = taken["ours"], taken["baseline"]
        row[what] = {
            "ours_s": ours.median,
            "baseline_s": baseline.median,
            "ratio": baseline.median / ours.median,
            "spread": max(ours.spread, baseline.spread),
            "triples_per_s": count / ours.median,
            "baseline_triples_per_s": count / baseline.median,
        }
    if epochs:
        row["quality"] = _quality(name, split, options, where, dim, epochs, known)
    return row


def _ours(
    name: str, split: KGSplit, train: Tensor, options: TripleOptions, where: torch.device, dim: int, epochs: int = 1
) -> tuple[TripleModel, TripleLoop]:
    random = torch.Generator(device=where).manual_seed(0)
    sizes = len(split.entities), len(split.relations)
    model = TripleModel(make_scorer(name, dim), *sizes, generator=random, device=where, dtype=torch.float32)
    steps = epochs * -(-len(train) // options.batch_size)
    return model, TripleLoop(model, train.to(where), options, steps=steps, generator=random)


def _quality(
    name: str, split: KGSplit, options: TripleOptions, where: torch.device, dim: int, epochs: int, known: FilterIndex
) -> dict[str, float]:
    model, loop = _ours(name, split, split.train, options, where, dim, epochs)
    for index in range(epochs * loop.steps_per_epoch):
        loop.step(index)
    peer = kge_peer.Peer(name, split, dim, options.batch_size, options.negatives, options.margin, options.lr, where)
    peer.train(split.train, epochs)
    return {
        "epochs": float(epochs),
        "mrr": rank_triples(model, split.test, known).mrr,
        "baseline_mrr": peer.rank(split.test, split),
    }


def _codex() -> KGSplit:
    from kgzsl import datasets

    found = datasets.load("codex_s")
    assert isinstance(found, KGSplit)
    return found
