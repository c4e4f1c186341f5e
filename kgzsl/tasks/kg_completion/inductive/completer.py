"""What the completers of entities and relations that training never saw have in common."""

from __future__ import annotations

from abc import abstractmethod
from os import PathLike
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from kgzsl.engine import Engine, History, load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, PRIORS, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.inductive.calibrations import Calibrations
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.ranking import model_share

__all__ = ["InductiveCompleter"]

_CACHE = 6 << 20


class InductiveCompleter(ProposingCompleter):
    """Learns on one graph and answers about another, whose entities and relations may be new.

    What :meth:`fit` is told to ask about can be changed afterwards: :meth:`set_facts`, :meth:`grow`.

    Attributes:
        calibration_: From scores to probabilities, for relations with facts in the graph that is asked.
        bare_calibration_: The same for relations without.
        history_: Losses of the training, where there is one.
        chosen_: What was found in training, by name.
        notes_: What a reader must know.
    """

    FORMAT: ClassVar[str]
    READS_PRIORS: ClassVar[str] = "never"
    """Whether the method takes priors of relations: ``"never"``, ``"may"`` or ``"must"``."""

    calibrate: bool
    seed: int
    facts: str

    @abstractmethod
    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The options of the constructor."""

    @abstractmethod
    def _learn(
        self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None, engine: Engine
    ) -> Calibrations:
        """Learn on a graph, to be asked about another; calibrations, where they are wanted and facts are enough."""

    @abstractmethod
    def _score(self, graph: FactGraph, subjects: Tensor, directed: Tensor, budget: int) -> Tensor:
        """float [Q, E] of the graph that is asked about."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """What was learned, for :meth:`save`."""

    @abstractmethod
    def _take_state(self, state: dict[str, Any]) -> None:
        """What :meth:`_state` gave."""

    def _told(self) -> None:
        """Names, priors or kinds of the graph that is asked about are others now."""

    def _meetings(self) -> dict[str, Tensor]:
        """Edges of the relation graph beyond how relations meet in facts, for :class:`FactGraph`."""
        return {}

    def fit(
        self,
        training: InductiveTask,
        asked: InductiveTask | None = None,
        *,
        priors: ClassPriors | None = None,
        schema: ClassGraph | None = None,
        engine: Engine | None = None,
    ) -> Self:
        """Learn on one graph, to be asked about another.

        Args:
            training: The graph to learn on; only its facts are looked at.
            asked: The graph to be asked about: its facts, and the names of its entities and relations. Left out: the
                training graph itself.
            priors: Of the relations of both graphs.
            schema: For kinds that rdfs:domain and rdfs:range allow.
            engine: Device, seed, progress, checkpoints.

        Raises:
            InputError: No fact to learn from, priors are missing or not wanted, or see the method.
        """
        asked = training if asked is None else asked
        if priors is None and self.READS_PRIORS == "must":
            raise InputError("this method needs priors of relations", remedy="give what schema and texts say of them")
        if priors is not None and self.READS_PRIORS == "never":
            raise InputError("this method reads no priors", remedy="leave them out")
        if not len(training.facts):
            raise InputError("there is no training triple")
        engine = engine or Engine(device="cpu", precision="32-true", seed=self.seed, progress=False)
        self.history_ = History()
        self.chosen_: dict[str, Any] = {}
        self.notes_: list[str] = []
        self.entities_, self.relations_ = asked.entities, asked.relations
        self.memory_budget_ = self.memory_budget
        self.kinds_ = EntityKinds.read(asked.entities, asked.relations, schema, types=asked.types)
        self.priors_ = None if priors is None else priors.align(list(asked.relations))
        self._training_priors = None if priors is None else priors.align(list(training.relations))
        self.device_ = engine.torch_device
        self._take_calibrations(self._learn(training, asked, schema, engine))
        if self.calibrate and self.calibration_ is None:
            self.notes_.append("there are too few facts to fit probabilities on: the scores are not calibrated")
        self.chosen_ |= self._calibrations.chosen()
        return self.set_facts(asked.facts)

    def set_facts(self, triples: Tensor) -> Self:
        """Take other triples as known from now on: int64 [T, 3]. Nothing is learned anew."""
        self._known = torch.unique(self._told_facts(triples), dim=0)
        self.seen_ = [self.relations_[i] for i in torch.unique(self._known[:, 1]).tolist()]
        self._graph: FactGraph | None = None
        self._told()
        return self

    @property
    def graph_(self) -> FactGraph:
        """The graph that is asked about; made when it is first needed."""
        if self._graph is None:
            sizes = len(self.entities_), len(self.relations_)
            self._graph = FactGraph(self._known.to(self.device_), *sizes, extra_meetings=self._meetings())
        return self._graph

    @torch.no_grad()
    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """See :meth:`Completer.scores`."""
        number, anchors = self._asked(relation, anchors, side)
        directed = number + (len(self.relations_) if side == "head" else 0)
        anchors = anchors.to(self.device_)
        # A model keeps states of relations beside those of a chunk of queries (Ultra.score).
        budget = max(1, model_share(self.memory_budget_) // 33)
        if self.device_.type == "cpu":
            budget = min(budget, _CACHE)
        return self._score(self.graph_, anchors, torch.full_like(anchors, directed), budget).cpu()

    def confidence_notes(self, relation: int) -> list[str]:
        """See :meth:`ProposingCompleter.confidence_notes`."""
        notes = super().confidence_notes(relation)
        if self.calibration_ is not None and self.relations_[relation] not in self.seen_:
            told = (
                "would need more relations to hold out" if notes else "are those of relations that were held out whole"
            )
            notes.append(f"{self.relations_[relation]} has no fact in the graph that is asked: its confidences {told}")
        return notes

    def calibrations_for(self, relation: int) -> tuple[Calibration, ...]:
        """See :meth:`ProposingCompleter.calibrations_for`: relations without facts have their own."""
        return self._calibrations.of(self.relations_[relation] in self.seen_)

    def _take_calibrations(self, found: Calibrations) -> None:
        self._calibrations = found
        self.calibration_, self.bare_calibration_ = found.facts, found.relations

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write all that answering needs into a folder, all or nothing, and return it."""
        if not hasattr(self, "device_"):
            raise InputError("the model is not fitted yet", remedy="call fit(training, asked) first")
        folder = Path(folder)
        about = {
            "format": self.FORMAT,
            "options": self.get_params(),
            "entities": list(self.entities_),
            "relations": list(self.relations_),
            "kinds": list(self.kinds_.names),
            "chosen": self.chosen_,
            "notes": self.notes_,
            **self._calibrations.to_dict(),
        }
        tree = {"model": self._state(), "known": self._known, **self.kinds_.state()}
        return write_model(folder, about, tree, self.priors_)

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> Self:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, cls.FORMAT, "inductive")
        tree = load_tree(folder / TENSORS)
        try:
            model = cls(**about["options"])
            model.entities_, model.relations_ = tuple(about["entities"]), tuple(about["relations"])
            model.priors_ = None
            if cls.READS_PRIORS == "must" or (cls.READS_PRIORS == "may" and tree["model"]["prior_dim"]):
                model.priors_ = ClassPriors.load(folder / PRIORS)
            model.kinds_ = EntityKinds.from_state(about["kinds"], tree)
            model.memory_budget_, model.chosen_ = model.memory_budget, dict(about["chosen"])
            model.notes_, model.history_ = list(about["notes"]), History()
            model._take_calibrations(Calibrations.from_dict(about))
            model.device_ = Engine(device=device, progress=False).torch_device
            model._take_state(tree["model"])
            return model.set_facts(tree["known"])
        except (KeyError, TypeError, RuntimeError, AttributeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error

    def __repr__(self) -> str:
        fitted = f"{len(self.entities_)} entities, {len(self.relations_)} relations" if hasattr(self, "device_") else ""
        return f"{type(self).__name__}({fitted})"
