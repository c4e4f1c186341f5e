"""Classes that are pairs, in a run: where their parts are told, priors of the parts, the open world, the figures."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from kgzsl.classifiers.compositional import Compositions, pair_name
from kgzsl.classifiers.needs import answers_open
from kgzsl.errors import InputError
from kgzsl.tasks._knowledge import Source, called_in
from kgzsl.tasks.image_classification.metrics import add_bias, harmonic_mean, per_class_accuracy, seen_unseen_curve

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.recipe import ImageRecipe
    from kgzsl.tasks.image_classification.protocol import ScoreCard, TestScores
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["PairFigures", "RunPairs", "answers_open_world", "pair_of"]


class RunPairs:
    """What a run knows of its pairs.

    Args:
        recipe: Has ``compositions``.
        data: The data set.
        main: The recipe's graph, or that of the data.
        sources: For each prior, its graph.

    Raises:
        InputError: The parts are told by a graph and there is none, a class is without a part, or two are one pair.
    """

    def __init__(self, recipe: ImageRecipe, data: ImageFeatures, main: Source, sources: Sequence[Source]) -> None:
        self.recipe = recipe
        try:
            self.compositions = self._read(data, main)
        except InputError as error:
            if error.file is not None:
                raise
            raise InputError(error.problem, **recipe.where("compositions"), remedy=error.remedy) from None
        self.parts = tuple(self.compositions.parts)
        self.sources = [self._of_parts(source, number) for number, source in enumerate(sources)]
        spec = recipe.compositions
        assert spec is not None
        self.pairs: list[tuple[str, str]] = []
        self.ruled_out: list[tuple[str, str]] = []
        if spec.open is not False and answers_open_world(recipe):
            called = dict(zip(self.parts, self._called(main, None), strict=True))
            self.pairs, self.ruled_out = self.compositions.beyond(main.graph, data.seen_names, called=called)

    def _read(self, data: ImageFeatures, main: Source) -> Compositions:
        spec = self.recipe.compositions
        assert spec is not None
        if spec.table is not None:
            file = self.recipe.find_file(spec.table, "compositions", "table")
            return Compositions.from_table(file, data.class_names)
        if spec.attribute is None or spec.object is None:
            return Compositions.from_info(data.class_info, data.class_names, data.source)
        if main.graph is None:
            raise InputError(
                "the parts of classes are told by a class graph, and neither the recipe nor the data set has one",
                remedy="add graph: {source: ...}, or tell them in compositions: {table: FILE}",
            )
        relations = spec.attribute, spec.object
        return Compositions.from_graph(main.graph, data.class_names, relations, called=main.called)

    def _of_parts(self, source: Source, number: int) -> Source:
        """The graph of a prior, with what it calls the parts."""
        return Source(source.graph, self._called(source, number))

    def _called(self, source: Source, number: int | None) -> tuple[str, ...]:
        spec = None if number is None else self.recipe.priors[number].graph
        spec = spec or self.recipe.graph
        if source.graph is None:
            return self.parts
        iris = self.compositions.iris
        told = {part: iri for part, iri in iris.items() if iri in source.graph.node_index}
        return called_in(source.graph, self.parts, {**told, **((spec and spec.mapping) or {})})

    def of_classes(self, primitives: ClassPriors, shuffle: int | None = None) -> ClassPriors:
        """Priors of the classes from those of the parts; ``shuffle`` deals the parts out anew among the classes."""
        return self.compositions.priors(primitives, shuffle=shuffle)

    def open_up(self, model: ZeroShotClassifier, primitives: ClassPriors) -> None:
        """Let ``model`` answer in the open world too, where there is one."""
        if self.pairs:
            model.open_world(self.compositions.priors_of(primitives, self.pairs))

    def figures(self, data: ImageFeatures) -> PairFigures:
        """What is told of pairs beside the usual figures."""
        seen, unseen = (np.asarray(kind.cpu()) for kind in (data.seen, data.unseen))
        return PairFigures(self.compositions, seen, unseen, len(self.pairs))

    def notes(self, seen: Sequence[str]) -> list[str]:
        """What a reader must know."""
        told = self.compositions
        sizes = f"{len(told.attributes)} attributes and {len(told.objects)} objects"
        lines = [f"pairs: {len(told.classes)} classes of {sizes}"]
        own = set(seen)
        shown = [pair for name, pair in zip(told.classes, told.pairs, strict=True) if name in own]
        lefts, rights = ({pair[side] for pair in shown} for side in (0, 1))
        strangers = sum(not (left in lefts and right in rights) for left, right in told.pairs)
        if strangers:
            lines.append(f"{strangers} unseen pairs have a part that no seen pair has: only its prior tells of it")
        if self.pairs or self.ruled_out:
            lines.append(
                f"open world: {len(self.pairs):,} more pairs may be answered; disjointness in the class graph rules "
                f"out {len(self.ruled_out):,}"
            )
        return lines


def answers_open_world(recipe: ImageRecipe) -> bool:
    """Whether the recipe's method can answer with pairs that are no class."""
    spec = recipe.classifier
    name = None if recipe.generator is None else recipe.generator.name
    return answers_open(name, spec.name) and spec.prior_head is None and spec.gate is None


