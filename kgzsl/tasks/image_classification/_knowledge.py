"""The class graph and the priors that a recipe asks for, real or shuffled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kgzsl.errors import InputError, nearest
from kgzsl.knowledge import ClassGraph, ClassPriors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from kgzsl.datasets import ImageFeatures
    from kgzsl.engine import Engine
    from kgzsl.recipe import ImageRecipe

__all__ = ["build_priors", "graph_names", "read_graph"]


def read_graph(recipe: ImageRecipe, data: ImageFeatures) -> ClassGraph | None:
    """The graph that the recipe names, else the one that belongs to the data, else None."""
    spec = recipe.graph
    if spec is None:
        return None if data.graph_source is None else ClassGraph.read(data.graph_source)
    return ClassGraph.read(
        recipe.find_file(spec.source, "graph", "source"),
        spec.format,
        projection=spec.projection,
        reasoning=None if spec.reasoning == "none" else spec.reasoning,
        language=spec.language,
    )


def graph_names(recipe: ImageRecipe, data: ImageFeatures, graph: ClassGraph | None) -> list[str]:
    """What the graph calls each class: as the recipe's mapping says, else its name, else another name that is known.

    A class whose name the graph does not know goes by its IRI or WordNet id, where the data set has them.
    """
    mapping = (recipe.graph.mapping if recipe.graph is not None else None) or {}
    names = [mapping.get(name, name) for name in data.class_names]
    if graph is None:
        return names
    for other in ("iri", "wnid"):
        missing = [i for i, index in enumerate(graph.align(names).indices) if index < 0]
        more = data.class_info.get(other)
        if more is None or not missing:
            continue
        found = graph.align([more[i] for i in missing]).indices
        for i, index in zip(missing, found, strict=True):
            if index >= 0:
                names[i] = more[i]
    return names


def build_priors(
    recipe: ImageRecipe,
    class_names: Sequence[str],
    called: Sequence[str],
    shipped: Mapping[str, ClassPriors],
    graph: ClassGraph | None,
    *,
    engine: Engine | None = None,
    shuffle: int | None = None,
) -> ClassPriors:
    """The priors of all classes: every block of the recipe made, aligned, normalised, and put side by side.

    Args:
        recipe: Says which.
        class_names: All classes.
        called: What the graph calls them, see :func:`graph_names`.
        shipped: Priors that ship with the data set.
        graph: What encoders are fitted on.
        engine: Trains encoders that learn.
        shuffle: The control: with this seed, encoders see the graph with its edges shuffled, and priors that come from
            no graph have their rows permuted.

    Raises:
        InputError: A prior that neither an encoder nor the data set offers, or a class without a prior.
    """
    wrong = None if graph is None or shuffle is None else graph.shuffled(shuffle)
    blocks: list[ClassPriors] = []
    for number, spec in enumerate(recipe.priors):
        block = _block(recipe, number, class_names, called, shipped, graph if shuffle is None else wrong, engine)
        if shuffle is not None and (spec.name == "file" or spec.name in shipped):
            block = block.shuffled(shuffle)
        blocks.append(block.normalised("l2" if spec.normalise == "auto" else spec.normalise))
    joined = blocks[0]
    for block in blocks[1:]:
        joined = joined | block
    return joined


def _block(
    recipe: ImageRecipe,
    number: int,
    class_names: Sequence[str],
    called: Sequence[str],
    shipped: Mapping[str, ClassPriors],
    graph: ClassGraph | None,
    engine: Engine | None,
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
    if graph is None:
        raise InputError(
            f"the prior {spec.name!r} is made from a class graph, and neither the recipe nor the data set has one",
            **where,
            remedy="add graph: {source: ...}",
        )
    encoder = priors.make(spec.name, **spec.options).fit(graph, engine=engine)
    made = encoder.priors(called)
    return ClassPriors(tuple(class_names), made.matrix, made.made)
