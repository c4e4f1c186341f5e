"""How a run trains the ranker of its recipe: with choices on held-out relations first, where there are some."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion.candidate_rules import training_candidates
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.evidence import EvidenceCompleter
from kgzsl.tasks.kg_completion.link_overlap_completer import LinkOverlapCompleter
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["Ranker", "RankerFit"]

Ranker = EvidenceCompleter | LinkOverlapCompleter


class RankerFit:
    """Trains the recipe's ranker, evidence or link overlap; called once for each seed and kind of priors.

    Args:
        recipe: With a ranker.
        protocol: Owns the triples.
        schema: The class graph, where there is one.
        engine: Of a seed and a stage.
        log: Told in one line what begins.
        history: Rows of the trainings are added.
    """

    def __init__(
        self,
        recipe: CompletionRecipe,
        protocol: CompletionProtocol,
        schema: ClassGraph | None,
        engine: Callable[[int, str], Engine],
        log: Callable[[str], None],
        history: list[dict[str, Any]],
    ) -> None:
        self.recipe, self.protocol, self.schema = recipe, protocol, schema
        self.engine, self.log, self.history = engine, log, history
        self._names: Any = None

    def __call__(
        self, seed: int, priors: ClassPriors, prefix: str, *, shuffle: int | None = None
    ) -> tuple[Ranker, dict[str, Any]]:
        """The final ranker, and what was chosen; the schema is shuffled with the seed ``shuffle``, if there is one."""
        assert self.recipe.ranker is not None
        protocol = self.protocol
        options: dict[str, Any] = {**self.recipe.ranker.options, "seed": seed}
        if self.recipe.protocol.memory_budget is not None:
            options["memory_budget"] = self.recipe.protocol.memory_budget
        schema = self.schema if self.schema is None or shuffle is None else self.schema.shuffled(shuffle)

        def fit(kg: KGSplit, stage: str, validate: Callable[[Scorer], float] | None, **more: Any) -> Ranker:
            self.log(f"seed {seed}: {prefix}{stage}")
            if prefix or stage != "ranker":
                more["calibrate"] = False  # only the model that is kept is asked for probabilities
            return self._fit(kg, priors, schema, seed, f"{prefix}{stage}", validate, {**options, **more})

        validate = protocol.validate if protocol.selects else None
        if not protocol.twice:
            model = fit(protocol.final_kg, "ranker", validate)
            return model.set_facts(protocol.facts), model.chosen_
        chosen = fit(protocol.selection_kg, "ranker-selection", validate).chosen_
        again = {name: chosen[name] for name in ("steps", "power") if name in chosen}
        return fit(protocol.final_kg, "ranker", None, **again), chosen

    def _fit(
        self,
        kg: KGSplit,
        priors: ClassPriors,
        schema: ClassGraph | None,
        seed: int,
        stage: str,
        validate: Callable[[Scorer], float] | None,
        options: dict[str, Any],
    ) -> Ranker:
        assert self.recipe.ranker is not None
        engine = self.engine(seed, stage)
        if self.recipe.ranker.name == "link_overlap":
            overlap = LinkOverlapCompleter(**options)
            return overlap.fit(kg, priors, schema=schema, sides=self.protocol.sides, validate=validate, engine=engine)
        model = EvidenceCompleter(**options)
        candidates = training_candidates(kg, self.protocol.rules[0].name)
        if self._names is None and model.use_names:
            self._names = model.name_tables(kg.entities)
        model.fit(kg, priors, schema=schema, candidates=candidates, validate=validate, engine=engine, names=self._names)
        self.history += [{"seed": seed, **row, "stage": stage} for row in model.history_.rows]
        return model
