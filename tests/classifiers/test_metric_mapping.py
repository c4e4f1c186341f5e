"""Metric mapping: the losses by definition, the switch, and what the map does for unseen classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import MetricMapping, metric_mapping, recall_at_k
from kgzsl.engine import load_tree, save_tree
from kgzsl.errors import InputError

SMALL = {"dim": 16, "epochs": 40, "batch_size": 60, "lr": 2e-2}


def world(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """20 seen and 10 unseen classes told apart by 8 of 40 numbers, the others being noise."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(30, 8))
    labels, unseen = np.repeat(np.arange(20), 12), np.repeat(np.arange(20, 30), 12)
    x, u = (
        np.concatenate(
            [centres[r] + 0.5 * generator.normal(size=(len(r), 8)), 1.2 * generator.normal(size=(len(r), 32))], axis=1
        )
        for r in (labels, unseen)
    )
    return x, labels, u, unseen


def test_the_losses_by_their_definitions() -> None:
    generator = np.random.default_rng(0)
    points = generator.normal(size=(12, 3))
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 1, 0])  # class 3 has one row
    share = np.exp(points @ points.T / 0.3)
    np.fill_diagonal(share, 0)
    same = labels[:, None] == labels[None]
    chance = [(share[i] * same[i]).sum() / share[i].sum() for i in range(12) if i != 9]
    found = metric_mapping.neighbourhood_loss(torch.as_tensor(points), torch.as_tensor(labels), 0.3)
    assert float(found) == pytest.approx(-np.log(chance).mean())
    squared = ((points[:, None] - points[None]) ** 2).sum(-1)
    found = metric_mapping.energy_confusion(torch.as_tensor(points), torch.as_tensor(labels))
    assert float(found) == pytest.approx(squared[~same].mean())
    assert float(metric_mapping.energy_confusion(torch.as_tensor(points), torch.zeros(12))) == 0.0


def test_without_confusion_it_is_plain_metric_learning(monkeypatch) -> None:
    features, labels, *_ = world(0)
    plain = MetricMapping(**SMALL).fit(features, labels)
    monkeypatch.setattr(metric_mapping, "energy_confusion", lambda rows, _: rows.sum() * torch.nan)
    assert torch.equal(MetricMapping(confusion=0.0, **SMALL).fit(features, labels).coef_, plain.coef_)
    with pytest.raises(InputError, match="diverged"):  # with confusion the term is asked for
        MetricMapping(confusion=0.1, **SMALL).fit(features, labels)


def test_confusion_brings_different_classes_nearer() -> None:
    features, labels, *_ = world(0)
    spread = [
        float(
            metric_mapping.energy_confusion(
                MetricMapping(confusion=weight, **SMALL).fit(features, labels).transform(features),
                torch.as_tensor(labels),
            )
        )
        for weight in (0.0, 1.0, 10.0)
    ]
    assert spread[0] > 1.9
    assert spread[1] < 1.5
    assert spread[2] < 0.1


def test_unseen_classes_are_found_better_than_in_the_features_and_better_still_with_confusion() -> None:
    found = []
    for seed in range(6):
        features, labels, others, unseen = world(seed)
        maps = [MetricMapping(confusion=weight, **SMALL).fit(features, labels) for weight in (0.0, 1.0)]
        tables = [others, *(model.transform(others) for model in maps)]
        found.append([recall_at_k(table, unseen, [1])[0] for table in tables])
    raw, plain, confused = np.mean(found, axis=0)
    assert plain > raw + 0.1
    assert confused > plain + 0.01


def test_a_class_by_a_few_of_its_rows(tmp_path) -> None:
    features, labels, others, unseen = world(0)
    model = MetricMapping(**SMALL).fit(features, labels)
    assert (model.predict(features) == labels).mean() > 0.9
    for label in range(20, 30):
        model.add_class(label, others[unseen == label][:4])
    rest = np.arange(120) % 12 >= 4
    assert (model.predict(others[rest]) == unseen[rest]).mean() > 0.5  # of 30 classes
    save_tree(tmp_path / "map.safetensors", model.state_dict())
    back = MetricMapping().load_state_dict(load_tree(tmp_path / "map.safetensors"))
    assert back.predict(others).tolist() == model.predict(others).tolist()


def test_the_seed_fixes_it_and_nothing_global_is_drawn() -> None:
    features, labels, *_ = world(0)
    before = torch.get_rng_state()
    first, same, other = (MetricMapping(seed=s, **SMALL).fit(features, labels).coef_ for s in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x, y: MetricMapping(dim=0).fit(x, y), "dim is 0; give a whole number, 1 or more"),
        (lambda x, y: MetricMapping(confusion=-1).fit(x, y), "confusion is -1"),
        (lambda x, y: MetricMapping(start="pca").fit(x, y), "start"),
        (lambda x, y: MetricMapping(**SMALL).fit(x, y).add_class(0, x[:1]), "there already"),
        (lambda x, y: MetricMapping(**SMALL).fit(x, y).transform(x[:, :2]), "2 columns where 40"),
        (lambda x, y: MetricMapping().predict(x), "not fitted"),
    ],
)
def test_bad_input(call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(*world(0)[:2])


def test_principal_directions_keep_the_angles_of_the_features() -> None:
    features, labels, unseen, truth = world(2)
    about = unseen - features.mean(axis=0)
    about /= np.linalg.norm(about, axis=1, keepdims=True)
    for dim in (40, 50):  # of 40 features; columns beyond them are random
        model = MetricMapping(dim=dim, start="principal", epochs=1, lr=1e-12).fit(features, labels)
        axes = model.coef_[:, :40]
        torch.testing.assert_close(axes.T @ axes, torch.eye(40), atol=1e-4, rtol=0)
        rows = (torch.as_tensor(unseen, dtype=torch.float32) - model.mean_) @ axes
        cosines = torch.nn.functional.normalize(rows, dim=1)
        np.testing.assert_allclose(cosines @ cosines.T, about @ about.T, atol=1e-4)
    spread = (torch.as_tensor(features, dtype=torch.float32) - model.mean_) @ axes
    assert bool((spread.var(dim=0).diff() < 1e-3).all())  # the widest first
    few, none = (
        recall_at_k(
            MetricMapping(dim=8, start=start, epochs=1, lr=1e-12).fit(features, labels).transform(unseen), truth
        )
        for start in ("principal", "random")
    )
    assert few[0] != none[0]
