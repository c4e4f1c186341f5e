"""Cells of the table of completion that are recipes: evidence, the generator, and the settings of papers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassPriors
    from kgzsl.recipe import CompletionRecipe
    from kgzsl.tasks.kg_completion.evaluation import Scorer
    from kgzsl.tasks.kg_completion.pair_features import PairFeatures
    from kgzsl.tasks.kg_completion.pipeline import CompletionRun
    from kgzsl.tasks.kg_completion.relation_completer import RelationCompleter

__all__ = ["PAPERS", "ROWS", "measure_paper", "measure_recipe"]

SHUFFLED = ", shuffled ontology"
_GENERATOR = {
    "name": "wgan", "hidden": 512, "noise_dim": 16, "epochs": 20, "batch_size": 128, "lr": 5e-4, "prior_size": 4.0,
    "ema": 0.99,
}  # fmt: skip
_PAIRS = {"steps": 120}
_COLUMNS = ("mrr", "hits@1", "hits@5", "hits@10", "linked.mrr", "unlinked.mrr", "range.mrr", "all.mrr")
# The components of DOZSL's embedding on NELL's schema: subPropertyOf, domain, range, and what is left.
_COMPONENTS = 4

ROWS: dict[str, dict[str, Any]] = {
    "zsgan": {
        # Neither the axioms in words nor anything else of the ontology's structure.
        "priors": [{"name": "text", "parts": ["label", "synonyms", "definition"]}],
        "pairs": {"loss": "margin", "prototype": "support", "neighbours": 50},
    },
    "ontozsl": {"priors": [{"name": "text_aware"}]},
    "dozsl-gan": {"priors": [{"name": "disentangled", "components": _COMPONENTS}]},
    "dozsl-gcn": {
        "priors": [{"name": "disentangled", "components": _COMPONENTS}],
        "generator": None,
        "relation_network": {
            "name": "gcn",
            "base": "disentangled",
            "base_options": {"components": _COMPONENTS},
        },
    },
}
"""Row of the table -> what its recipe has of its own; the rest is that of the row *wgan*."""

PAPERS: dict[str, tuple[str, ...]] = {"zsgan": ("zsgan",), "ontozsl": ("ontozsl",), "dozsl": ("dozsl-gan", "dozsl-gcn")}
"""Cell -> its rows, which have the same priors and so the same pair features, trained once."""


def measure_recipe(spec: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """A completion recipe with all of its controls, under every candidate rule.

    Args:
        spec: The cell, see :func:`kgzsl.benchmarks.kgc_cell.measure`.
        content: What all recipes of the table have in common.
    """
    from kgzsl.tasks.kg_completion import run

    if spec["method"] == "evidence":
        own: dict[str, Any] = {
            "generator": None,  # it has a cell of its own
            "ranker": {"name": "evidence", "calibrate": False},
            "controls": ["chance", "link_overlap", "shuffled"],
        }
    else:
        controls = ["chance", "nearest_prior", "mean_prototype", "shuffled"]
        own = {"generator": _GENERATOR, "pairs": _PAIRS, "controls": controls}
    result = run(_built({**content, **own}, spec), progress=False)
    metrics = result.per_seed[0]
    name = spec["method"] if spec["method"] == "evidence" else "wgan"
    names = {
        "": name,
        "control.shuffled.": name + SHUFFLED,
        "control.link_overlap.": "link overlap",
        "control.baseline.": "ridge",
        "control.nearest_prior.": "nearest seen relation",
        "control.mean_prototype.": "mean prototype",
        "control.chance.": "chance",
    }
    figures = {
        told: {key: metrics[f"{prefix}kgc.{key}"] for key in _COLUMNS if f"{prefix}kgc.{key}" in metrics}
        for prefix, told in names.items()
        if f"{prefix}kgc.mrr" in metrics
    }
    return {"figures": figures, "notes": result.warnings}


def measure_paper(spec: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """The rows of a cell of :data:`PAPERS`, each as ``kgzsl run`` trains and ranks it, with its shuffled ontology.

    Closed forms and confidences, which a run has beside the method, are left out: they have nothing to do here.

    Args:
        spec: The cell, see :func:`kgzsl.benchmarks.kgc_cell.measure`.
        content: What all recipes of the table have in common.
    """
    from kgzsl.tasks.kg_completion.pipeline import CompletionRun

    recipes = {}
    for row in PAPERS[spec["method"]]:
        pairs = _PAIRS | ROWS[row].get("pairs", {})
        recipes[row] = _built({**content, "generator": _GENERATOR, **ROWS[row], "pairs": pairs}, spec)
    run = CompletionRun(next(iter(recipes.values())), progress=False)
    # Texts alone are no ontology.
    shuffles = {"": None} if spec["method"] == "zsgan" else {"": None, SHUFFLED: spec["seed"] + 1}
    scorers: dict[str, Scorer] = {}
    for ending, shuffle in shuffles.items():
        priors = run.make_priors(spec["seed"], shuffle=shuffle)
        features: PairFeatures | None = None
        for row, recipe in recipes.items():
            model = _trained(run, recipe, priors, shuffle, features)
            features, scorers[row + ending] = model.features_, model.scorer
    found = run.protocol.final_score(scorers)
    rules = {rule.name: f"{rule.name}." if place else "" for place, rule in enumerate(run.rules)}
    told = {name: one.metrics(rules) for name, one in found.items()}
    told["chance"] = next(iter(found.values())).chance(rules)
    figures = {name: {key: one[key] for key in _COLUMNS if key in one} for name, one in told.items()}
    return {"figures": figures, "notes": run.notes}


def _trained(
    run: CompletionRun,
    recipe: CompletionRecipe,
    priors: ClassPriors,
    shuffle: int | None,
    features: PairFeatures | None,
) -> RelationCompleter:
    """A row's model; nothing is trained twice, since the data set names the relations that choices are made on."""
    fit, protocol = copy.copy(run.fit_generator), run.protocol
    fit.recipe = recipe
    assert run.graph is not None
    schema = run.graph if shuffle is None else run.graph.shuffled(shuffle)
    more: dict[str, Any] = {"schema": schema, "validate": protocol.validate, "features": features}
    return fit.train(run.seeds[0], priors, protocol.final_kg, "train", **more)


def _built(content: dict[str, Any], spec: Mapping[str, Any]) -> CompletionRecipe:
    """The recipe, with the options that make it cheap for a trial."""
    from kgzsl.recipe import CompletionRecipe, Recipe

    for key, value in spec.get("smaller", {}).items():
        if not isinstance(value, dict):
            content[key] = value
        elif content.get(key) is not None:  # rows of one cell may do without
            content[key] = {**content[key], **value}
    recipe = Recipe.build(content)
    assert isinstance(recipe, CompletionRecipe)
    return recipe