def pair_of(graph: ClassGraph, name: str, spec: Mapping[str, Any] | None, model: ZeroShotClassifier) -> str | None:
    """What the open world of ``model`` calls the class ``name``, by what the graph says of its parts.

    Args:
        graph: Has the class and its two parts.
        name: Its name or IRI.
        spec: ``compositions`` of the recipe; None where classes are no pairs.
        model: The run's.

    Returns:
        None where no relation of the graph tells the parts.

    Raises:
        InputError: The class has no such parts, or nothing that the model may answer is made of them.
    """
    if not spec or not spec.get("attribute") or not spec.get("object"):
        return None
    told = Compositions.from_graph(graph, [name], (spec["attribute"], spec["object"]))
    (pair,) = told.pairs
    # A part goes by its IRI where its label is that of another part too.
    ways = itertools.product(*((part, told.iris[part]) for part in pair))
    found = [wanted for left, right in ways if (wanted := pair_name((left, right))) in (model.open_ or ())]
    if not found:
        raise InputError(
            f"{name!r} is {pair[0]!r} and {pair[1]!r}, which the run's open world does not have",
            remedy="it is a class already, is ruled out, or has a part that no class has: run the recipe again",
        )
    return found[0]


class PairFigures:
    """Figures that runs over pairs have beside the others.

    ``pairs.*`` are those of the field (Purushwalkam et al., ICCV 2019, after Chao et al., ECCV 2016): every test row
    counts alike, a bias on unseen pairs is swept, and told are the best accuracy on seen pairs, on unseen ones, their
    best harmonic mean, and the area under the curve, all over test labels: what the best bias would have given, and not
    what a chosen one gives. ``pairs.attribute`` and ``pairs.object`` are how often each part is right among the unseen
    pairs. ``open.*`` are T1, U, S, H and AUSUC with every feasible pair as a candidate.

    Args:
        compositions: The pair of each class.
        seen: The seen classes.
        unseen: The unseen ones.
        beyond: How many pairs an open world adds.
    """

    def __init__(
        self, compositions: Compositions, seen: npt.NDArray[np.int64], unseen: npt.NDArray[np.int64], beyond: int
    ) -> None:
        self.seen, self.unseen, self.beyond = seen, unseen, beyond
        sides = np.array(compositions.pairs, dtype=np.str_)
        numbers = (np.unique(sides[:, at], return_inverse=True)[1] for at in (0, 1))
        self.parts = dict(zip(("attribute", "object"), numbers, strict=True))

    def of(self, scores: TestScores, card: ScoreCard) -> dict[str, float]:
        """Of one method's answers."""
        table = np.concatenate([scores.gzsl_unseen, scores.gzsl_seen]).astype(np.float64)
        curve = seen_unseen_curve(table, card.true, self.seen, average="rows")
        found = {
            "pairs.seen": 100.0 * float(curve.seen[0]),
            "pairs.unseen": 100.0 * float(curve.unseen[-1]),
            "pairs.harmonic": 100.0 * float(curve.harmonic.max()),
            "pairs.auc": curve.area,
        }
        true = card.true[: len(card.zsl_predicted)]
        for name, part in self.parts.items():
            found[f"pairs.{name}"] = 100.0 * float((part[true] == part[card.zsl_predicted]).mean())
        return {**found, **self._open(scores, card, table)}

    def _open(self, scores: TestScores, card: ScoreCard, table: npt.NDArray[np.float64]) -> dict[str, float]:
        if scores.open_unseen is None or scores.open_seen is None:
            return {}
        # One more class, unseen and never right: the best of the pairs that are no class.
        best = np.concatenate([scores.open_unseen, scores.open_seen]).astype(np.float64)
        wide = np.concatenate([table, best[:, None]], axis=1)
        classes = wide.shape[1]
        rows = len(scores.open_unseen)
        among = [*self.unseen.tolist(), classes - 1]
        alone = np.asarray(among)[wide[:rows][:, among].argmax(axis=1)]
        curve = seen_unseen_curve(wide, card.true, self.seen)
        mask = np.ones(classes, dtype=bool)
        mask[self.seen] = False
        add_bias(wide, mask, scores.unseen_bias)
        predicted = wide.argmax(axis=1)

        def right(true: npt.NDArray[np.int64], guess: Any, of: npt.NDArray[np.int64]) -> float:
            return per_class_accuracy(true, guess, num_classes=classes, classes=of).mean

        on_unseen, on_seen = right(card.true, predicted, self.unseen), right(card.true, predicted, self.seen)
        return {
            "open.top1": right(card.true[:rows], alone, self.unseen),
            "open.unseen": on_unseen,
            "open.seen": on_seen,
            "open.harmonic": harmonic_mean(on_seen, on_unseen),
            "open.ausuc": curve.area,
        }

    def chance(self) -> dict[str, float]:
        """The figures of guessing, exact, as ``ImageProtocol.chance`` has them."""
        seen, unseen = len(self.seen), len(self.unseen)
        if not self.beyond:
            return {}
        every = 100.0 / (seen + unseen + self.beyond)
        figures: Mapping[str, float] = {
            "open.top1": 100.0 / (unseen + self.beyond),
            **{f"open.{name}": every for name in ("unseen", "seen", "harmonic")},
            "open.ausuc": 1.0 / (2 * seen * (unseen + self.beyond)),
        }
        return dict(figures)
