"""Every classifier that a recipe knows by name answers alike after it was saved and read."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np
import pytest
import torch

from kgzsl.classifiers import Cascade, SelfTraining, classifiers
from kgzsl.classifiers.needs import takes_unlabeled
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors

NAMES = np.array(["a", "b", "c", "d"])


class Tower:
    """A text tower as wide as the features."""

    def encode_text(self, texts):  # type: ignore[no-untyped-def]
        return torch.stack([torch.arange(6).add(ord(text[-2])).cos() for text in texts])


@pytest.mark.parametrize("name", classifiers.names)
def test_what_is_saved_answers_alike(name: str, tmp_path) -> None:
    random = np.random.default_rng(0)
    prior = random.normal(size=(4, 3)).astype(np.float32)
    rows = np.repeat(np.arange(4), 15)
    x = torch.tensor(prior[rows] @ random.normal(size=(3, 6)) + 0.2 * random.normal(size=(60, 6)), dtype=torch.float32)
    options: dict[str, Any] = {"epochs": 3} if "epochs" in inspect.signature(classifiers.find(name)).parameters else {}
    if "graph" in inspect.signature(classifiers.find(name)).parameters:
        edges = [(one, "subClassOf", group) for one, group in zip(NAMES, ("low", "low", "high", "high"), strict=True)]
        options |= {"graph": ClassGraph.from_triples(edges)}
        options |= {"metric": "hops"} if name == "loki" else {"network_options": {"epochs": 3}}
    if name == "clip":
        options |= {"tower": Tower(), "cache": None}
    made = classifiers.make(name, **options)
    looks = {"unlabeled": x[45:]} if takes_unlabeled(name) else {}
    if "priors" in inspect.signature(made.fit).parameters:
        made.fit(
            x[:45],
            NAMES[rows[:45]],
            priors=ClassPriors(tuple(NAMES), prior[:, :2]) | ClassPriors(tuple(NAMES), prior[:, 2:]),
            **looks,
        )
    else:
        made.fit(x, rows, **looks)
    save_tree(tmp_path / "state.safetensors", made.state_dict())
    again = classifiers.make(name, **options).load_state_dict(load_tree(tmp_path / "state.safetensors"))
    np.testing.assert_array_equal(again.predict(x), made.predict(x))
    before, after = (np.asarray(one.decision_function(x)) for one in (made, again))
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_saved_says_so() -> None:
    made = classifiers.make("gda")
    with pytest.raises(InputError, match="not fitted"):
        made.state_dict()
    made.inner_ = classifiers.make("gda")
    with pytest.raises(InputError, match="inner_"):
        made.state_dict()


def test_a_head_that_a_function_made_cannot_be_saved() -> None:
    rows, labels = np.eye(2).repeat(6, axis=0), np.arange(2).repeat(6)
    for kind in (Cascade, SelfTraining):
        made = kind(lambda: classifiers.make("softmax")).fit(rows, labels, unlabeled=rows)
        with pytest.raises(InputError, match="made by a function"):
            made.state_dict()
