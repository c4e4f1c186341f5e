"""One cell of the table of image methods: one method on one data set, run as a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kgzsl.benchmarks.images_beside import BESIDE, measure_beside
from kgzsl.benchmarks.images_retrieval import RETRIEVAL, RETRIEVAL_RUN, measure_retrieval, retrieval_recipe
from kgzsl.errors import InputError

__all__ = ["DATASETS", "METHODS", "measure", "recipe_of"]

_GAN: dict[str, Any] = {"hidden": 512, "epochs": 18, "lr": 3e-4, "ema": 0.99}
_CLS: dict[str, Any] = {**_GAN, "classification": 0.1}
_SOFTMAX: dict[str, Any] = {"name": "softmax", "samples_per_class": 300, "unseen_bias": "validation"}
_GDA: dict[str, Any] = {"name": "gda", "samples_per_class": 300, "unseen_bias": "validation"}
_HEAD: dict[str, Any] = {"prior_head": "eszsl", "prior_weight": [0.0, 0.5, 1.0, 2.0, 4.0, 8.0]}


def _alone(name: str, **search: list[Any]) -> dict[str, Any]:
    return {
        "generator": None,
        "classifier": {"name": name, "unseen_bias": "validation"},
        "search": {f"classifier.{key}": values for key, values in search.items()},
    }


def _trained(name: str, classifier: Mapping[str, Any] = _SOFTMAX, every: int = 3, **options: Any) -> dict[str, Any]:
    generator = {"name": name, **options}
    return {"generator": generator, "classifier": dict(classifier), "evaluate_every": every}


def _network(name: str, **options: Any) -> dict[str, Any]:
    """A graph network that tells classifiers from the data set's ontology alone."""
    classifier = {"name": "graph-network", "network": name, "unseen_bias": "validation", **options}
    return {"generator": None, "classifier": classifier, "graph": True}


def _of_pairs(**search: list[Any]) -> dict[str, Any]:
    """The experts of attribute, object and pair, for data sets whose classes are pairs."""
    return {**_alone("compositional", **search), "pairs": True}


