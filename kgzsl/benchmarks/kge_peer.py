"""PyKEEN as the peer of the benchmark of triple embeddings, and as its oracle."""

from __future__ import annotations

import logging
from typing import Any, Literal

import torch
from torch import Tensor

from kgzsl.benchmarks.kge_boxes import boxes
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
        loss: ``"self-adversarial"``, ``"softmax"`` for the cross entropy of a triple against its negatives, or
            ``"own"`` for the model's own loss with its own margin.
        seed: Of its first vectors, its batches and its negatives.
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
        *,
        loss: Literal["self-adversarial", "softmax", "own"] = "self-adversarial",
        seed: int = 0,
    ) -> None:
        require()
        from pykeen.losses import InfoNCELoss, NSSALoss

        self.batch_size, self.negatives, self.lr, self.device = batch_size, negatives, lr, device
        self._split = split
        self._sizes = len(split.entities), len(split.relations)
        # PyKEEN counts complex numbers, we count real ones.
        size = dim // 2 if name in ("complex", "rotate") else dim
        options: dict[str, Any] = {"embedding_dim": size}
        if name == "transe":
            options["scoring_fct_norm"] = 1
        if loss == "self-adversarial":
            options["loss"] = NSSALoss(margin=margin, adversarial_temperature=1.0)
        elif loss == "softmax":
            # Without margin and at temperature 1 it is the cross entropy.
            options["loss"] = InfoNCELoss(margin=0.0, log_adversarial_temperature=0.0)
        self.name, self.dim = name, dim
        self.model = _classes()[name](triples_factory=self._factory(split.train), random_seed=seed, **options).to(
            device
        )

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

    @torch.no_grad()
    def ours(self, scorer: TripleScorer) -> TripleModel:
        """A model of ours with the vectors that PyKEEN has now, so that our ranking can be used on them.

        Args:
            scorer: Ours for the model's score; for BoxE :class:`PeerBoxEScorer`, whose score is PyKEEN's.
        """
        entities = [part(indices=None) for part in self.model.entity_representations]
        relations = [part(indices=None) for part in self.model.relation_representations]
        if self.name == "boxe":
            nodes, steps = torch.cat(entities, dim=1), torch.cat(boxes(relations), dim=1)
        else:
            nodes, steps = (_real(part[0]) for part in (entities, relations))
        if self.name == "rotate":
            cosine, sine = steps.chunk(2, dim=1)
            steps = torch.atan2(sine, cosine)
        model = TripleModel(scorer, *self._sizes, device=nodes.device, dtype=nodes.dtype)
        for table, values in ((model.nodes, nodes), (model.relations, steps)):
            if table.shape != values.shape:
                raise AssertionError(f"{self.name}: {tuple(values.shape)} numbers there, {tuple(table.shape)} here")
            table.copy_(values)
        return model.requires_grad_(False)


def check(name: str, scorer: TripleScorer, split: KGSplit, *, triples: int = 60) -> str:
    """Take over PyKEEN's first vectors, and compare its filtered MRR with ours.

    Returns:
        What was compared, and the gap.

    Raises:
        AssertionError: They differ by more than 0.001 (near ties may fall either way in float32).
    """
    dim = scorer.dim // 2 if name == "boxe" else scorer.dim
    peer = Peer(name, split, dim, 64, 1, 1.0, 0.01, torch.device("cpu"), seed=1)
    some = split.test[:triples]
    known = FilterIndex(torch.cat([split.train, split.valid, split.test]), len(split.entities), len(split.relations))
    ours, theirs = rank_triples(peer.ours(scorer), some, known).mrr, peer.rank(some, split)
    if not abs(ours - theirs) <= 1e-3:
        raise AssertionError(f"{name}: with the same vectors the filtered MRR is {ours:.6f} here, {theirs:.6f} there")
    return f"{name}: with the same vectors both rank alike, MRR {ours:.4f}, gap {abs(ours - theirs):.1e}"


def _real(table: Tensor) -> Tensor:
    """Complex numbers [R, K] (or [R, K, 2]) as real, then imaginary parts [R, 2 K]; real ones as they are."""
    if table.is_complex():
        return torch.cat([table.real, table.imag], dim=1)
    return torch.cat(list(table.unbind(dim=2)), dim=1) if table.ndim == 3 else table


def _classes() -> dict[str, Any]:
    from pykeen.models import BoxE, ComplEx, DistMult, RotatE, TransE

    return {"boxe": BoxE, "complex": ComplEx, "distmult": DistMult, "rotate": RotatE, "transe": TransE}
