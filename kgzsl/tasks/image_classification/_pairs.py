"""Classes that are pairs, in a run: where their parts are told, priors of the parts, the open world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from kgzsl.classifiers.compositional import Compositions
from kgzsl.classifiers.compositional.reading import telling_relation
from kgzsl.classifiers.needs import answers_open
from kgzsl.errors import InputError
from kgzsl.knowledge.vocabulary import NEGATIVE_RELATIONS
from kgzsl.tasks._knowledge import Source, called_in
from kgzsl.tasks.image_classification._pair_figures import PairFigures

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures
    from kgzsl.knowledge import ClassGraph, ClassPriors
    from kgzsl.recipe import ImageRecipe
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["RunPairs", "answers_open_world"]


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
        for number, source in enumerate(self.sources):
            if recipe.priors[number].name not in ("file", *data.priors):
                self._check_known(source, main)
        spec = recipe.compositions
        assert spec is not None
        self.pairs: list[tuple[str, str]] = []
        self.ruled_out: list[tuple[str, str]] = []
        self.no_ruling: str | None = None
        """Why nothing can be ruled out; None where an ontology may."""
        if spec.open is not False and answers_open_world(recipe):
            called = dict(zip(self.parts, self._called(main, None), strict=True))
            self.pairs, self.ruled_out = self.compositions.beyond(main.graph, data.seen_names, called=called)
            self.no_ruling = _silence(main.graph, list(called.values()))

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

    def _check_known(self, source: Source, main: Source) -> None:
        """Whether the graph of a prior knows each part; before anything is made of it."""
        if source.graph is None:
            return
        found = source.graph.align(source.called)
        if found.complete:
            return
        lost, told = len(found.missing) + len(found.ambiguous), found.unmatched(3)
        more, ways = f" and {lost - len(told)} more" if lost > len(told) else "", self._relations(source, main)
        remedy = "call the parts what the graph does, or write graph: {mapping: {PART: IRI}}"
        if ways is not None:
            told_by = f"{{attribute: {ways[0]}, object: {ways[1]}}}"
            remedy = f"write compositions: {told_by}, by which the graph leads from the classes to their parts"
        raise InputError(
            f"{lost} of {len(self.parts)} parts of the classes match no single node of the class graph: "
            f"{'; '.join(told)}{more}",
            **self.recipe.where("compositions"),
            remedy=remedy,
        )

    def _relations(self, source: Source, main: Source) -> tuple[str, str] | None:
        """The two relations that tell the parts of classes, where the graph has such."""
        if source.graph is None or source.graph is not main.graph:
            return None
        classes, parts = source.graph.align(main.called), source.graph.align(source.called)
        if not classes.complete:
            return None
        called = dict(zip(self.parts, source.called, strict=True))
        at = {part: [int(node)] for part, node in zip(self.parts, parts.indices, strict=True) if node >= 0}
        for part in self.parts:
            several = parts.ambiguous.get(called[part], ())
            at.setdefault(part, [source.graph.node_index[iri] for iri in several])
        nodes = classes.indices.tolist()
        attribute, thing = (
            telling_relation(source.graph, nodes, [at[pair[side]] for pair in self.compositions.pairs])
            for side in (0, 1)
        )
        return None if attribute is None or thing is None else (attribute, thing)

    def _called(self, source: Source, number: int | None) -> tuple[str, ...]:
        spec = None if number is None else self.recipe.priors[number].graph
        spec = spec or self.recipe.graph
        if source.graph is None:
            return self.parts
        iris = self.compositions.iris
        told = {part: iri for part, iri in iris.items() if iri in source.graph.node_index}
        return called_in(source.graph, self.parts, {**told, **((spec and spec.mapping) or {})})

    def kept(self, source: Source, classes: Sequence[str]) -> ClassGraph | None:
        """The graph as a run keeps it, with what it calls the classes, and the parts of theirs that are no class."""
        iris = dict(zip(self.parts, self._called(source, None), strict=True))
        names = [part for part in self.parts if part not in classes]
        both = Source(source.graph, (*source.called, *(iris[part] for part in names)))
        return both.kept((*classes, *names))

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
            rules = self.no_ruling or f"disjointness in the class graph rules out {len(self.ruled_out):,}"
            lines.append(f"open world: {len(self.pairs):,} more pairs may be answered; {rules}")
        return lines


def _silence(graph: ClassGraph | None, called: Sequence[str]) -> str | None:
    """Why a graph that calls the parts so rules out no pair, whatever the pairs; None where it may."""
    if graph is None:
        return "there is no class graph to rule any out by"
    if (graph.align(called).indices < 0).all():
        return "the class graph has none of the parts, and rules none out"
    negative = [number for number, name in enumerate(graph.relations) if name in NEGATIVE_RELATIONS]
    if not np.isin(graph.edge_type, negative).any():
        return "the class graph has no disjointness, and rules none out"
    return None


def answers_open_world(recipe: ImageRecipe) -> bool:
    """Whether the recipe's method can answer with pairs that are no class."""
    spec = recipe.classifier
    return answers_open(spec.name) and spec.prior_head is None and spec.gate is None
