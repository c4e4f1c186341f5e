"""The class graph and the priors that a recipe asks for, real or shuffled."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph, ClassPriors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kgzsl.engine import Engine
    from kgzsl.recipe import CompletionRecipe, GraphSpec, ImageRecipe, PriorSpec

__all__ = [
    "OWN",
    "Source",
    "build_priors",
    "called_in",
    "chooses_by_features",
    "filled",
    "own_columns",
    "read_graph",
    "read_sources",
    "reasons",
    "strangers_of",
]

OWN = "own columns"
"""What made the last columns, where some relations are like themselves and nothing else."""


@dataclass(frozen=True)
class Source:
    """A class graph and what it calls the classes.

    Args:
        graph: The graph; None where there is none.
        called: For each class (or relation) of the data set, the name to look for in the graph.
    """

    graph: ClassGraph | None
    called: tuple[str, ...]

    def kept(self, names: Sequence[str]) -> ClassGraph | None:
        """The graph as a run keeps it: ``align`` finds the data set's ``names`` in it, whatever it calls them."""
        called = {name: told for name, told in zip(names, self.called, strict=True) if name != told}
        if self.graph is None or not called:
            return self.graph
        graph = copy.copy(self.graph)
        graph.provenance = {**self.graph.provenance, "called": called}
        return graph


def read_sources(
    recipe: ImageRecipe | CompletionRecipe,
    names: Sequence[str],
    *,
    graph_source: str | None = None,
    other_names: Mapping[str, Sequence[str]] | None = None,
    in_name_order: bool = False,
) -> tuple[Source, list[Source]]:
    """The recipe's own graph (else the one that belongs to the data, else none), and the graph of each prior.

    ``graph: none`` takes none, not even that of the data.

    A prior that names no graph of its own takes the recipe's.

    Args:
        recipe: Says which.
        names: The data set's classes or relations.
        graph_source: Path of the graph that belongs to the data.
        other_names: What else the data set calls them (``"iri"``, ``"wnid"``), as long as ``names``.
        in_name_order: Whether the order of the files shall leave no trace, see :meth:`ClassGraph.in_name_order`.
    """
    others = other_names or {}
    if recipe.graph is not None and recipe.graph.source == "none":
        main = Source(None, tuple(names))
    elif recipe.graph is not None:
        main = _read(recipe, names, others, recipe.graph, "graph")
    elif graph_source is not None:
        graph = ClassGraph.read(graph_source)
        main = Source(graph, _called(names, others, graph, {}))
    else:
        main = Source(None, tuple(names))
    own = [
        main if spec.graph is None else _read(recipe, names, others, spec.graph, "priors", number, "graph")
        for number, spec in enumerate(recipe.priors)
    ]
    if in_name_order:
        made = {id(one.graph): one.graph.in_name_order() for one in (main, *own) if one.graph is not None}
        # Those that share a graph go on to share it.
        main, *own = (Source(made.get(id(one.graph)), one.called) for one in (main, *own))
    return main, own


def read_graph(recipe: ImageRecipe | CompletionRecipe) -> ClassGraph | None:
    """The recipe's own graph alone; None where it names none."""
    spec = recipe.graph
    return None if spec is None or spec.source == "none" else _read(recipe, (), {}, spec, "graph").graph


def _read(
    recipe: ImageRecipe | CompletionRecipe,
    names: Sequence[str],
    others: Mapping[str, Sequence[str]],
    spec: GraphSpec,
    *path: str | int,
) -> Source:
    catalogue: Path | dict[str, Path] | None = None
    if isinstance(spec.catalogue, str):
        catalogue = recipe.find_file(spec.catalogue, *path, "catalogue")
    elif spec.catalogue is not None:
        catalogue = {iri: recipe.find_file(name, *path, "catalogue") for iri, name in spec.catalogue.items()}
    store = "store:" if spec.source.startswith("store:") else ""
    found = recipe.find_file(spec.source.removeprefix(store), *path, "source")
    graph = ClassGraph.read(
        f"{store}{found}" if store else found,
        spec.format,
        projection=spec.projection,
        reasoning=None if spec.reasoning == "none" else spec.reasoning,
        language=spec.language,
        lenient=spec.lenient,
        imports=spec.imports,
        catalogue=catalogue,
        max_added=spec.max_added,
        max_seconds=spec.max_seconds,
        **spec.options,
    )
    return Source(graph, _called(names, others, graph, spec.mapping or {}))


