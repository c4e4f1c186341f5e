"""Filtered MRR of triple embeddings: ours and PyKEEN's, each with the best of a few settings on validation triples."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from kgzsl.benchmarks.kge_boxes import PeerBoxEScorer
from kgzsl.benchmarks.kge_peer import Peer
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.engine import Engine
from kgzsl.priors.triples import (
    BoxE,
    ComplEx,
    DistMult,
    RotatE,
    TransE,
    TripleEncoder,
    TripleLoop,
    TripleModel,
    TripleOptions,
    TripleScorer,
    rank_triples,
)

__all__ = ["ARMS", "OURS", "Arm", "arms", "encoder", "our_quality", "peer_quality"]


@dataclass(frozen=True)
class Arm:
    """A setting that PyKEEN trains with.

    Args:
        loss: The model's own loss, the self-adversarial one with our margin, or the cross entropy of a triple against
            its negatives.
        negatives: Per triple.
        lr: Adam's.
    """

    loss: Literal["own", "self-adversarial", "softmax"]
    negatives: int
    lr: float

    def __str__(self) -> str:
        return f"{self.loss} loss, {self.negatives} negative{'s' * (self.negatives > 1)}, lr {self.lr:g}"


# PyKEEN's defaults, and what gets further in few epochs: more negatives, weighted, at ten times the learning rate.
ARMS = (Arm("own", 1, 0.001), Arm("self-adversarial", 8, 0.01))

# For the models that ours train with cross entropy, the same at our learning rate.
_SOFTMAX = Arm("softmax", 32, 0.03)

# Options that ours are trained with, the best by validation triples counting; the first are the defaults.
OURS: dict[str, tuple[dict[str, Any], ...]] = {
    "boxe": ({},),
    "complex": ({},),
    "distmult": ({},),
    "rotate": ({},),
    "transe": ({}, {"lr": 0.01}),
}

_ENCODERS: dict[str, type[TripleEncoder]] = {
    "boxe": BoxE,
    "complex": ComplEx,
    "distmult": DistMult,
    "rotate": RotatE,
    "transe": TransE,
}


def encoder(name: str, dim: int, **options: Any) -> TripleEncoder:
    """Our encoder with its defaults and ``dim`` numbers per node (BoxE: for the place, and as many for the bump)."""
    return _ENCODERS[name](2 * dim if name == "boxe" else dim, **options)


def arms(name: str) -> tuple[Arm, ...]:
    """The settings that PyKEEN's ``name`` is trained with: :data:`ARMS`, and cross entropy where ours has it."""
    return (*ARMS, _SOFTMAX) if _ENCODERS[name].default_loss == "softmax" else ARMS


def our_quality(
    name: str,
    split: KGSplit,
    *,
    dim: int,
    epochs: int,
    batch_size: int,
    judged: int,
    tested: int,
    device: torch.device,
    seed: int,
) -> dict[str, Any]:
    """Train with each of :data:`OURS`, take the best by the validation triples, and rank that one.

    Args:
        name: Which model.
        split: The graph.
        dim: Numbers per node.
        epochs: Passes over the training triples.
        batch_size: Triples per step.
        judged: Most validation triples that are ranked.
        tested: Most test triples that are ranked.
        device: Where.
        seed: Of everything random.

    Returns:
        Of the best setting ``valid`` and ``mrr`` (of the test triples), filtered, both sides; ``seconds`` of training
        (processor seconds on a CPU) and ``setting``; ``tried``: setting -> MRR of the validation triples.
    """
    tried: dict[str, float] = {}
    best: tuple[float, TripleModel, float, str] | None = None
    for options in OURS[name]:
        made = encoder(name, dim, epochs=epochs, batch_size=batch_size, **options)
        engine = Engine(device=str(device), precision="32-true", progress=False, seed=seed)
        random = torch.Generator(device=device).manual_seed(seed)
        sizes = len(split.entities), len(split.relations)
        model = TripleModel(made.make_scorer(), *sizes, generator=random, device=device, dtype=torch.float32)
        steps = epochs * -(-len(split.train) // batch_size)
        loop = TripleLoop(model, split.train.to(device), made.training, steps=steps, generator=random)
        begun = _now(device)
        engine.run(loop, steps=steps, name=f"kge-{name}", log_every=max(steps // 10, 1))
        seconds = _now(device) - begun
        setting = _setting(made.training, "" if options else " (defaults)")
        tried[setting] = valid = _mrr(model, split.valid, judged, split)
        if best is None or valid > best[0]:
            best = valid, model, seconds, setting
    return _judged(best, tried, split, tested)


def peer_quality(
    name: str,
    split: KGSplit,
    *,
    dim: int,
    epochs: int,
    batch_size: int,
    judged: int,
    tested: int,
    device: torch.device,
    seed: int,
) -> dict[str, Any]:
    """Train PyKEEN with each of :func:`arms`, take the best by the validation triples, and rank that one.

    PyKEEN's vectors are ranked by our ranking, which gives the MRR that its own gives
    (:func:`kgzsl.benchmarks.kge_peer.check`) in a fraction of the time.

    Args:
        name: As for :func:`our_quality`, like the rest.

    Returns:
        As :func:`our_quality`.
    """
    margin = encoder(name, dim).training.margin
    scorer: TripleScorer = PeerBoxEScorer(2 * dim) if name == "boxe" else encoder(name, dim).make_scorer()
    tried: dict[str, float] = {}
    best: tuple[float, TripleModel, float, str] | None = None
    for arm in arms(name):
        peer = Peer(name, split, dim, batch_size, arm.negatives, margin, arm.lr, device, loss=arm.loss, seed=seed)
        begun = _now(device)
        peer.train(split.train, epochs)
        seconds = _now(device) - begun
        model = peer.ours(scorer)
        tried[str(arm)] = valid = _mrr(model, split.valid, judged, split)
        if best is None or valid > best[0]:
            best = valid, model, seconds, str(arm)
    return _judged(best, tried, split, tested)


def _judged(
    best: tuple[float, TripleModel, float, str] | None, tried: dict[str, float], split: KGSplit, tested: int
) -> dict[str, Any]:
    assert best is not None
    valid, model, seconds, setting = best
    mrr = _mrr(model, split.test, tested, split)
    return {"valid": valid, "mrr": mrr, "seconds": seconds, "setting": setting, "tried": tried}


def _setting(how: TripleOptions, note: str) -> str:
    drawn = f"{how.negatives} shared nodes" if how.negatives else "all nodes"
    extra = f"N3 {how.n3:g}" if how.n3 else f"margin {how.margin:g}"
    return f"{how.loss} loss, {drawn}, lr {how.lr:g}, {extra}{note}"


def _mrr(model: TripleModel, triples: Tensor, most: int, split: KGSplit) -> float:
    """Filtered MRR of at most ``most`` of ``triples``, the same ones each time."""
    some = torch.randperm(len(triples), generator=torch.Generator().manual_seed(0))[:most]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), model.num_nodes, model.num_relations)
    return rank_triples(model, triples[some], known).mrr


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()