#: Name in the table to what differs between recipes: generator, classifier, what is searched on validation classes.
METHODS: dict[str, dict[str, Any]] = {
    "ESZSL": {"generator": None, "classifier": {"name": "eszsl", "unseen_bias": "validation"}},
    "ESZSL, without a bias": {"generator": None, "classifier": {"name": "eszsl"}},
    "SAE": _alone("sae", lam=[0.01, 0.1, 1.0, 10.0, 100.0], direction=["features", "priors"]),
    "nearest prior": _alone("nearest-prior", lam=[0.01, 0.1, 1.0, 10.0, 100.0]),
    "ConSE": _alone("conse", top=[1, 5, 10]),
    "DeViSE": _alone("devise", lr=[1e-3, 1e-2]),
    "SJE": _alone("sje", lr=[1e-3, 1e-2]),
    "ALE": _alone("ale", lr=[1e-3, 1e-2]),
    "prototypes": {
        **_alone("prototypes", power=[0.5, 1.0], ridge=[0.03, 0.1, 0.3], shrinkage=[0.5, 10.0]),
        "splits": 3,
    },
    "prototypes, bias by margins": {
        **_alone("prototypes", power=[0.5, 1.0], ridge=[0.03, 0.1, 0.3], shrinkage=[0.5, 10.0]),
        "classifier": {"name": "prototypes", "unseen_bias": "margin"},
        "splits": 3,
    },
    "deep prototypes, bias by margins": {
        **_alone("deep-prototypes", shrinkage=[0.5, 10.0]),
        "classifier": {"name": "deep-prototypes", "unseen_bias": "margin"},
    },
    "GCN": _network("gcn"),
    "DGP": _network("dgp"),
    "linear": _trained("linear"),
    "linear, rbf kernel": {
        **_trained("linear", kernel="rbf"),
        "search": {"generator.width": [0.1, 0.3, 1.0]},
    },
    "linear, Gaussian head": {
        **_trained("linear", _GDA),
        "search": {"classifier.covariance": ["ks", "oas"], "generator.mean_error": [0.0, 0.3]},
    },
    "linear, Gaussian head + ESZSL": {
        **_trained("linear", {**_GDA, **_HEAD}),
        "search": {"classifier.covariance": ["ks", "oas"], "generator.mean_error": [0.0, 0.3]},
    },
    "linear + ESZSL": _trained("linear", {**_SOFTMAX, **_HEAD}),
    "linear, analytic head": _trained(
        "linear", {"name": "analytic", "gamma": 100.0, "samples_per_class": 300, "unseen_bias": "validation"}
    ),
    "linear, evidential head": _trained("linear", {**_SOFTMAX, "name": "evidential"}),
    "linear, gate": _trained("linear", {"name": "softmax", "samples_per_class": 300, "gate": "auto"}),
    "f-CLSWGAN": _trained("wgan", **_CLS),
    "f-CLSWGAN, Gaussian head": _trained("wgan", _GDA, **_CLS),
    "f-CLSWGAN, COSMO": _trained("wgan", {"name": "softmax", "samples_per_class": 300, "gate": "cosmo"}, **_CLS),
    "f-CLSWGAN + ESZSL": _trained("wgan", {**_SOFTMAX, **_HEAD}, **_CLS),
    "LisGAN": _trained("lisgan", **_CLS),
    "cycle-WGAN": _trained("cycle-wgan", **_CLS),
    "f-VAEGAN": _trained("f-vaegan", **_GAN),
    "TF-VAEGAN": _trained("tf-vaegan", **_GAN, decoder_hidden=512),
    "CADA-VAE": _trained("cada-vae", every=10, hidden=1024, epochs=40, batch_size=64),
    "CE-GZSL": _trained("ce-gzsl", every=5, hidden=1024, epochs=40, batch_size=256, lr=3e-4, ema=0.99),
    "extrapolation": _trained("extrapolation", every=5, epochs=20),
    "diffusion": _trained("diffusion", every=15, epochs=60),
    "linear, evidential gate": _trained("linear", {"name": "softmax", "samples_per_class": 300, "gate": "evidential"}),
    "linear, relevance": {
        **_trained("linear"),
        "relevance": {"metric": "resistance"},
        "search": {"relevance.strength": [0.0, 0.5, 1.0, 2.0]},
        "graph": True,
    },
    "nearest prior, relevance": {
        **_alone("nearest-prior", lam=[0.01, 0.1, 1.0, 10.0, 100.0]),
        "relevance": {"metric": "priors"},
    },
    "ALE, episodic": _alone("ale", lr=[1e-3, 1e-2], hold_out=[0.25, 0.5]),
    "DeViSE, episodic": _alone("devise", lr=[1e-3, 1e-2], hold_out=[0.25, 0.5]),
    "SJE, episodic": _alone("sje", lr=[1e-3, 1e-2], hold_out=[0.25, 0.5]),
    "deep prototypes, episodic": {
        **_alone("deep-prototypes", shrinkage=[0.5, 10.0]),
        "classifier": {"name": "deep-prototypes", "unseen_bias": "margin", "hold_out": 0.25},
    },
    "GCN, episodic": _network("gcn", hold_out=0.5),
    "f-CLSWGAN, episodic": _trained("wgan", **_CLS, hold_out=0.3),
    "linear, metric head": {
        **_trained("linear", {**_SOFTMAX, "name": "metric"}),
        "search": {"classifier.confusion": [0.0, 1.0]},
    },
    "views of prior and ontology": {
        **_alone("views", power=[0.5, 1.0], lam=[0.03, 0.1, 0.3]),
        "both": True,
        "splits": 3,
    },
    "compositional": _of_pairs(),
    # With the control of the plain one: they train two or three times as long.
    "compositional, adversarial": {**_of_pairs(epsilon=[0.1, 0.3]), "controls": []},
    "compositional, mixing": {**_of_pairs(mixing=[1.0]), "controls": []},
    "compositional, episodic": {**_of_pairs(hold_out=[0.25, 0.5]), "controls": []},
}

#: Data set to what its recipes share: graph and priors, or those of a shipped recipe (``as``). ``small`` asks for the
#: closed forms and the best generators alone; ``gan`` replaces options of the WGAN and its kin (larger sets take fewer
#: passes); ``ontology`` is the project's own, for methods that read a graph and for the comparison of priors. Where
#: classes are pairs, ``methods`` names those that are measured, and ``controls`` the controls of all of them.
DATASETS: dict[str, dict[str, Any]] = {
    "flo": {"priors": [{"name": "att"}], "ontology": "ontologies/flowers.ttl"},
    "awa1_handcrafted": {
        "priors": [{"name": "att"}],
        "gan": {"epochs": 9, "batch_size": 128, "noise_dim": 100},
        "ontology": "ontologies/animals.ttl",
    },
    "cifar100": {"as": "cifar100", "small": True, "gan": {"epochs": 9, "batch_size": 128}},
    "miniimagenet": {"as": "miniimagenet", "small": True, "gan": {"epochs": 9, "batch_size": 128}},
    "latin_compositions": {
        "as": "latin_compositions",
        "methods": (
            "ESZSL",
            "nearest prior",
            "prototypes",
            "linear",
            *(name for name in METHODS if "pairs" in METHODS[name]),
        ),
        "controls": ["shuffled"],
    },
}