def _called(
    names: Sequence[str], others: Mapping[str, Sequence[str]], graph: ClassGraph, mapping: Mapping[str, str]
) -> tuple[str, ...]:
    """What the graph calls each class: as the mapping says, else its name, else its IRI or WordNet id if known."""
    called = [mapping.get(name, name) for name in names]
    for other in ("iri", "wnid"):
        missing = [i for i, index in enumerate(graph.align(called).indices) if index < 0]
        more = others.get(other)
        if more is None or not missing:
            continue
        found = graph.align([more[i] for i in missing]).indices
        for i, index in zip(missing, found, strict=True):
            if index >= 0:
                called[i] = more[i]
    return tuple(called)


def called_in(graph: ClassGraph, names: Sequence[str], mapping: Mapping[str, str]) -> tuple[str, ...]:
    """What the graph calls each name: as the mapping says, else the name itself."""
    return _called(names, {}, graph, mapping)


def build_priors(
    recipe: ImageRecipe | CompletionRecipe,
    class_names: Sequence[str],
    shipped: Mapping[str, ClassPriors],
    sources: Sequence[Source],
    *,
    engine: Engine | None = None,
    shuffle: int | None = None,
    observed: tuple[Any, Any] | None = None,
    strangers: bool = False,
) -> ClassPriors:
    """The priors of all classes: every block of the recipe made, aligned, normalised, and put side by side.

    Args:
        recipe: Says which.
        class_names: All classes or relations.
        shipped: Priors that ship with the data set.
        sources: For each prior, the graph that its encoder is fitted on.
        engine: Trains encoders that learn.
        shuffle: The control: with this seed, encoders see the graph with its edges shuffled, and priors that come from
            no graph have their rows permuted.
        observed: Features [N, D] of seen classes and rows int64 [N] of ``class_names``, for encoders that choose by
            them.
        strangers: Whether a class may be in none of the graphs: a graph that lacks it gives it zeros, and one of which
            no prior says anything gets a column of its own.

    Raises:
        InputError: A prior that neither an encoder nor the data set offers, or a class without a prior.
    """
    blocks: list[ClassPriors] = []
    for number, spec in enumerate(recipe.priors):
        source = sources[number]
        if shuffle is not None and source.graph is not None:
            source = Source(source.graph.shuffled(shuffle), source.called)
        block = _block(recipe, number, class_names, shipped, source, engine, observed, strangers)
        if shuffle is not None and (spec.name == "file" or spec.name in shipped):
            block = block.shuffled(shuffle)
        block = block.normalised("l2" if spec.normalise == "auto" else spec.normalise)
        if spec.weight != 1.0:
            block = ClassPriors(
                block.names, block.matrix * np.float32(spec.weight), {**block.made, "weight": spec.weight}
            )
        blocks.append(filled(block, class_names))
    joined = blocks[0]
    for block in blocks[1:]:
        joined = joined | block
    if not strangers:
        return joined
    # Classes without a number that is not 0 are like themselves and nothing else.
    return own_columns(joined, np.flatnonzero(~joined.matrix.any(axis=1)).tolist())


def filled(block: ClassPriors, names: Sequence[str]) -> ClassPriors:
    """The block for all classes: zeros where it has none."""
    if len(block) == len(names):
        return block
    there = set(block.names)
    matrix = np.zeros((len(names), block.dim), dtype=np.float32)
    matrix[[place for place, name in enumerate(names) if name in there]] = block.matrix
    return ClassPriors(tuple(names), matrix, block.made)


def own_columns(priors: ClassPriors, rows: Sequence[int]) -> ClassPriors:
    """The priors with a column more for each of some classes, which nobody else has."""
    if not len(rows):
        return priors
    own = np.zeros((len(priors), len(rows)), dtype=np.float32)
    own[rows, np.arange(len(rows))] = 1
    return priors | ClassPriors(priors.names, own, {"encoder": OWN})


