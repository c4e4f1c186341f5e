"""Every option of every classifier, gate and decision rule: of another kind or out of range, it is told by its name."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.classifiers import (
    CompositionalClassifier,
    CosmoGate,
    EvidentialGate,
    GatedExperts,
    Hypergraph,
    Loki,
    LokiClassifier,
    MultiViewCCA,
    classifiers,
)
from kgzsl.classifiers.base import Classifier
from kgzsl.classifiers.needs import takes_priors, takes_unlabeled
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from tests.wrong_values import as_numpy, defaults, wrong_values

# Names that only a look at what is installed, or at a hub, can tell from others; and models of any kind.
FREE = {
    "ClipZeroShot": ("model", "backbone", "cache", "templates"),
    "Cascade": ("head",),
    "SelfTraining": ("head",),
    "LokiHead": ("head",),
    "GraphNetworkClassifier": ("network",),
}
ANYTHING = {"ClipZeroShot": ("tower", "templates"), "LokiClassifier": ("classifier",)}
KINDS: list[type[Classifier]] = [*dict.fromkeys(classifiers.classes.values()), LokiClassifier, CompositionalClassifier]
NAMES = np.array(["a", "b", "c", "d"])


def cases(kinds: list[Any]) -> list[Any]:
    return [
        pytest.param(kind, name, value, id=f"{kind.__name__}-{name}-{value!r}")
        for kind in kinds
        for name, value in wrong_values(kind, FREE.get(kind.__name__, ()))
        if name not in ANYTHING.get(kind.__name__, ())
    ]


@pytest.mark.parametrize(("kind", "name", "value"), cases(KINDS))
def test_a_classifier_names_the_option(kind: Any, name: str, value: Any) -> None:
    first = {"classifier": "softmax"} if kind is LokiClassifier else {}
    made = kind(**{**first, name: value})  # as scikit-learn has it, nothing is looked at here
    assert made.get_params()[name] is value
    with pytest.raises(InputError, match=rf"\b{name}\b.*; ") as caught:
        made.check_options()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_fit_looks_at_the_options_first(kind: Any) -> None:
    name, value = next(iter(wrong_values(kind, FREE.get(kind.__name__, ()))))
    if name in ANYTHING.get(kind.__name__, ()):
        name, value = "budget" if kind is LokiClassifier else "scale", "abc"
    first = {"classifier": "softmax"} if kind is LokiClassifier else {}
    more = {"unlabeled": np.eye(4)} if "unlabeled" in inspect.signature(kind.fit).parameters else {}
    if "priors" in inspect.signature(kind.fit).parameters:
        more["priors"] = ClassPriors(tuple(NAMES), np.eye(4))
    with pytest.raises(InputError, match=rf"\b{name}\b.*; "):
        kind(**{**first, name: value}).fit(np.eye(4), NAMES, **more)


@pytest.mark.parametrize(("kind", "name", "value"), cases([CosmoGate, EvidentialGate, GatedExperts, MultiViewCCA]))
def test_a_gate_names_the_option(kind: Any, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=rf"\b{name}\b.*; "):
        kind(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in ("budget", "device", "classes", "observed") for value in ("abc", True, float("nan"))],
)
def test_loki_names_the_option(name: str, value: Any) -> None:
    given = {"distances": 1 - np.eye(2), "classes": ["a", "b"], "observed": ["a"], "budget": 9, "device": "cpu"}
    with pytest.raises(InputError, match=rf"\b{name}\b.*; "):
        Loki(**{**given, name: value})


@pytest.mark.parametrize("value", ["abc", None, float("nan"), [1], True, 0, 1.5])
def test_a_hypergraph_names_the_option(value: Any) -> None:
    for name in ("neighbours", "budget"):
        with pytest.raises(InputError, match=rf"\b{name}\b.*; "):
            Hypergraph([np.eye(3)], **{"neighbours": 1, name: value})


BOUNDS = [
    ("ale", "margin", 0), ("ale", "hold_out", 1), ("ale", "seed", -1), ("ale", "seed", 2**64),
    ("sje", "batch_size", 2.0),
    ("analytic", "seed", 1.5), ("conse", "top", 0), ("cascade", "ratio", 1.5), ("deep-prototypes", "smoothing", 1),
    ("evidential", "annealing", 0), ("evidential", "regularisation", -1), ("gda", "alpha", -1),
    ("gda", "device", "gpuu"), ("metric", "confusion", -0.5), ("multi-view", "dim", 0), ("nearest-prior", "centre", 1),
    ("prototypes", "ridge", "best"), ("self-training", "growth", -1), ("softmax", "tolerance", -1),
    ("softmax", "lr", 10**400), ("softmax", "lr", float("inf")), ("views", "folds", 1), ("views", "views", {"a": 1.5}),
    ("loki", "options", [("lr", 1)]), ("loki", "options", {"lr": "abc"}), ("clip", "scale", 0),
]  # fmt: skip


@pytest.mark.parametrize(("classifier", "name", "value"), BOUNDS)
def test_numbers_out_of_range(classifier: str, name: str, value: Any) -> None:
    with pytest.raises(InputError, match=r"\b(lr|" + name + r")\b.*; "):
        classifiers.make(classifier, **{name: value}).check_options()


@pytest.mark.parametrize("name", [name for name in classifiers.names if name != "g-acil"])
def test_numbers_of_numpy_are_numbers(name: str) -> None:
    """As scikit-learn's searches give them; the answers are those of Python's own."""
    random = np.random.default_rng(0)
    prior = random.normal(size=(4, 3)).astype(np.float32)
    rows = np.repeat(np.arange(4), 6)
    x = torch.tensor(prior[rows] @ random.normal(size=(3, 6)) + 0.2 * random.normal(size=(24, 6)), dtype=torch.float32)
    kind = classifiers.find(name)
    known = inspect.signature(kind).parameters
    options = defaults(kind) | {name: value for name, value in {"epochs": 2, "seed": 3}.items() if name in known}
    if "graph" in known:
        edges = [(one, "subClassOf", group) for one, group in zip(NAMES, ("low", "low", "high", "high"), strict=True)]
        options |= {"graph": ClassGraph.from_triples(edges)}
        options |= {"network_options": {"epochs": 2}} if "network_options" in known else {}
    if name == "analytic":
        options["expansion"] = 8
    if name == "clip":
        options |= {"scale": 50.0}
    prior = prior if name != "clip" else random.normal(size=(4, 6)).astype(np.float32)
    more: dict[str, Any] = {"unlabeled": x} if takes_unlabeled(name) else {}
    labels: Any = rows
    if takes_priors(name):
        half = prior.shape[1] // 2
        more["priors"] = ClassPriors(tuple(NAMES), prior)
        if name in ("views", "compositional"):  # they read priors by their parts
            more["priors"] = ClassPriors(tuple(NAMES), prior[:, :half]) | ClassPriors(tuple(NAMES), prior[:, half:])
        labels = NAMES[rows]
        if name == "multi-view":
            more["candidates"] = "all"
    first, second = (kind(**given).fit(x, labels, **more) for given in (options, as_numpy(options)))
    np.testing.assert_array_equal(np.asarray(second.decision_function(x)), np.asarray(first.decision_function(x)))