def recipe_of(cell: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a cell ``{dataset, method, seeds, device, options, priors, controls}``, as plain values.

    Raises:
        InputError: An unknown method.
    """
    if cell["method"] == RETRIEVAL_RUN:
        return retrieval_recipe(recipe_of({**cell, "method": "linear, metric head"}))
    if cell["method"] not in METHODS:
        raise InputError(f"no method of the table is called {cell['method']!r}", remedy=", ".join(METHODS))
    method = json.loads(json.dumps(METHODS[cell["method"]]))
    options = dict(cell.get("options") or {})
    if method["generator"] is not None:
        known = method["generator"]
        if _GAN.items() <= known.items():
            known.update(DATASETS.get(cell["dataset"], {}).get("gan", {}))
        known.update({key: value for key, value in options.items() if key in known})
    about = DATASETS.get(cell["dataset"], {})
    shared = _shared(cell["dataset"])
    recipe: dict[str, Any] = {
        "task": "image_classification",
        "dataset": cell["dataset"],
        "priors": [{"name": "att"}],
        **shared,
        "generator": method["generator"],
        "classifier": method["classifier"],
        "protocol": {
            "seeds": cell["seeds"],
            "evaluate_every": method.get("evaluate_every", 5),
            "search": method.get("search", {}),
            "splits": method.get("splits", 1),
        },
        "controls": list(cell.get("controls") or method.get("controls", about.get("controls", []))),
        "train": {"device": cell.get("device", "auto")},
    }
    ontology = DATASETS.get(cell["dataset"], {}).get("ontology")
    if method.get("graph") and ontology is not None:
        recipe["graph"] = {"source": ontology}
    if method.get("both") and ontology is not None:
        recipe["priors"] = [*recipe["priors"], {"name": "attributes", "graph": ontology}]
    if method.get("pairs"):
        recipe.setdefault("compositions", {})
    if "relevance" in method:
        recipe["relevance"] = method["relevance"]
    for key in ("priors", "graph"):
        if cell.get(key):
            recipe[key] = cell[key]
    return recipe


def _shared(dataset: str) -> dict[str, Any]:
    known = DATASETS.get(dataset, {})
    if "as" not in known:
        return {key: value for key, value in known.items() if key == "priors"}
    import yaml

    from kgzsl.cli.recipes import find_recipe

    content = yaml.safe_load(find_recipe(known["as"]).read_text(encoding="utf-8"))
    return {key: content[key] for key in ("graph", "compositions", "priors") if key in content}


def measure(cell: Mapping[str, Any]) -> dict[str, Any]:
    """Run a cell, going on where an earlier try of it stopped; those of :data:`BESIDE` begin anew.

    Those of :data:`RETRIEVAL` tell Recall@K and NMI of the unseen classes in place of accuracies.

    Returns:
        ``metrics`` (means and ``_std`` over seeds), ``seconds``, ``peak_mb``, ``chosen`` (on validation classes).

    Raises:
        InputError: The data set is not there, or the recipe does not fit it.
    """
    from kgzsl.recipe import ImageRecipe, Recipe
    from kgzsl.tasks.image_classification import run

    if cell["method"] in RETRIEVAL and cell["method"] != RETRIEVAL_RUN:
        return measure_retrieval(cell)
    if cell["method"] in BESIDE:
        return measure_beside(cell, DATASETS.get(cell["dataset"], {}).get("ontology"))
    recipe = Recipe.build(recipe_of(cell))
    assert isinstance(recipe, ImageRecipe)
    out = Path(cell["folder"]) if cell.get("folder") else None
    found = run(recipe, out=out, resume=out is not None and out.exists(), progress=False)
    figures = ("zsl.", "gzsl.", "pairs.", "open.", "control.shuffled.")
    wanted = ("retrieval.",) if cell["method"] == RETRIEVAL_RUN else figures
    metrics = {key: round(value, 4) for key, value in found.metrics.items() if key.startswith(wanted)}
    chosen = found.selection["chosen"].get("generator", {})
    shown = ("epochs", "options", "generator_options", "relevance", "prior_weight")
    told = {k: v for k, v in chosen.items() if k in shown}
    if cell["method"] == RETRIEVAL_RUN:
        told = {**chosen["options"], "recall@1": round(chosen["figures"]["retrieval.recall@1"], 4)}
    kept = (key for key in found.seconds if key != "total" and "selection.eszsl" not in key)
    seconds = sum(found.seconds[key] for key in kept)
    return {"metrics": metrics, "seconds": seconds, "peak_mb": found.peak_memory_mb, "chosen": told}
