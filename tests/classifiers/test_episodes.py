"""Episodic training of classifiers without a generator: what a step sees, and that it helps unseen classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from kgzsl.classifiers import ALE, SJE, DeViSE, GraphNetworkClassifier
from kgzsl.classifiers._episodes import episode
from kgzsl.classifiers.bilinear import Bilinear
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.recipe import Recipe


def world(seed: int) -> tuple[np.ndarray, ...]:
    """40 seen and 30 unseen classes; of the 68 numbers of a prior eight matter, the others tell a class apart."""
    random = np.random.default_rng(seed)
    priors = random.normal(size=(70, 68))
    way, own = random.normal(size=(8, 30)), random.normal(size=(70, 30))
    labels, truth = np.repeat(np.arange(40), 8), np.repeat(np.arange(40, 70), 8)
    features, test = (
        priors[rows, :8] @ way + own[rows] + random.normal(size=(len(rows), 30)) for rows in (labels, truth)
    )
    return priors, features, labels, test, truth


@pytest.mark.parametrize("kind", [ALE, DeViSE])
def test_unseen_classes_are_told_better_at_equal_steps(kind: type[Bilinear]) -> None:
    gains = []
    for seed in range(5):
        priors, features, labels, test, truth = world(seed)
        right = [
            np.mean(
                kind(epochs=40, batch_size=64, hold_out=share, seed=seed)
                .fit(features, labels, priors=priors)
                .predict(test, "unseen")
                == truth
            )
            for share in (0.25, 0.0)
        ]
        gains.append(right[0] - right[1])
    assert np.mean(gains) > 0.015


def test_an_episode_holds_classes_out_with_all_their_rows() -> None:
    labels = torch.randint(0, 12, (300,), generator=torch.Generator().manual_seed(0))
    random = torch.Generator().manual_seed(1)
    met = set()
    for _ in range(40):
        rows, among, place = episode(labels, 12, 0.3, 64, random)
        assert len(among) == len(set(among.tolist())) == 4
        assert torch.equal(among[place], labels[rows])
        met |= set(among.tolist())
    assert met == set(range(12))
    assert len(episode(labels, 12, 0.01, 5, random)[1]) == 2  # one alone would have nothing to be told from


def test_a_step_judges_rows_of_the_held_out_classes_among_these_alone(monkeypatch) -> None:
    priors, features, labels, *_ = world(0)
    seen: list[tuple[int, int]] = []
    plain = ALE.losses

    def watched(scores: Tensor, truth: Tensor, margin: float) -> Tensor:
        seen.append((scores.shape[1], int(truth.max())))
        return plain(scores, truth, margin)

    monkeypatch.setattr(ALE, "losses", staticmethod(watched))
    ALE(epochs=2, batch_size=64, hold_out=0.25).fit(features, labels, priors=priors)
    assert {columns for columns, _ in seen} == {10}
    seen.clear()
    ALE(epochs=2, batch_size=64).fit(features, labels, priors=priors)
    assert {columns for columns, _ in seen} == {40}


def test_classes_outside_of_an_episode_get_no_gradient(monkeypatch) -> None:
    """With orthogonal priors W has a column for each class; one step moves those of the held-out classes alone."""
    labels = np.arange(8).repeat(5)
    features = np.random.default_rng(0).normal(size=(40, 6))
    model = ALE(epochs=1, batch_size=40, hold_out=0.4, lr=0.1).fit(features, labels, priors=np.eye(8))
    moved = (model.coef_ != 0).any(dim=0)
    assert int(moved.sum()) == 3
    assert bool((ALE(epochs=1, batch_size=40, lr=0.1).fit(features, labels, priors=np.eye(8)).coef_ != 0).all())


@pytest.mark.parametrize("kind", [ALE, DeViSE, SJE])
def test_without_it_nothing_changes_and_with_it_the_weights_are_others(kind: type[Bilinear]) -> None:
    priors, features, labels, *_ = world(1)
    plain, off, on = (
        kind(epochs=1, **options).fit(features, labels, priors=priors).coef_
        for options in ({}, {"hold_out": 0.0}, {"hold_out": 0.3})
    )
    assert torch.equal(plain, off)
    assert not torch.allclose(plain, on)
    again = kind(epochs=1, hold_out=0.3).fit(features, labels, priors=priors).coef_
    assert torch.equal(on, again)
    alone = kind(epochs=1, hold_out=0.3).fit(features[:8], labels[:8], priors=priors)  # nothing to hold out
    assert torch.equal(alone.coef_, kind(epochs=1).fit(features[:8], labels[:8], priors=priors).coef_)


def families(seed: int):
    """Eight families of six classes, two of which are unseen; node vectors are noise, only the tree tells anything."""
    random = np.random.default_rng(seed)
    members = [(f, c) for f in range(8) for c in range(6)]
    tree = [(f"f{f}", "subClassOf", "root") for f in range(8)]
    graph = ClassGraph.from_triples([*tree, *((f"c{f}_{c}", "subClassOf", f"f{f}") for f, c in members)])
    family = 1.2 * random.normal(size=(8, 12))
    centres = {f"c{f}_{c}": family[f] + random.normal(size=12) for f, c in members}
    seen, unseen = ([name for name in centres if (int(name[-1]) < 4) == kind] for kind in (True, False))

    def draw(names: list[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [centres[name] + 0.5 * random.normal(size=(10, 12)) for name in names]
        return np.concatenate(rows).astype(np.float32), np.repeat(names, 10)

    base = ClassPriors(graph.iris, np.random.default_rng(seed + 50).normal(size=(graph.num_nodes, 60)))
    return graph, [*seen, *unseen], base, draw(seen), draw(unseen)


def test_a_graph_network_tells_unseen_classes_better_when_it_must_tell_hidden_ones() -> None:
    gains, nearer = [], []
    for seed in range(5):
        graph, names, base, train, test = families(seed)
        right, cosines = [], []
        for share in (0.5, 0.0):
            options = {"hidden": (16,), "epochs": 100, "lr": 0.01, "dropout": 0.0, "weight_decay": 0.0, "base": base}
            model = GraphNetworkClassifier("gcn", options, graph, names, targets="means", hold_out=share).fit(*train)
            right.append(np.mean(model.predict(test[0], "unseen") == test[1]))
            unseen = ~model.seen_
            means = np.stack([test[0][test[1] == name].mean(axis=0) for name in model.classes_[unseen]])
            means /= np.linalg.norm(means, axis=1, keepdims=True)
            cosines.append((model.coef_.numpy()[unseen] * means).sum(axis=1).mean())
        gains.append(right[0] - right[1])
        nearer.append(cosines[0] - cosines[1])
    assert np.mean(gains) > 0.02
    assert np.mean(nearer) > 0.04


def test_bad_options_are_refused_by_recipes_too() -> None:
    with pytest.raises(InputError, match=r"hold_out is 1\.0"):
        ALE(hold_out=1.0).fit([[1.0]], [0], priors=[[1.0]])
    with pytest.raises(InputError, match=r"hold_out is -0\.1"):
        GraphNetworkClassifier(hold_out=-0.1).fit([[1.0]], ["a"])
    for name, where in (("ale", "hold_out is 2"), ("graph-network", "hold_out is 2")):
        content = {"name": name, "hold_out": 2.0}
        with pytest.raises(InputError, match=where):
            Recipe.build(
                {
                    "task": "image_classification",
                    "dataset": "flo",
                    "priors": [{"name": "att"}],
                    "generator": None,
                    "classifier": content,
                }
            )
