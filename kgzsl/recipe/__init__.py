"""Recipes: experiments as YAML, checked before anything runs."""

from kgzsl.recipe._text import apply_overrides
from kgzsl.recipe.base import Recipe
from kgzsl.recipe.completion_recipe import CompletionRecipe
from kgzsl.recipe.image_recipe import ImageRecipe
from kgzsl.recipe.specs import (
    ClassifierSpec,
    CompletionProtocolSpec,
    Component,
    GraphSpec,
    ImageProtocolSpec,
    PriorSpec,
    RelevanceSpec,
    TrainSpec,
    UnlabeledSpec,
)

__all__ = [
    "ClassifierSpec",
    "CompletionProtocolSpec",
    "CompletionRecipe",
    "Component",
    "GraphSpec",
    "ImageProtocolSpec",
    "ImageRecipe",
    "PriorSpec",
    "Recipe",
    "RelevanceSpec",
    "TrainSpec",
    "UnlabeledSpec",
    "apply_overrides",
]
