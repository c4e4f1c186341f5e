"""The estimator: completes relations that were never in training, from what is known about them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_numbers, check_whole
from kgzsl._resolver import Resolver
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, History
from kgzsl.errors import InputError, nearest
from kgzsl.generators.base import FeatureGenerator
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks._class_distances import distances_for
from kgzsl.tasks.kg_completion.best_state import BestState
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.completer import Completion
from kgzsl.tasks.kg_completion.entity_vectors import EntityVectors
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.mappings import ridge_prototypes
from kgzsl.tasks.kg_completion.new_priors import with_new_relations
from kgzsl.tasks.kg_completion.pair_features import PairFeatures, unit_mean
from kgzsl.tasks.kg_completion.pair_graph import PairGraph
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.relation_network import network_of, propagated_prototypes

__all__ = ["Completion", "RelationCompleter", "prototype_scorer"]

Validate = Callable[[Scorer], float]


class RelationCompleter(ProposingCompleter):
    """Learns on the seen relations of a knowledge graph, answers for any relation that has a prior.

    Pair features are trained on the seen relations, each playing the unseen one in turn; a generator, the same that
    makes image features, learns "prior -> pair features"; for an unseen relation it draws ``samples`` features, and
    candidates are ranked by their mean cosine to these (Qin et al., "Generative Adversarial Zero-Shot Relational
    Learning for Knowledge Graphs", AAAI 2020; Geng et al., "OntoZSL", WWW 2021).

    Args:
        generator: A name of ``kgzsl.generators.generators``, an unfitted generator, or None: prototypes by ridge
            regression from priors to the seen relations' mean features.
        samples: Features drawn for a relation.
        generator_options: Options of a generator given by name.
        pairs: Options of :class:`PairFeatures`.
        penalty: Of the ridge regression, where there is no generator.
        network: Without a generator, prototypes by a graph network over the schema rather than by ridge regression
            (DOZSL-GCN): a propagation encoder, ``"gcn"``, ``"rgcn"``, ``"compgcn"``, ``"gat"``, ``"dgp"``, ``"trgcn"``;
            see :func:`propagated_prototypes`. Relations that the schema does not know go by the regression.
        network_options: Options of that network.
        seed: Of everything.
        device: ``"auto"``, ``"cpu"``, ``"cuda"``.
        precision: As in :class:`kgzsl.engine.Engine`.

    Attributes:
        features_: The fitted :class:`PairFeatures`.
        generator_: The fitted generator, or None.
        priors_: The priors of all relations, seen and unseen.
        seen_: Names of the relations with a known fact.
        kinds_: Of the entities, with domains and ranges of relations.
        calibration_: From scores to probabilities, for relations without training triples; None where nothing was held
            out to fit it on. :func:`kgzsl.tasks.kg_completion.held_out_calibration.held_out_calibration` fits one.
        network_history_: Losses of the graph network, or None.
        chosen_: What was chosen on validation relations: ``steps``, ``epochs``, and the figures that they gave.
        looks_: Every figure that it was chosen by: of ``steps``, of ``epochs``, by their number.
    """

    _propagated: tuple[Tensor, Tensor] | None = None
    network_history_: History | None = None
    calibration_: Calibration | None = None

    def __init__(
        self,
        generator: str | FeatureGenerator | None = "wgan",
        *,
        samples: int = 20,
        generator_options: Mapping[str, Any] | None = None,
        pairs: Mapping[str, Any] | None = None,
        penalty: float = 0.1,
        network: str | None = None,
        network_options: Mapping[str, Any] | None = None,
        seed: int = 0,
        device: str = "auto",
        precision: str = "auto",
    ) -> None:
        self.generator = generator
        self.samples = samples
        self.generator_options = generator_options
        self.pairs = pairs
        self.penalty = penalty
        self.network, self.network_options = network, network_options
        if network is not None:
            if generator is not None:
                raise InputError(
                    f"network is {network!r} beside a generator", remedy="generator=None: one of them makes prototypes"
                )
            network_of(network, network_options)
        check_whole(self, "samples")
        check_numbers(self, "penalty")
        self._new_features()
        self.seed = seed
        self.device = device
        self.precision = precision

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = ("generator", "samples", "generator_options", "pairs", "penalty", "network", "network_options")
        return {name: getattr(self, name) for name in (*names, "seed", "device", "precision")}

    def set_params(self, **options: Any) -> Self:
        """Change options of the constructor; returns itself."""
        for name, value in options.items():
            if name not in self.get_params():
                close = nearest(name, self.get_params())
                raise InputError(
                    f"RelationCompleter has no option {name!r}", remedy=f"did you mean {close[0]!r}?" if close else None
                )
            setattr(self, name, value)
        return self

    def fit(
        self,
        kg: KGSplit,
        priors: ClassPriors,
        *,
        sides: str = "both",
        candidates: Mapping[int, Tensor] | None = None,
        validate: Validate | None = None,
        every: tuple[int, int] = (50, 5),
        engine: Engine | None = None,
        features: PairFeatures | None = None,
        vectors: EntityVectors | None = None,
        schema: ClassGraph | None = None,
    ) -> Self:
        """Train on the training triples of ``kg``; its other triples are not looked at.

        Args:
            kg: The knowledge graph.
            priors: Vectors of its relations, seen and unseen; more do no harm.
            sides: ``"tail"`` trains for ranking tails only, ``"both"`` for heads too.
            candidates: Relation id to the tails that corrupted training pairs are drawn from; see
                :func:`kgzsl.tasks.kg_completion.candidate_rules.training_candidates`.
            validate: Told a scorer, says how good it is (higher is better) on relations that are no part of training.
                With it, the best steps of the pair features and the best epochs of the generator are kept.
            every: Steps of the pair features, and epochs of the generator, between validations.
            engine: Device, seed, progress, checkpoints; made from the options where left out.
            features: Pair features that are fitted already, on the same graph and priors.
            vectors: Vectors of the entities for the pair features, in place of what ``pairs`` says of them.
            schema: The schema graph, which ``network`` needs, and a generator that goes by the class graph; for kinds
                that rdfs:domain and rdfs:range allow.

        Raises:
            InputError: A relation of ``kg`` without a prior, fewer than two relations with training triples, or a
                network without a schema.
            TrainingError: A loss became NaN or infinite.
        """
        engine = engine or Engine(device=self.device, precision=self.precision, seed=self.seed, progress=False)
        if self.network is not None and schema is None:
            raise InputError(f"the network {self.network!r} needs the schema graph", remedy="give schema=")
        self._set_names(kg, priors)
        self.kinds_ = EntityKinds.read(kg.entities, kg.relations, schema, types=kg.types)
        self.calibration_ = None
        prior_rows = self._prior_rows.to(engine.torch_device)
        self.chosen_: dict[str, Any] = {}
        self.looks_: dict[str, dict[int, float]] = {}
        if features is None:
            features = self._new_features()
            keep = BestState(validate, engine, "pairs")

            def look(fitted: PairFeatures, done: int) -> dict[str, float] | None:
                means = fitted.relation_means()
                scorer = prototype_scorer(fitted, fitted.attention(prior_rows, means), prior_rows)
                return keep.look(done, scorer, lambda: fitted.encoder_state())

            features.fit(
                kg,
                prior_rows[self._seen],
                sides=sides,
                candidates=candidates,
                engine=engine,
                callback=look,
                callback_every=every[0] if validate is not None else None,
                vectors=vectors,
            )
            if keep.state is not None:
                features.load_encoder_state(keep.state)
                self.chosen_ |= {"steps": keep.at, "pairs.validation.mrr": keep.value}
                self.looks_["steps"] = keep.looks
        self.features_ = features
        self.memory_budget_ = features.memory_budget
        self.generator_: FeatureGenerator | None = self._new_generator()
        self._distances = distances_for(self.generator_, schema, kg.relations, self.seen_)
        self._drawn: dict[int, Tensor] = {}
        if self.generator_ is None:
            self._means = features.relation_means()
            self._propagated = self.network_history_ = None
            if self.network is not None and schema is not None:
                network = network_of(self.network, self.network_options)
                self._propagated = propagated_prototypes(
                    network, schema, kg.relations, self._seen, self._means, engine=engine
                )
                self.network_history_ = network.history_
            return self
        keep = BestState(validate, engine, "generator")

        def listen(fitted: FeatureGenerator, done: int) -> dict[str, float] | None:
            return keep.look(done, self._generated_scorer(fitted), lambda: fitted.state_dict())

        more: dict[str, Any] = {} if self._distances is None else {"distances": self._distances[self._seen]}
        pairs, labels = features.training_pairs()
        self.generator_.fit(
            pairs,
            labels,
            prior_rows[self._seen],
            engine=engine,
            callback=listen,
            callback_every_epochs=every[1] if validate is not None else None,
            **more,
        )
        if keep.state is not None:
            self.generator_.load_state_dict(keep.state)
            self.chosen_ |= {"epochs": keep.at, "generator.validation.mrr": keep.value}
            self.looks_["epochs"] = keep.looks
        return self

    def _set_names(self, kg: KGSplit, priors: ClassPriors) -> None:
        self.priors_ = priors.align(kg.relations)
        self._prior_rows = self.priors_.to_tensor()
        self._seen = torch.unique(kg.train[:, 1]).cpu()
        self.entities_, self.relations_ = kg.entities, kg.relations
        self.seen_ = kg.names_of(self._seen)
        self._known = kg.train.cpu()

    def _new_features(self) -> PairFeatures:
        """Not fitted; refuses what ``pairs`` says and cannot be."""
        return Resolver("argument", PairFeatures, {"pairs": PairFeatures}).make("pairs", **(self.pairs or {}))

    def _new_generator(self) -> FeatureGenerator | None:
        from kgzsl import generators

        if self.generator is None:
            return None
        if isinstance(self.generator, str):
            return generators.make(self.generator, **(self.generator_options or {}))
        return copy.deepcopy(self.generator)

    # --------------------------------------------------------------------------------------------------- answering

    def set_facts(self, triples: Tensor) -> Self:
        """Take other triples as known from now on: int64 [T, 3]. Nothing is learned anew.

        Pairs are told by what links them: by facts of relations that training had, the only ones that it knows how to
        read. Facts of others are known and proposed to nobody.
        """
        self._known = self._told_facts(triples)
        features = copy.copy(self.features_)
        self.seen_ = [self.relations_[number] for number in torch.unique(self._known[:, 1]).tolist()]
        mine = self._known[torch.isin(self._known[:, 1], self._seen)]
        place = torch.searchsorted(self._seen, mine[:, 1].contiguous())
        arcs = torch.stack([mine[:, 0], place, mine[:, 2]], dim=1)
        before = self.features_.graph
        drawn = None if before.neighbours is None else before.neighbours.to("cpu").grown(self.entities_)
        graph = PairGraph(arcs, len(self.entities_), len(self._seen), neighbours=drawn)
        features.graph = graph.to(before.device)
        features.forget()
        self.features_ = features
        return self

    @property
    def takes_entities(self) -> bool:
        """See :attr:`ProposingCompleter.takes_entities`."""
        return self.features_.encoder.entities is None

    def grow(self, entities: Sequence[str] = (), relations: Sequence[str] = (), **more: Any) -> list[str]:
        """See :meth:`ProposingCompleter.grow`.

        Raises:
            InputError: There are new entities, and pairs are told by vectors of entities, too.
        """
        if entities and not self.takes_entities:
            raise InputError(
                "pairs are told by vectors of entities, and what came after training has none",
                remedy="train with their facts, or without pairs.entity_vectors, or with ranker: evidence",
            )
        return super().grow(entities, relations, **more)

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """See :meth:`ProposingCompleter.calibrations_for`; none for relations with training triples."""
        return () if bool((self._seen == relation).any()) else super().calibrations_for(relation)

    def confidence_notes(self, relation: int) -> list[str]:
        """See :meth:`ProposingCompleter.confidence_notes`."""
        told = super().confidence_notes(relation)
        if told and self.calibration_ is not None:
            name = self.relations_[relation]
            return [f"{name} has training triples: probabilities were fitted for relations without; {told[0]}"]
        return told

    def _grow_priors(self, relations: Sequence[str], schema: ClassGraph | None, was: ClassGraph | None) -> list[str]:
        if not relations:
            return []
        before = self._prior_rows
        assert self.priors_ is not None
        self.priors_, notes = with_new_relations(self.priors_, relations, schema, was)
        # The generator reads what the priors were made of; a column of a relation's own says nothing to it.
        rows = self.priors_.align(self.relations_).to_tensor()[:, : before.shape[1]]
        self._prior_rows = rows
        silent = [name for name in relations if not bool(rows[self.relations_.index(name)].any())]
        if silent:
            notes = [f"nothing says what {some_names(silent)} is like: this ranker answers by that alone"]
        more = len(self.relations_) - len(before)
        if self._propagated is not None:
            table, known = self._propagated
            blank = torch.zeros(more, table.shape[1], dtype=table.dtype, device=table.device)
            self._propagated = torch.cat([table, blank]), torch.cat([known, known.new_zeros(more)])
        if self._distances is not None:
            far = torch.full((more, self._distances.shape[1]), float("inf"))
            self._distances = torch.cat([self._distances, far])
        return notes

    def prototypes(self, relation: str | int, n: int | None = None) -> Tensor:
        """Features that pairs of the relation should have: float [n, D], drawn from the generator.

        Args:
            relation: Name or id; also one that was never in training.
            n: How many; ``samples`` of them where left out. Without a generator there is one.
        """
        number = self._relation(relation)
        row = self._prior_rows[number : number + 1].to(self.features_.graph.device)
        if self.generator_ is None and self._propagated is not None and bool(self._propagated[1][number]):
            return self._propagated[0][number : number + 1].to(row.device)
        if self.generator_ is None:
            return ridge_prototypes(self._prior_rows[self._seen].to(row.device), self._means, row, penalty=self.penalty)
        return self._sample(self.generator_, number, n or self.samples)

    def _sample(self, generator: FeatureGenerator, relation: int, count: int) -> Tensor:
        row = self._prior_rows[relation : relation + 1].to(self.features_.graph.device)
        random = torch.Generator(device="cpu").manual_seed(self.seed)
        more: dict[str, Any] = {}
        if self._distances is not None:
            more["distances"] = self._distances[relation : relation + 1]
        features, _ = generator.sample(row, count, generator=random, **more)
        return features.to(self.features_.graph.device)

    def _generated_scorer(self, generator: FeatureGenerator) -> Scorer:
        drawn: dict[int, Tensor] = {}

        def score(relation: int, anchors: Tensor, side: str) -> Tensor:
            if relation not in drawn:
                drawn[relation] = unit_mean(self._sample(generator, relation, self.samples))
            return self.features_.scores(drawn[relation], anchors, self._prior_rows[relation], side=side)

        return score

    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """Mean cosine of the pairs of each anchor with every entity to the features drawn for the relation.

        Args:
            relation: Name or id.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.

        Returns:
            float32 [Q, E].
        """
        number, anchors = self._asked(relation, anchors, side)
        if number not in self._drawn:
            self._drawn[number] = unit_mean(self.prototypes(number))
        return self.features_.scores(self._drawn[number], anchors, self._prior_rows[number], side=side)

    def limit_memory(self, budget: int) -> Self:
        """Let scoring take so many bytes at a time, from now on."""
        super().limit_memory(budget)
        self.features_.memory_budget = budget
        return self

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write all that answering needs into a folder, all or nothing, and return it."""
        from kgzsl.tasks.kg_completion._store import save_model

        return save_model(self, Path(folder))

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> RelationCompleter:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        from kgzsl.tasks.kg_completion._store import load_model

        return load_model(cls, Path(folder), device)

    def __repr__(self) -> str:
        fitted = f", {len(self.seen_)} seen of {len(self.relations_)} relations" if hasattr(self, "seen_") else ""
        return f"RelationCompleter({self.generator!r}{fitted})"


def prototype_scorer(features: PairFeatures, prototypes: Tensor, priors: Tensor) -> Scorer:
    """Scores by one prototype a relation: float [relations, D], with the relations' priors [relations, P]."""
    unit = torch.nn.functional.normalize(prototypes, dim=1)
    return lambda relation, anchors, side: features.scores(unit[relation], anchors, priors[relation], side=side)
