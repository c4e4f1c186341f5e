"""The data set that a recipe names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures, KGSplit
    from kgzsl.recipe import CompletionRecipe, ImageRecipe

__all__ = ["read_data", "read_images", "read_kg"]


def read_data(recipe: ImageRecipe | CompletionRecipe) -> ImageFeatures | KGSplit:
    """Load it; what is wrong with its name or an option is told with its place in the recipe.

    Raises:
        InputError: The data set is unknown or not there, an option is wrong, or the data are bad.
    """
    from kgzsl import datasets

    spec, source = recipe.dataset, _source(recipe)
    try:
        return datasets.load(source, **spec.options, **_labels(recipe, source))
    except InputError as error:
        if error.file is not None or error.place is not None:
            raise
        named = (option for option in spec.options if re.search(rf"\b{re.escape(option)}\b", error.problem))
        place = recipe.where("dataset", next(named, "name"))
        raise InputError(error.problem, **place, remedy=error.remedy) from None


def _source(recipe: ImageRecipe | CompletionRecipe) -> str:
    """What the recipe calls its data set: a known name, or a file or folder from here, else from beside the recipe."""
    from kgzsl import datasets

    name = recipe.dataset.name
    if name in datasets.known() or Path(name).expanduser().exists():
        return name
    beside = recipe.beside(name)
    return name if beside is None else str(beside)


def _labels(recipe: ImageRecipe | CompletionRecipe, source: str) -> dict[str, Any]:
    """The recipe's own schema for a file of facts: the labels of relations in it may name those that are unseen."""
    from kgzsl import datasets
    from kgzsl.datasets.kg_facts import is_table
    from kgzsl.datasets.kg_rdf import is_rdf

    file, graph = Path(source).expanduser(), recipe.graph
    if graph is None or graph.source == "none" or recipe.dataset.name in datasets.known():
        return {}
    if not file.is_file() or not (is_table(file) or is_rdf(file)):
        return {}
    from kgzsl.tasks._knowledge import read_graph

    return {"schema": lambda: read_graph(recipe)}


def read_images(recipe: ImageRecipe, data: ImageFeatures | None = None) -> ImageFeatures:
    """``data``, or what :func:`read_data` gives; it is an image data set.

    Raises:
        InputError: It is a knowledge graph, or see :func:`read_data`.
    """
    from kgzsl.datasets import ImageFeatures

    loaded = read_data(recipe) if data is None else data
    if not isinstance(loaded, ImageFeatures):
        raise InputError(
            f"{recipe.dataset.name!r} is a knowledge graph, not an image data set",
            **recipe.where("dataset"),
            remedy="choose an image data set, or write task: kg_completion",
        )
    return loaded


def read_kg(recipe: CompletionRecipe, data: KGSplit | None = None) -> KGSplit:
    """``data``, or what :func:`read_data` gives, numbered by name; it is a knowledge graph.

    A run draws by number and by row: equal facts give equal runs, whatever order and format they are written in.

    Raises:
        InputError: It is an image data set, or see :func:`read_data`.
    """
    from kgzsl.datasets import KGSplit

    loaded = read_data(recipe) if data is None else data
    if not isinstance(loaded, KGSplit):
        raise InputError(
            f"{recipe.dataset.name!r} is an image data set, not a knowledge graph",
            **recipe.where("dataset"),
            remedy="choose a knowledge graph, or write task: image_classification",
        )
    return loaded.in_name_order()
