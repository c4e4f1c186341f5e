"""The estimator that ranks by evidence: counted for any relation with a prior, weighed as seen relations teach."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_budget, check_numbers, check_whole
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, History, load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, PRIORS, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.best_state import BestState
from kgzsl.tasks.kg_completion.contradictions import Contradictions
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.cross_fit import cross_fitted
from kgzsl.tasks.kg_completion.evidence.episodes import Episodes, draw_episodes
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, FactEvidence
from kgzsl.tasks.kg_completion.evidence.held import HeldEvidence
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds, Types
from kgzsl.tasks.kg_completion.evidence.names import NameTable
from kgzsl.tasks.kg_completion.evidence.ranker import EvidenceRanker, RankerLoop
from kgzsl.tasks.kg_completion.evidence.unsaid import unsaid_relations
from kgzsl.tasks.kg_completion.proposing import Likeness, ProposingCompleter
from kgzsl.tasks.ranking import model_share, rows_under_budget

__all__ = ["EvidenceCompleter"]

FORMAT = "kgzsl.evidence_completer/3"


class EvidenceCompleter(ProposingCompleter):
    """Ranks the pairs of an unseen relation by what the facts of other relations say for them.

    Evidence (:class:`FactEvidence`) is links by similar relations, walks, how alike the ends are to those of similar
    relations, kinds, names. How much each is worth is learned by a small network on the seen relations: folds of them
    are taken out of the facts, and their true answers have to come first, with priors alone saying which other
    relations are similar. Nothing in the network belongs to one relation, entity or graph.

    Args:
        folds: Relations are hidden in so many groups, 2 or more.
        queries: Of each seen relation and side.
        corrupted: Other answers of each query.
        steps: Training steps.
        batch_size: Queries in a step.
        hidden: Width of the network.
        dropout: Of its first layer.
        lr: Learning rate at the beginning.
        weight_decay: Of the network.
        use_names: Whether the entities' names are evidence.
        calibrate: Whether to fit probabilities too, on scores of other rankers: one for each fold, trained for as many
            steps of the same schedule as the kept one, but without that fold, whose relations it scores. The kept
            ranker itself has no such scores: every seen relation was among its examples. So the probabilities are
            those of rankers that learned from a fold less. A second fit is for relations of which nothing is said: the
            same relations, asked for without prior, domain and range. It multiplies the training by the folds, not the
            drawing of examples.
        dim: Length of the vectors of entities.
        seed: Of folds, queries, vectors, weights.
        memory_budget: Bytes that scoring, and drawing episodes, may take at a time.

    Attributes:
        chosen_: What was chosen on validation relations: ``steps``, and the figure that they gave.
        history_: Losses of the training.
        calibration_: From scores to probabilities; None where that is not wanted, or where there are too few relations.
        silent_calibration_: The same for relations of which nothing is said.
        unsaid_: Those relations: the schema has no axiom and no text about them, or their priors are like no other's,
            and no training triple was theirs. Facts that come later lift nothing: no fit was made with so few.
        apart_: Relations that exclude each other, as the schema says.
    """

    priors_: ClassPriors

    def __init__(
        self,
        *,
        folds: int = 5,
        queries: int = 24,
        corrupted: int = 192,
        steps: int = 800,
        batch_size: int = 64,
        hidden: int = 32,
        dropout: float = 0.2,
        lr: float = 3e-3,
        weight_decay: float = 0.03,
        use_names: bool = True,
        calibrate: bool = True,
        dim: int = 64,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.folds, self.queries, self.corrupted = folds, queries, corrupted
        self.steps, self.batch_size, self.hidden, self.dropout = steps, batch_size, hidden, dropout
        self.lr, self.weight_decay, self.use_names = lr, weight_decay, use_names
        self.calibrate, self.dim = calibrate, dim
        self.seed, self.memory_budget = seed, memory_budget
        self._ranks: Tensor | None = None
        check_whole(self, "folds", least=2)  # what is hidden must be asked for beside facts of others
        check_whole(self, "queries", "corrupted", "steps", "batch_size", "hidden", "dim")
        check_numbers(self, "lr", "weight_decay")
        check_budget(memory_budget)
        if not 0 <= dropout < 1:
            raise InputError(f"dropout is {dropout}", remedy="give a number from 0 to below 1")

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = ("folds", "queries", "corrupted", "steps", "batch_size", "hidden", "dropout", "lr", "weight_decay")
        return {
            name: getattr(self, name) for name in (*names, "use_names", "calibrate", "dim", "seed", "memory_budget")
        }

    def fit(
        self,
        kg: KGSplit,
        priors: ClassPriors,
        *,
        schema: ClassGraph | None = None,
        types: Types | None = None,
        sides: str = "both",
        candidates: Mapping[int, Tensor] | None = None,
        validate: Callable[[Scorer], float] | None = None,
        every: int | None = None,
        engine: Engine | None = None,
        names: tuple[NameTable, NameTable] | None = None,
    ) -> Self:
        """Learn on the training triples of ``kg``; its other triples are not looked at.

        Args:
            kg: The knowledge graph.
            priors: Vectors of its relations, seen and unseen; more do no harm.
            schema: For the kinds that rdfs:domain and rdfs:range allow.
            types: Entity to its class, or classes, as the schema calls them. Left out: those of ``kg``, or what names
                of the form ``x:class:name`` say.
            sides: Whether heads will be asked for too. Head queries of seen relations are learned from in any case: a
                relation turned round is another relation.
            candidates: Relation id to the tails that other answers are drawn from.
            validate: Told a scorer, says how good it is (higher is better) on relations that are no part of training.
                With it, the best of the looks at it is kept.
            every: Steps between looks; half of the steps where left out.
            engine: Seed, progress, checkpoints.
            names: What :meth:`name_tables` gave for these entities, where that is there already.

        Raises:
            InputError: Fewer than two seen relations, a relation without a prior, or an unknown side.
        """
        if sides not in ("tail", "both"):
            raise InputError(f"sides is {sides!r}", remedy="choose tail or both")
        engine = engine or Engine(device="cpu", seed=self.seed, progress=False)
        self.priors_ = priors.align(kg.relations)
        self.entities_, self.relations_ = kg.entities, kg.relations
        self.kinds_ = EntityKinds.read(kg.entities, kg.relations, schema, types=kg.types if types is None else types)
        self.apart_ = Contradictions.read(kg.relations, schema)
        train = kg.train.cpu()
        seen = {kg.relations[number] for number in torch.unique(train[:, 1]).tolist()}
        self.unsaid_ = unsaid_relations(self.priors_, kg.relations, schema) - seen
        self.memory_budget_ = self.memory_budget
        self._names, self._ranks = names, None
        if len(seen) < 2:
            raise InputError(
                "fewer than two relations have training triples: none can play the unseen one", file=kg.source
            )
        random = torch.Generator().manual_seed(engine.seed)
        episodes = draw_episodes(
            train,
            kg.num_entities,
            self._evidence_of,
            folds=self.folds,
            queries=self.queries,
            corrupted=self.corrupted,
            sides="both",
            candidates=candidates or {},
            generator=random,
            chunk=self._walking_chunk(),
            rank=self._entity_ranks(),
            relation_rank=rank_of_names(self.relations_),
            silent=min(4, self.queries) if self.calibrate else 0,
            apart=self.apart_,
        )
        episodes, silent = episodes.where(~episodes.silent), episodes.where(episodes.silent)
        self.ranker_, loop = self._new_ranker(episodes, engine, random, self.steps)
        self.chosen_: dict[str, Any] = {}
        self.set_facts(train)
        keep = BestState(validate, engine, "evidence")
        scorer = HeldEvidence(self, model_share(self.memory_budget) // 2)

        def look(done: int) -> dict[str, float] | None:
            return keep.look(done, scorer, self.ranker_.state_dict)

        self.history_: History = engine.run(
            loop, steps=self.steps, name="evidence", callback=look, callback_every=every or max(1, self.steps // 2)
        )
        if keep.state is not None:
            self.ranker_.load_state_dict(keep.state)
            self.chosen_ = {"steps": keep.at, "validation.mrr": keep.value}
        kept = self.steps if keep.state is None else keep.at

        def taught(some: Episodes) -> EvidenceRanker:
            ranker, loop = self._new_ranker(some, engine, random, self.steps)
            engine.run(loop, steps=kept, name="calibration")
            return ranker

        self.calibration_: Calibration | None = None
        self.silent_calibration_: Calibration | None = None
        if self.calibrate:
            self.calibration_, self.silent_calibration_ = cross_fitted(episodes, silent, taught)
        return self

    def _new_ranker(
        self, episodes: Episodes, engine: Engine, random: torch.Generator, steps: int
    ) -> tuple[EvidenceRanker, RankerLoop]:
        ranker = EvidenceRanker(self.hidden, dropout=self.dropout, generator=random)
        ranker.standardise(episodes)
        loop = RankerLoop(
            ranker,
            episodes,
            engine,
            batch_size=self.batch_size,
            steps=steps,
            lr=self.lr,
            weight_decay=self.weight_decay,
        )
        return ranker, loop

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """See :meth:`ProposingCompleter.calibrations_for`; two for a relation of which nothing is said."""
        if self.calibration_ is None or self.relations_[relation] not in self.unsaid_:
            return super().calibrations_for(relation)
        return () if self.silent_calibration_ is None else (self.calibration_, self.silent_calibration_)

    def confidence_notes(self, relation: int) -> list[str]:
        """See :meth:`ProposingCompleter.confidence_notes`."""
        notes = super().confidence_notes(relation)
        name = self.relations_[relation]
        if not notes and name in self.unsaid_:
            told = "no more than what held-out relations bear out of which nothing was said either"
            mend = "a comment in the schema and a prior that reads texts would tell more"
            notes.append(f"by its prior {name} is like no other relation: its confidences are {told}; {mend}")
        return notes

    def ruled_out(self, relation: int, anchors: Tensor, side: str) -> Tensor | None:
        """See :meth:`ProposingCompleter.ruled_out`: by facts of relations that the schema holds to be disjoint."""
        return self.apart_.out(relation, anchors, side, self._known, len(self.entities_))

    def set_facts(self, triples: Tensor) -> Self:
        """Take other triples as known from now on: int64 [T, 3]. Nothing is learned anew."""
        self._known = torch.unique(self._told_facts(triples), dim=0)
        self._evidence: dict[bool, FactEvidence] = {}
        self.seen_ = [self.relations_[i] for i in torch.unique(self._known[:, 1]).tolist()]
        return self

    def grow(
        self,
        entities: Sequence[str] = (),
        relations: Sequence[str] = (),
        *,
        schema: ClassGraph | None = None,
        was: ClassGraph | None = None,
        types: Types | None = None,
    ) -> list[str]:
        """As :meth:`ProposingCompleter.grow`; pieces of names are counted anew."""
        self._names, self._ranks = None, None
        notes = super().grow(entities, relations, schema=schema, was=was, types=types)
        self.apart_ = self.apart_.joined(Contradictions.read(self.relations_, schema))
        self.unsaid_ |= unsaid_relations(self.priors_, relations, schema) if relations else set()
        return notes

    def likeness(self, relation: int) -> Likeness:
        """What is known about relations like this one, for explanations."""
        evidence = self.evidence("tail")
        return Likeness(evidence.graph, evidence.relations, evidence.similarities(relation)["cosine"])

    @staticmethod
    def name_tables(entities: Sequence[str]) -> tuple[NameTable, NameTable]:
        """Pieces and words of the entities' names: the same for every seed and every prior."""
        return NameTable(entities), NameTable(entities, size=0)

    def _evidence_of(self, triples: Tensor, turned: bool) -> FactEvidence:
        if self.use_names and self._names is None:
            self._names = self.name_tables(self.entities_)
        rows = self.priors_.to_tensor()
        return FactEvidence(
            triples,
            len(self.entities_),
            rows,
            self.kinds_,
            self._names if self.use_names else None,
            turned=turned,
            dim=self.dim,
            seed=self.seed,
            rank=self._entity_ranks(),
        )

    def _entity_ranks(self) -> Tensor:
        """By name: another order of entities in the data draws the same vectors and answers."""
        if self._ranks is None or len(self._ranks) != len(self.entities_):
            self._ranks = rank_of_names(self.entities_)
        return self._ranks

    def evidence(self, side: str = "tail") -> FactEvidence:
        """The evidence that the known facts give for one side; made when it is first asked for."""
        turned = side == "head"
        if turned not in self._evidence:
            self._evidence[turned] = self._evidence_of(self._known, turned)
        return self._evidence[turned]

    def chunk(self, answers: int, kept: int = 0) -> int:
        """How many queries may be scored at a time against so many answers, ``kept`` bytes being taken already."""
        # Evidence, what names have in common, and the walks' states.
        budget = model_share(self.memory_budget) - kept
        whole = answers == len(self.entities_)
        each = 4 * (answers * (len(PAIR) + (12 if whole else 4)) + (0 if whole else 8 * len(self.entities_)))
        return rows_under_budget(1, bytes_each=each, budget=budget)

    def _walking_chunk(self) -> int:
        # Of episodes, whose answers are few, only the walks' states count.
        return rows_under_budget(len(self.entities_), bytes_each=4 * 12, budget=model_share(self.memory_budget))

    @property
    def scorer(self) -> Scorer:
        """Scores of all entities for (relation id, anchors, side), or of some by its method ``among``."""
        return HeldEvidence(self)

    def scores(
        self, relation: str | int, anchors: Tensor, *, side: str = "tail", entities: Tensor | None = None
    ) -> Tensor:
        """What the evidence for the pairs of each anchor with every entity is worth.

        Args:
            relation: Name or id.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.
            entities: int64 [C], distinct: only these answers.

        Returns:
            float32 [Q, E], or [Q, C].
        """
        number, anchors = self._asked(relation, anchors, side)
        scorer = HeldEvidence(self)
        if entities is None:
            return scorer(number, anchors, side)
        return scorer.among(number, anchors, side, self._ends(entities, "entities"))

    def evidence_for(
        self, relation: int, anchors: Tensor, side: str, entities: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Iterable[Tensor]]:
        """What the network is told of the query, of its answers, and of the pairs; see :class:`EvidenceRanker`."""
        evidence = self.evidence(side)
        of_entities = evidence.of_entities(relation, entities)
        if of_entities.shape[1] != len(ENTITY):
            raise AssertionError("evidence and its names disagree")
        return (
            evidence.of_query(relation, anchors),
            of_entities,
            evidence.of_pairs(relation, anchors, entities=entities),
        )

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write all that answering needs into a folder, all or nothing, and return it."""
        if not hasattr(self, "ranker_"):
            raise InputError("the model is not fitted yet", remedy="call fit(kg, priors) first")
        folder = Path(folder)
        about = {
            "format": FORMAT,
            "options": self.get_params(),
            "entities": list(self.entities_),
            "relations": list(self.relations_),
            "kinds": list(self.kinds_.names),
            "chosen": self.chosen_,
            **{
                name: None if fitted is None else fitted.to_dict()
                for name, fitted in (
                    ("calibration", self.calibration_),
                    ("silent_calibration", self.silent_calibration_),
                )
            },
            "unsaid": sorted(self.unsaid_),
            "apart": self.apart_.to_dict(),
        }
        tree = {"ranker": self.ranker_.state_dict(), "known": self._known, **self.kinds_.state()}
        return write_model(folder, about, tree, self.priors_)

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> EvidenceCompleter:  # noqa: ARG003 (CPU only)
        """Read what :meth:`save` wrote.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, FORMAT, "evidence")
        tree = load_tree(folder / TENSORS)
        try:
            model = cls(**about["options"])
            model.entities_, model.relations_ = tuple(about["entities"]), tuple(about["relations"])
            model.priors_ = ClassPriors.load(folder / PRIORS)
            model.kinds_ = EntityKinds.from_state(about["kinds"], tree)
            model.memory_budget_, model._names, model.chosen_ = model.memory_budget, None, dict(about["chosen"])
            model.calibration_, model.silent_calibration_ = (
                None if about[name] is None else Calibration.from_dict(about[name])
                for name in ("calibration", "silent_calibration")
            )
            model.unsaid_, model.apart_ = set(about["unsaid"]), Contradictions.from_dict(about["apart"])
            model.ranker_ = EvidenceRanker(model.hidden, dropout=model.dropout)
            model.ranker_.load_state_dict(tree["ranker"])
            return model.set_facts(tree["known"])
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error

    def __repr__(self) -> str:
        fitted = f"{len(self.seen_)} seen of {len(self.relations_)} relations" if hasattr(self, "seen_") else ""
        return f"EvidenceCompleter({fitted})"
