"""The data set that a recipe names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from kgzsl.errors import InputError

if TYPE_CHECKING:
    from kgzsl.datasets import ImageFeatures, KGSplit
    from kgzsl.recipe import CompletionRecipe, ImageRecipe

__all__ = ["read_data"]


def read_data(recipe: ImageRecipe | CompletionRecipe) -> ImageFeatures | KGSplit:
    """Load it; what is wrong with its name or an option is told with its place in the recipe.

    Raises:
        InputError: The data set is unknown or not there, an option is wrong, or the data are bad.
    """
    from kgzsl import datasets

    spec = recipe.dataset
    try:
        return datasets.load(spec.name, **spec.options)
    except InputError as error:
        if error.file is not None or error.place is not None:
            raise
        named = (option for option in spec.options if re.search(rf"\b{re.escape(option)}\b", error.problem))
        place = recipe.where("dataset", next(named, "name"))
        raise InputError(error.problem, **place, remedy=error.remedy) from None