def strangers_of(names: Sequence[str], sources: Sequence[Source]) -> list[str]:
    """Those of ``names`` that a graph of these does not know."""
    absent: set[str] = set()
    for graph, called in {id(one.graph): (one.graph, one.called) for one in sources}.values():
        if graph is not None:
            nodes = graph.align(called).indices.tolist()
            absent |= {name for name, node in zip(names, nodes, strict=True) if node < 0}
    return [name for name in names if name in absent]


def _block(
    recipe: ImageRecipe | CompletionRecipe,
    number: int,
    class_names: Sequence[str],
    shipped: Mapping[str, ClassPriors],
    source: Source,
    engine: Engine | None,
    observed: tuple[Any, Any] | None,
    strangers: bool,
) -> ClassPriors:
    from kgzsl import priors

    spec = recipe.priors[number]
    where = recipe.where("priors", number)
    if spec.name == "file":
        path = recipe.find_file(str(spec.options["path"]), "priors", number, "path")
        names = spec.options.get("names")
        return ClassPriors.read(path, key=spec.options.get("key"), names=names).align(class_names)
    if spec.name in shipped:
        if spec.options:
            option = next(iter(spec.options))
            raise InputError(f"the prior {spec.name!r} ships with the data and has no option {option!r}", **where)
        return shipped[spec.name].align(class_names)
    if spec.name not in priors.encoders.names and ":" not in spec.name and "." not in spec.name:
        known = [*priors.encoders.names, *shipped, "file"]
        close = nearest(spec.name, known)
        raise InputError(
            f"no prior is called {spec.name!r}",
            **where,
            remedy=f"did you mean {' or '.join(close)}?" if close else f"known here: {', '.join(known)}",
        )
    if source.graph is None:
        raise InputError(
            f"the prior {spec.name!r} is made from a class graph, and neither the recipe nor the data set has one",
            **where,
            remedy="add graph: {source: ...}",
        )
    encoder = priors.make(spec.name, **spec.options)
    if observed is not None:
        features, rows = observed
        encoder.observe(features, [source.called[row] for row in rows])
    encoder.fit(source.graph, engine=engine)
    found = source.graph.align(source.called)
    if not strangers or not found.missing:
        made = encoder.priors(source.called)
        return ClassPriors(tuple(class_names), made.matrix, _told(made.made, spec, source.graph))
    there = [place for place, called in enumerate(source.called) if called not in found.missing]
    if not there:
        raise InputError(
            "the graph of the priors has none of the relations",
            **recipe.where("graph"),
            remedy="see kgzsl info, or map names to IRIs with graph: {mapping: ...}",
        )
    made = encoder.priors([source.called[place] for place in there])
    return ClassPriors(tuple(class_names[place] for place in there), made.matrix, _told(made.made, spec, source.graph))


def _told(made: Mapping[str, Any], spec: PriorSpec, graph: ClassGraph) -> dict[str, Any]:
    """How a block was made, so that :class:`kgzsl.priors.PriorsAgain` can make it again: by one's own encoder, too."""
    if ":" not in spec.name and "." not in spec.name:
        return dict(made)
    size = {"nodes": graph.num_nodes, "edges": graph.num_edges}
    return {"graph": size, **made, "encoder": spec.name, "options": dict(spec.options)}


def chooses_by_features(recipe: ImageRecipe | CompletionRecipe, shipped: Mapping[str, ClassPriors]) -> bool:
    """Whether an encoder of the recipe looks at features of seen classes (``auto``)."""
    from kgzsl import priors

    made = [spec.name for spec in recipe.priors if spec.name != "file" and spec.name not in shipped]
    return any(priors.encoders.find(name).observe is not priors.PriorEncoder.observe for name in made)


def reasons(priors: ClassPriors) -> list[str]:
    """Why ``auto`` took what it took, a sentence for each of the joined priors that it chose."""
    parts = [priors.made, *(part.get("how", {}) for part in priors.made.get("parts", []))]
    return [f"auto: {part['auto']['why']}" for part in parts if "auto" in part]
