"""Link overlap as a method of its own: nothing is trained, and it answers all that other completers do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_budget, check_numbers, check_whole
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine, load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, PRIORS, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion._ranks import by_rank, rank_of_names
from kgzsl.tasks.kg_completion.best_state import BestState
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence.calibration import Calibration
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds, Types
from kgzsl.tasks.kg_completion.held_out_calibration import held_out_calibration
from kgzsl.tasks.kg_completion.link_overlap import overlap_scorer
from kgzsl.tasks.kg_completion.new_priors import with_own_columns
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter

__all__ = ["LinkOverlapCompleter"]

_POWERS = (2.0, 1.0, 4.0, 8.0)
"""Tried where there is something to choose on; of equals the first is taken."""


class LinkOverlapCompleter(ProposingCompleter):
    """Ranks the pairs of a relation by the known relations between their ends, see :class:`LinkOverlap`.

    It needs priors and facts, and no training: what is new after training is answered for at once. It says nothing of
    pairs that nothing links, whose scores are all zero. Hard to beat where the new relation restates known ones, turned
    round or in other words, and where few relations are seen from which another method could learn.

    Args:
        power: How much more a similar relation counts than others; None is what does best on validation relations, or 2
            where there are none.
        backward: Weight of links from tail to head.
        calibrate: Whether to fit probabilities too: seen relations are hidden, part by part, and asked for.
        folds: Into how many parts they are dealt for that.
        queries: Triples of each seen relation that are asked about, at most.
        seed: Of the parts and of these triples.
        memory_budget: Bytes that scoring may take at a time.

    Attributes:
        power_: The power that is used.
        chosen_: What was chosen on validation relations: ``power``, and the figure that it gave.
        calibration_: From scores to probabilities; None where that is not wanted, or where there are too few relations.
    """

    FORMAT = "kgzsl.link_overlap_completer/1"
    priors_: ClassPriors

    def __init__(
        self,
        *,
        power: float | None = None,
        backward: float = 0.9,
        calibrate: bool = True,
        folds: int = 20,
        queries: int = 24,
        seed: int = 0,
        memory_budget: int = 512 * 2**20,
    ) -> None:
        self.power, self.backward, self.calibrate = power, backward, calibrate
        self.folds, self.queries, self.seed, self.memory_budget = folds, queries, seed, memory_budget
        check_numbers(self, "backward")
        check_numbers(self, "power", zero=False, instead=(None,))
        check_whole(self, "folds", least=2)
        check_whole(self, "queries")
        check_budget(memory_budget)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002 (scikit-learn's signature)
        """The options of the constructor."""
        names = ("power", "backward", "calibrate", "folds", "queries", "seed", "memory_budget")
        return {name: getattr(self, name) for name in names}

    def fit(
        self,
        kg: KGSplit,
        priors: ClassPriors,
        *,
        schema: ClassGraph | None = None,
        types: Types | None = None,
        sides: str = "both",
        validate: Callable[[Scorer], float] | None = None,
        engine: Engine | None = None,
    ) -> Self:
        """Take the training triples of ``kg`` as known; its other triples are not looked at.

        Args:
            kg: The knowledge graph.
            priors: Vectors of its relations, seen and unseen; more do no harm.
            schema: For the kinds that rdfs:domain and rdfs:range allow.
            types: Entity to its class, or classes; left out: those of ``kg``, or what names tell.
            sides: Which ends probabilities are fitted for: ``"tail"``, or ``"both"``.
            validate: Told a scorer, says how good it is (higher is better) on relations that are no part of training.
            engine: Where it is worked out; the CPU where left out.

        Raises:
            InputError: No training triple, a relation without a prior, or an unknown side.
        """
        if sides not in ("tail", "both"):
            raise InputError(f"sides is {sides!r}", remedy="choose tail or both")
        if not len(kg.train):
            raise InputError("there is no training triple", file=kg.source, remedy="give triples of seen relations")
        engine = engine or Engine(device="cpu", progress=False)
        self._device = engine.torch_device
        self.priors_ = priors.align(kg.relations)
        self.entities_, self.relations_ = kg.entities, kg.relations
        self.kinds_ = EntityKinds.read(kg.entities, kg.relations, schema, types=kg.types if types is None else types)
        self.memory_budget_ = self.memory_budget
        self.power_, self.chosen_ = 2.0 if self.power is None else self.power, {}
        self.set_facts(kg.train)
        if validate is not None and self.power is None:
            keep = BestState(validate, engine, "link-overlap")
            for number, power in enumerate(_POWERS):
                keep.look(number, self._scorer_of(self._known, power), dict)
            self.power_ = _POWERS[keep.at]
            self.chosen_ = {"power": self.power_, "validation.mrr": keep.value}
        self.calibration_: Calibration | None = None
        if self.calibrate:
            self.calibration_ = held_out_calibration(
                self._judges(kg),
                kg.train,
                kg.entities,
                kg.relations,
                sides=sides,
                seed=self.seed,
                budget=self.memory_budget,
            )
        return self

    def _judges(self, kg: KGSplit) -> Iterator[tuple[Scorer, Tensor]]:
        """Link overlap without the facts of some relations, and triples of these; all is dealt by name."""
        random = torch.Generator().manual_seed(self.seed)
        kind = rank_of_names(kg.relations)
        train = by_rank(kg.train.cpu(), rank_of_names(kg.entities), kind)
        seen = torch.argsort(kind)[torch.unique(kind[train[:, 1]])]
        order = seen[torch.randperm(len(seen), generator=random)]
        for part in range(min(self.folds, len(seen))):
            hidden = order[part :: self.folds]
            mine = torch.isin(train[:, 1], hidden)
            queries = [train[train[:, 1] == relation] for relation in hidden.tolist()]
            asked = [some[torch.randperm(len(some), generator=random)[: self.queries]] for some in queries]
            yield self._scorer_of(train[~mine], self.power_), torch.cat(asked)

    def _scorer_of(self, facts: Tensor, power: float) -> Scorer:
        rows = with_own_columns(self.priors_, self.relations_).to_tensor()
        return overlap_scorer(facts, len(self.entities_), rows, self._device, power=power, backward=self.backward)

    def set_facts(self, triples: Tensor) -> Self:
        """Take other triples as known from now on: int64 [T, 3]."""
        self._known = torch.unique(self._told_facts(triples), dim=0)
        self.seen_ = [self.relations_[number] for number in torch.unique(self._known[:, 1]).tolist()]
        self._rule: Scorer | None = None
        return self

    def scores(self, relation: str | int, anchors: Tensor, *, side: str = "tail") -> Tensor:
        """What the links between each anchor and every entity are worth: float32 [Q, E]; zero where there is none.

        Args:
            relation: Name or id.
            anchors: int64 [Q], heads for ``side="tail"``, tails for ``side="head"``.
            side: Which end is asked for.
        """
        number, anchors = self._asked(relation, anchors, side)
        if self._rule is None:
            self._rule = self._scorer_of(self._known, self.power_)
        return self._rule(number, anchors, side)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write all that answering needs into a folder, all or nothing, and return it."""
        if not hasattr(self, "power_"):
            raise InputError("the model is not fitted yet", remedy="call fit(kg, priors) first")
        about = {
            "format": self.FORMAT,
            "options": self.get_params(),
            "entities": list(self.entities_),
            "relations": list(self.relations_),
            "kinds": list(self.kinds_.names),
            "power": self.power_,
            "chosen": self.chosen_,
            "calibration": None if self.calibration_ is None else self.calibration_.to_dict(),
        }
        return write_model(Path(folder), about, {"known": self._known, "kinds": self.kinds_.state()}, self.priors_)

    @classmethod
    def load(cls, folder: str | PathLike[str], *, device: str = "auto") -> LinkOverlapCompleter:
        """Read what :meth:`save` wrote.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, cls.FORMAT, "link overlap")
        tree: Mapping[str, Any] = load_tree(folder / TENSORS)
        try:
            model = cls(**about["options"])
            model._device = Engine(device=device, progress=False).torch_device
            model.entities_, model.relations_ = tuple(about["entities"]), tuple(about["relations"])
            model.priors_ = ClassPriors.load(folder / PRIORS)
            model.kinds_ = EntityKinds.from_state(about["kinds"], tree["kinds"])
            model.memory_budget_ = model.memory_budget
            model.power_, model.chosen_ = float(about["power"]), dict(about["chosen"])
            told = about["calibration"]
            model.calibration_ = None if told is None else Calibration.from_dict(told)
            return model.set_facts(tree["known"])
        except (KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error

    def __repr__(self) -> str:
        fitted = f"{len(self.seen_)} seen of {len(self.relations_)} relations" if hasattr(self, "seen_") else ""
        return f"LinkOverlapCompleter({fitted})"
