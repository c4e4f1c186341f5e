"""The cells of a comparison: one recipe for each choice of priors, generator and classifier."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kgzsl.errors import InputError
from kgzsl.recipe import ImageRecipe, Recipe

__all__ = ["Cell", "cells", "choices"]


@dataclass(frozen=True)
class Cell:
    """One experiment of a comparison.

    Args:
        name: What it is called, and its folder: ``attributes+transe--wgan--softmax``.
        priors: Its priors, spoken.
        generator: Its generator, spoken; ``none`` without.
        classifier: Its classifier, spoken; empty where the task has none.
        recipe: What is to be run; None where the parts do not go together.
        problem: Why they do not.
    """

    name: str
    priors: str
    generator: str
    classifier: str
    recipe: Recipe | None
    problem: str = ""


def choices(given: Sequence[str] | None) -> list[Any]:
    """``["a,b+c", "{name: transe, dim: 64}"]`` to the values of a recipe's key; ``none`` to None.

    Commas part choices and ``+`` joins priors; what begins with a bracket is one choice, read as YAML.

    Raises:
        InputError: YAML that cannot be read, or an empty name.
    """
    import yaml

    found: list[Any] = []
    for entry in given or []:
        if entry.lstrip()[:1] in ("{", "["):
            try:
                found.append(yaml.safe_load(entry))
            except yaml.YAMLError:
                raise InputError(f"{entry!r} cannot be read", remedy="write it as {name: transe, dim: 64}") from None
            continue
        for part in entry.split(","):
            names = [name.strip() for name in part.split("+")]
            if not all(names):
                raise InputError(f"there is an empty name in {entry!r}", remedy="write it as attributes,transe+text")
            found.append(None if names == ["none"] else names if len(names) > 1 else names[0])
    return found


def cells(
    recipe: Recipe,
    priors: Sequence[Any],
    generators: Sequence[Any],
    classifiers: Sequence[Any],
    *,
    across_settings: bool = False,
) -> list[Cell]:
    """Every combination, as a checked recipe; what is not given stays as ``recipe`` has it.

    Args:
        recipe: What all share.
        priors: Choices of the key ``priors``.
        generators: Choices of the key ``generator``.
        classifiers: Choices of the key ``classifier``.
        across_settings: Whether methods that look at the recipe's unlabelled data may stand beside others, which are
            then given none.

    Raises:
        InputError: Nothing is varied, a choice is no component, it is named twice, or settings are mixed.
    """
    if not (priors or generators or classifiers):
        raise InputError("nothing is compared", remedy="give --priors, --generators or --classifiers")
    if classifiers and not isinstance(recipe, ImageRecipe):
        raise InputError("completion has no classifiers to compare", remedy="compare --priors and --generators")
    plain = recipe.to_dict()
    made: dict[str, Cell] = {}
    inductive: list[str] = []
    keys = {"priors": list(priors), "generator": list(generators), "classifier": list(classifiers)}
    own: dict[str, list[Any]] = {key: values or [plain.get(key)] for key, values in keys.items()}
    for prior, generator, classifier in itertools.product(*own.values()):
        content = {**plain, "priors": prior, "generator": generator}
        if classifier is not None:
            content["classifier"] = _kept(plain.get("classifier"), classifier)
        if generator is not None:
            content["generator"] = _kept(plain.get("generator"), generator)
        spoken = [_spoken(prior), _spoken(generator), _spoken(classifier) if classifier is not None else ""]
        name = "--".join(re.sub(r"[^\w.+-]+", "_", part).strip("_") for part in spoken if part)
        if name in made:
            raise InputError(f"{name} is among the choices twice", remedy="name each choice once")
        if content.get("unlabeled") and not _looks(content["generator"], content["classifier"]):
            del content["unlabeled"]
            inductive.append(name)
        made[name] = _cell(name, spoken, content, recipe.where("priors")["file"])
    if 0 < len(inductive) < len(made) and not across_settings:
        raise InputError(
            f"{inductive[0]} is inductive and others look at unlabelled data: their figures are no match",
            remedy="compare methods of one setting, or add --across-settings, which stamps each of them",
        )
    if all(cell.recipe is None for cell in made.values()):
        raise InputError(next(iter(made.values())).problem, remedy="compare other generators or classifiers")
    return list(made.values())


def _cell(name: str, spoken: Sequence[str], content: dict[str, Any], file: str | None) -> Cell:
    prior, generator, classifier = spoken
    try:
        return Cell(name, prior, generator, classifier, Recipe.build(content, file=file))
    except InputError as error:
        # A grid has corners that cannot be; a name or an option that is wrong is wrong everywhere.
        if "without a generator" not in error.problem:
            raise
        return Cell(name, prior, generator, classifier, None, error.problem)


def _looks(generator: Any, classifier: Any) -> bool:
    """Whether one of the two looks at unlabelled data; a name that nobody knows is told of elsewhere."""
    from kgzsl.tasks.image_classification._unlabelled import looks

    own, head = (one.get("name") if isinstance(one, dict) else one for one in (generator, classifier))
    try:
        return bool(looks(own, str(head)))
    except InputError:
        return True


def _kept(base: Any, choice: Any) -> Any:
    """The recipe's own options where the choice is the component that it has anyway, and its general ones else."""
    named = {"name": choice} if isinstance(choice, str) else dict(choice)
    if not isinstance(base, dict):
        return named
    if base.get("name") == named.get("name"):
        return {**base, **named}
    general = ("samples_per_class", "real_per_class", "unseen_bias", "balanced")
    return {**{key: base[key] for key in general if key in base}, **named}


def _spoken(choice: Any) -> str:
    if choice is None:
        return "none"
    if isinstance(choice, list):
        return "+".join(_spoken(one) for one in choice)
    if isinstance(choice, str):
        return choice
    defaults = {"normalise": "auto", "weight": 1.0}
    quiet = ("name", "graph", "samples_per_class", "unseen_bias", "balanced", "real_per_class")
    told = [f"{key}={value}" for key, value in choice.items() if key not in quiet and defaults.get(key) != value]
    return str(choice.get("name")) + (f"({','.join(told)})" if told else "")
