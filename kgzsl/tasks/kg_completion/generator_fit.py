"""How a run trains its generator, graph network or closed form: with choices on held-out relations first."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from torch import Tensor

from kgzsl import generators
from kgzsl.datasets import KGSplit
from kgzsl.engine import Engine
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion.candidate_rules import training_candidates
from kgzsl.tasks.kg_completion.evaluation import Scorer
from kgzsl.tasks.kg_completion.mappings import ridge_prototypes
from kgzsl.tasks.kg_completion.pair_features import PairFeatures
from kgzsl.tasks.kg_completion.protocol import CompletionProtocol
from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter, prototype_scorer

if TYPE_CHECKING:
    from kgzsl.recipe import CompletionRecipe

__all__ = ["Fitted", "GeneratorFit"]

_Key = TypeVar("_Key", int, float)

PENALTIES = [10.0**k for k in range(-4, 3)]


@dataclass(frozen=True)
class Fitted:
    """A model and what it was chosen by.

    Args:
        model: Trained on all seen relations.
        chosen: Steps of the pair features, epochs of the generator, and their figures on validation relations.
        penalty: Of the ridge regression beside it, chosen on the same relations.
        judges: Scorers that were trained without the relations of their queries, int64 [N, 3].
    """

    model: RelationCompleter
    chosen: dict[str, Any]
    penalty: float
    judges: list[tuple[Scorer, Tensor]] = field(default_factory=list)


class GeneratorFit:
    """Trains the recipe's generator, relation network or closed form; called once for each seed and kind of priors.

    Steps, epochs and the penalty of ridge regression are those that do best on the validation relations: where the
    seen relations are cut into several parts, on the mean over the parts, each asked of a training without it.

    Args:
        recipe: What to do.
        protocol: Owns the triples.
        schema: The class graph, where there is one.
        pairs: Options of the pair features.
        engine: Of a seed and a stage.
        log: Told in one line what begins.
        history: Rows of the trainings are added.
        warnings: Notes of the trainings are added.
    """

    def __init__(
        self,
        recipe: CompletionRecipe,
        protocol: CompletionProtocol,
        schema: ClassGraph | None,
        pairs: Mapping[str, Any],
        *,
        engine: Callable[[int, str], Engine],
        log: Callable[[str], None],
        history: list[dict[str, Any]],
        warnings: list[str],
    ) -> None:
        self.recipe, self.protocol, self.schema, self.pairs = recipe, protocol, schema, dict(pairs)
        self.engine, self.log, self.history, self.warnings = engine, log, history, warnings

    def __call__(
        self, seed: int, priors: ClassPriors, prefix: str = "", *, shuffle: int | None = None, judged: bool = False
    ) -> Fitted:
        """Choose, and train on everything.

        Args:
            seed: Of everything.
            priors: Of all relations.
            prefix: Of the names of stages.
            shuffle: Seed that shuffles the schema, for the control.
            judged: Whether :attr:`Fitted.judges` are wanted, which keeps a model for each part.
        """
        protocol = self.protocol
        train = partial(self.train, seed, priors, schema=self._schema(shuffle))
        kind = "shuffled ontology" if prefix else "real ontology"
        parts, said = protocol.parts, "selection on held-out relations" if protocol.twice else "training"
        looks: list[Mapping[str, Mapping[int, float]]] = []
        penalties: list[dict[float, float]] = []
        judges: list[tuple[Scorer, Tensor]] = []
        model: RelationCompleter | None = None
        for number, (kg, queries) in enumerate(parts, start=1):
            one = str(number) if len(parts) > 1 else ""
            self.log(f"seed {seed}: {said}{one and f', part {one} of {len(parts)}'}, {kind}")
            validate = partial(protocol.validate, queries=queries)
            model = train(kg, f"{prefix}selection{one}" if protocol.twice else f"{prefix}train", validate=validate)
            looks.append(model.looks_)
            penalties.append(self._penalties(model, validate))
            if judged:
                judges.append((model.scorer, queries))
        chosen = _best(looks) if model is None or len(looks) > 1 else dict(model.chosen_)
        if model is None or protocol.twice:
            self.log(f"seed {seed}: training, {kind}")
            model = train(protocol.final_kg, f"{prefix}train", chosen=chosen)
        return Fitted(model, chosen, self._penalty(seed, penalties), judges)

    def train(
        self,
        seed: int,
        priors: ClassPriors,
        kg: KGSplit,
        stage: str,
        *,
        schema: ClassGraph | None,
        chosen: Mapping[str, Any] | None = None,
        validate: Callable[[Scorer], float] | None = None,
        features: PairFeatures | None = None,
    ) -> RelationCompleter:
        """One model: it chooses by ``validate``, or trains as far as was ``chosen``.

        Args:
            seed: Of everything.
            priors: Of all relations.
            kg: What it is trained on.
            stage: Names its checkpoints and what it logs.
            schema: The schema graph, shuffled for the control.
            chosen: ``steps`` and ``epochs``, where these were chosen before.
            validate: See :meth:`CompletionProtocol.validate`.
            features: Pair features of another model that was trained on the same graph and priors.
        """
        chosen = chosen or {}
        model = self._new_model(seed, **{name: chosen[name] for name in ("steps",) if name in chosen})
        if "epochs" in chosen:
            model.set_params(generator_options={**(model.generator_options or {}), "epochs": chosen["epochs"]})
        model.fit(
            kg,
            priors,
            sides=self.protocol.sides,
            every=self._every(),
            schema=schema,
            engine=self.engine(seed, stage),
            candidates=training_candidates(kg, self.protocol.rules[0].name),
            validate=validate,
            features=features,
        )
        model.chosen_ |= chosen
        self._remember(model, seed, stage)
        return model

    def judges(self, seed: int, priors: ClassPriors, chosen: Mapping[str, Any]) -> Iterator[tuple[Scorer, Tensor]]:
        """Models that were trained without some seen relations each, and queries about these; one at a time.

        ``calibration_folds`` says how many; relations that choices were made on have judges already.
        """
        folds = self.protocol.folds(self.recipe.protocol.calibration_folds) if self.protocol.splits == 1 else []
        for number, (kg, queries) in enumerate(folds, start=1):
            self.log(f"seed {seed}: calibration, training without part {number} of {len(folds)} of the relations")
            model = self.train(seed, priors, kg, f"calibration{number}", schema=self.schema, chosen=chosen)
            yield model.scorer, queries

    def _schema(self, shuffle: int | None) -> ClassGraph | None:
        generator = self.recipe.generator
        by_graph = generator is not None and generators.takes_graph(generator.name, **generator.options)
        if (by_graph or self.recipe.relation_network is not None) and self.schema is None:
            raise InputError(
                f"a {'generator by the class graph' if by_graph else 'relation network'} needs a schema",
                **self.recipe.where("generator" if by_graph else "relation_network"),
                remedy="add graph: ...",
            )
        return self.schema if self.schema is None or shuffle is None else self.schema.shuffled(shuffle)

    def _new_model(self, seed: int, **pairs: Any) -> RelationCompleter:
        generator, network = self.recipe.generator, self.recipe.relation_network
        return RelationCompleter(
            None if generator is None else generator.name,
            samples=self.recipe.samples_per_relation,
            generator_options=None if generator is None else generator.options,
            pairs={**self.pairs, **pairs},
            network=None if network is None else network.name,
            network_options=None if network is None else network.options,
            seed=seed,
            device=self.recipe.train.device,
            precision=self.recipe.train.precision,
        )

    def _every(self) -> tuple[int, int]:
        epochs = 0 if self.recipe.generator is None else int(self.recipe.generator.options.get("epochs", 30))
        steps = PairFeatures(**self.pairs).steps
        return max(1, steps // 4), max(1, epochs // 6)

    def _penalties(self, model: RelationCompleter, validate: Callable[[Scorer], float]) -> dict[float, float]:
        """What ridge regression reaches with each penalty; nothing where it is the method, whose penalty is told."""
        if self.recipe.generator is None and self.recipe.relation_network is None:
            return {}
        features = model.features_
        means, rows = features.relation_means(), model._prior_rows.to(features.graph.device)
        found = {}
        for penalty in PENALTIES:
            ridge = ridge_prototypes(rows[model._seen], means, rows, penalty=penalty)
            found[penalty] = validate(prototype_scorer(features, ridge, rows))
        return found

    def _penalty(self, seed: int, found: Sequence[Mapping[float, float]]) -> float:
        """The ridge penalty that does best on validation relations (0.1 where there are none)."""
        if not found or not found[0]:
            return 0.1
        best, value = _highest(found)
        self.history.append({"seed": seed, "stage": "ridge", "step": 0, "penalty": best, "validation.mrr": value})
        return best

    def _remember(self, model: RelationCompleter, seed: int, stage: str) -> None:
        self.warnings += model.features_.notes
        for part, history in (
            ("pairs", model.features_.history),
            ("generator", None if model.generator_ is None else model.generator_.history),
            ("network", model.network_history_),
        ):
            if history is not None:
                self.history += [{"seed": seed, **row, "stage": f"{stage}.{part}"} for row in history.rows]


def _best(looks: Sequence[Mapping[str, Mapping[int, float]]]) -> dict[str, Any]:
    """Steps and epochs that do best on the mean over the parts, as :attr:`RelationCompleter.chosen_` has them."""
    chosen: dict[str, Any] = {}
    for name, of_what in (("steps", "pairs"), ("epochs", "generator")):
        values = [one[name] for one in looks if one.get(name)]
        if values:
            chosen[name], chosen[f"{of_what}.validation.mrr"] = _highest(values)
    return chosen


def _highest(values: Sequence[Mapping[_Key, float]]) -> tuple[_Key, float]:
    """The first key with the highest mean, and that mean."""
    means = {key: statistics.fmean(one[key] for one in values) for key in values[0]}
    best = max(means, key=lambda key: means[key])
    return best, means[best]
