"""PyKEEN as the peer of the benchmark of triple embeddings, and as its oracle."""

from __future__ import annotations

import logging
import math
from typing import Any

import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.errors import InputError
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.ranking import rank_triples
from kgzsl.priors.triples.scorer import TripleScorer

__all__ = ["Peer", "check", "require", "version"]


def require() -> None:
    """Make sure that PyKEEN is there.

    Raises:
        InputError: It is not.
    """
    try:
        import pykeen  # noqa: F401
    except ImportError:
        raise InputError("this benchmark compares with PyKEEN", remedy="pip install pykeen") from None
    for name in ("pykeen", "torch_max_mem"):
        logging.getLogger(name).setLevel(logging.ERROR)


def version() -> str:
    """PyKEEN's version."""
    from importlib.metadata import version as installed

    return installed("pykeen")


class Peer:
    """A PyKEEN model with its training loop and evaluator.

    Args:
        name: Which model.
        split: The graph.
        dim: Numbers per entity.
        batch_size: Triples per step.
        negatives: Negatives per triple.
        margin: Of its self-adversarial loss.
        lr: Adam's learning rate.
        device: Where it runs.
    """

    def __init__(
        self,
        name: str,
        split: KGSplit,
        dim: int,
        batch_size: int,
        negatives: int,
        margin: float,
        lr: float,
        device: torch.device,
    ) -> None:
        require()
        from pykeen.losses import NSSALoss

        self.batch_size, self.negatives, self.lr, self.device = batch_size, negatives, lr, device
        self._split = split
        # PyKEEN counts complex numbers, we count real ones.
        size = dim // 2 if name in ("complex", "rotate") else dim
        options: dict[str, Any] = {"embedding_dim": size}
        if name == "transe":
            options["scoring_fct_norm"] = 1
        self.model = _classes()[name](
            triples_factory=self._factory(split.train),
            loss=NSSALoss(margin=margin, adversarial_temperature=1.0),
            random_seed=0,
            **options,
        ).to(device)

    def _factory(self, triples: Tensor) -> Any:
        from pykeen.triples import CoreTriplesFactory

        return CoreTriplesFactory(
            triples, num_entities=len(self._split.entities), num_relations=len(self._split.relations)
        )

    def train(self, triples: Tensor, epochs: int) -> None:
        """``epochs`` passes over ``triples``, int64 [T, 3]."""
        from pykeen.training import SLCWATrainingLoop

        factory = self._factory(triples)
        loop = SLCWATrainingLoop(
            model=self.model,
            triples_factory=factory,
            optimizer=torch.optim.Adam(self.model.parameters(), lr=self.lr),
            negative_sampler="basic",
            negative_sampler_kwargs={"num_negs_per_pos": self.negatives},
        )
        loop.train(
            factory,
            num_epochs=epochs,
            batch_size=self.batch_size,
            use_tqdm=False,
            use_tqdm_batch=False,
            num_workers=0,
            pin_memory=False,
        )

    def rank(self, triples: Tensor, split: KGSplit) -> float:
        """The filtered, realistic MRR of ``triples``, both sides."""
        from pykeen.evaluation import RankBasedEvaluator

        evaluator = RankBasedEvaluator(filtered=True, metrics=["inverse_harmonic_mean_rank"], add_defaults=False)
        result = evaluator.evaluate(
            self.model,
            triples,
            batch_size=256,
            device=self.device,
            use_tqdm=False,
            additional_filter_triples=[split.train, split.valid, split.test],
        )
        return float(result.get_metric("both.realistic.inverse_harmonic_mean_rank"))

    def copy(self, model: TripleModel) -> None:
        """Take over the vectors of ``model``; only where both have the same parameters (all but BoxE)."""
        entities = self.model.entity_representations[0]
        relations = self.model.relation_representations[0]
        nodes, steps = model.nodes.detach(), model.relations.detach()
        name = type(self.model).__name__
        if name == "RotatE":
            steps = torch.cat([steps.cos(), steps.sin()], dim=1)
        if name in ("ComplEx", "RotatE"):
            nodes, steps = (torch.stack(part.chunk(2, dim=1), dim=2).flatten(1) for part in (nodes, steps))
        with torch.no_grad():
            for table, values in ((entities, nodes), (relations, steps)):
                weight = next(table.parameters())
                weight.copy_(values.reshape(weight.shape))


def check(name: str, scorer: TripleScorer, split: KGSplit, *, triples: int = 60) -> str:
    """Give PyKEEN our vectors, and compare its filtered MRR with ours.

    Returns:
        What was compared, and the gap.

    Raises:
        AssertionError: They differ by more than 0.001 (near ties may fall either way in float32).
    """
    random = torch.Generator().manual_seed(1)
    model = TripleModel(scorer, len(split.entities), len(split.relations), generator=random, dtype=torch.float32)
    if name == "rotate":
        with torch.no_grad():
            model.relations.uniform_(-math.pi, math.pi, generator=random)
    peer = Peer(name, split, scorer.dim, 64, 1, 1.0, 0.01, torch.device("cpu"))
    peer.copy(model)
    some = split.test[:triples]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), len(split.entities), len(split.relations))
    ours, theirs = rank_triples(model, some, known).mrr, peer.rank(some, split)
    if not abs(ours - theirs) <= 1e-3:
        raise AssertionError(f"{name}: with the same vectors the filtered MRR is {ours:.6f} here, {theirs:.6f} there")
    return f"{name}: with the same vectors both rank alike, MRR {ours:.4f}, gap {abs(ours - theirs):.1e}"


def _classes() -> dict[str, Any]:
    from pykeen.models import BoxE, ComplEx, DistMult, RotatE, TransE

    return {"boxe": BoxE, "complex": ComplEx, "distmult": DistMult, "rotate": RotatE, "transe": TransE}
