"""Prototypes in hidden layers: what the networks are trained on, what is added up, and what each part is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from kgzsl.classifiers import DeepPrototypes, GaussianPrototypes
from kgzsl.classifiers import _seen_networks as networks
from kgzsl.classifiers._seen_networks import NetworkOptions, _dropped, hidden_rows, train_networks
from kgzsl.errors import InputError

CLASSES, SEEN, ROWS = 30, 24, 25
SMALL = {"networks": 2, "hidden": 64, "epochs": 20, "batch_size": 50}


@pytest.fixture(scope="module")
def bent() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows that follow the priors, each with a sign of its own: all classes have their mean at the origin."""
    random = np.random.default_rng(0)
    priors = random.uniform(size=(CLASSES, 6))
    labels = np.repeat(np.arange(CLASSES), ROWS)
    signs = random.choice([-1.0, 1.0], size=(len(labels), 1))
    features = signs * (priors[labels] + 0.1 * random.normal(size=(len(labels), 6)))
    return features.astype(np.float32), labels, priors


def told(**more: object) -> NetworkOptions:
    """Of one small network that drops nothing."""
    usual = {
        "networks": 1, "hidden": 8, "drop_inputs": 0.0, "drop_hidden": 0.0, "smoothing": 0.1, "lr": 1e-3, "epochs": 2,
        "batch_size": 128, "weight_decay": 1e-2, "hold_out": 0.0, "seed": 0,
    }  # fmt: skip
    return NetworkOptions(**{**usual, **more})


def options(**more: object) -> dict:
    return {"normalise": "none", "drop_inputs": 0.0, "drop_hidden": 0.2, **SMALL, **more}


@pytest.mark.parametrize("metric", ["cosine", "gaussian"])
def test_scores_are_the_sum_of_those_in_the_features_and_in_the_layers(bent, metric: str) -> None:
    features, labels, priors = bent
    seen = labels < SEEN
    shared = {"ridge": 0.2, "seen_weight": 0.3, "mean_error": 0.5, "metric": metric, "normalise": "none"}
    model = DeepPrototypes(**options(depth=0.7, power=0.5, shrinkage=0.4, hidden_shrinkage=2.0, **shared))
    model.fit(features[seen], labels[seen], priors=priors)
    rows = torch.as_tensor(features)
    shallow = GaussianPrototypes(power=0.5, shrinkage=0.4, **shared).fit(features[seen], labels[seen], priors=priors)
    expected = 0
    for number, (layer, weight) in enumerate([(None, 1.0), (0, 0.35), (1, 0.35)]):
        at, found = rows, shallow
        if layer is not None:
            scaled = (rows - model.mean_) / model.scale_
            at = torch.relu(scaled @ model.weights_[layer] + model.bias_[layer])
            deep = GaussianPrototypes(shrinkage=2.0, **shared)
            found = deep.fit(at[torch.as_tensor(seen)], labels[seen], priors=priors)
        table = found.decision_function(at)
        unit = table[torch.as_tensor(seen), :SEEN].std(dim=1, correction=0).mean()
        torch.testing.assert_close(model.units_[number].float(), unit, rtol=1e-4, atol=0)
        expected = expected + weight * table / unit
    torch.testing.assert_close(model.decision_function(features), expected, rtol=1e-3, atol=1e-4)


def test_hidden_layers_find_what_no_linear_map_does(bent) -> None:
    features, labels, priors = bent
    seen = labels < SEEN

    def accuracy(**more: object) -> float:
        model = DeepPrototypes(**options(seen_weight=0.0, epochs=60, hidden=128, **more))
        model.fit(features[seen], labels[seen], priors=priors)
        return float((model.predict(features[~seen], "unseen") == labels[~seen]).mean())

    assert accuracy(depth=0.0) < 0.35  # chance is 1/6
    assert accuracy(depth=4.0) > 0.5


def test_without_depth_the_answers_are_those_of_plain_prototypes(bent) -> None:
    features, labels, priors = bent
    model = DeepPrototypes(depth=0.0, **SMALL).fit(features[labels < SEEN], labels[labels < SEEN], priors=priors)
    plain = GaussianPrototypes().fit(features[labels < SEEN], labels[labels < SEEN], priors=priors)
    assert model.predict(features).tolist() == plain.predict(features).tolist()


def test_networks_descend_the_cross_entropy_of_inner_products_with_priors(bent) -> None:
    """Against a step by step training of one network by plain automatic differentiation, without dropping."""
    features, labels, priors = bent
    inputs = torch.as_tensor(features[labels < 6])
    labels = torch.as_tensor(labels[labels < 6])
    keep = torch.ones(len(labels), dtype=torch.bool)
    keep[:20] = False  # of unequal classes
    inputs, labels = inputs[keep], labels[keep]
    anchors = torch.as_tensor(priors[:6]).float()
    weights, bias = train_networks(inputs, labels, anchors, told(networks=2, epochs=3, batch_size=len(labels)))
    random = torch.Generator().manual_seed(0)

    def drawn(rows: int, columns: int) -> list[torch.Tensor]:
        return [
            torch.empty(2, size, columns).uniform_(-(rows**-0.5), rows**-0.5, generator=random) for size in (rows, 1)
        ]

    first, last = drawn(inputs.shape[1], 8), drawn(8, anchors.shape[1])
    counts = torch.bincount(labels, minlength=6)
    for network in range(2):
        parts = [torch.nn.Parameter(part[network].clone()) for part in (*first, *last)]
        adam = torch.optim.AdamW(parts, lr=1e-3, weight_decay=1e-2)
        for step in range(3):
            adam.param_groups[0]["lr"] = 1e-3 * (1 - step / 3)
            heard = torch.relu(inputs @ parts[0] + parts[1]) @ parts[2] + parts[3]
            logits = heard @ anchors.T + (counts / counts.sum()).log()
            loss = functional.cross_entropy(logits, labels, label_smoothing=0.1)
            adam.zero_grad()
            loss.backward()
            adam.step()
        torch.testing.assert_close(weights[network], parts[0].detach(), atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(bias[network], parts[1].detach(), atol=1e-5, rtol=1e-4)


def test_what_is_left_out_and_the_seed_change_the_networks(bent) -> None:
    features, labels, priors = bent
    inputs, rows = torch.as_tensor(features[labels < 6]), torch.as_tensor(labels[labels < 6])

    def trained(**more: object) -> torch.Tensor:
        return train_networks(inputs, rows, torch.as_tensor(priors[:6]).float(), told(**more))[0]

    plain = trained()
    assert torch.equal(plain, trained())
    changes = [{"drop_inputs": 0.5}, {"drop_hidden": 0.5}, {"seed": 1}, {"smoothing": 0.5}, {"weight_decay": 1.0}]
    for change in (*changes, {"hold_out": 0.3}):
        assert not torch.allclose(plain, trained(**change)), change
    one, other = trained(networks=2)
    assert not torch.allclose(one, other)


def test_hidden_rows_are_those_of_one_network() -> None:
    rows, weights, bias = torch.randn(3, 4), torch.randn(4, 5), torch.randn(1, 5)
    torch.testing.assert_close(hidden_rows(rows, weights, bias), (rows @ weights + bias).clamp_min(0))


def test_few_rows_at_a_time_give_the_same_scores(bent, monkeypatch) -> None:
    features, labels, priors = bent
    model = DeepPrototypes(**SMALL).fit(features[labels < SEEN], labels[labels < SEEN], priors=priors)
    whole = model.decision_function(features)
    sizes: list[int] = []
    joined = DeepPrototypes._joined

    def counted(self, some, rows):
        sizes.append(len(some))
        return joined(self, some, rows)

    monkeypatch.setattr(DeepPrototypes, "_joined", counted)
    monkeypatch.setattr(DeepPrototypes, "_budget", 12 * (64 + CLASSES + 6) * 7)
    torch.testing.assert_close(model.decision_function(features), whole)
    assert max(sizes) == 7


def test_one_class_and_rows_that_are_all_alike_are_answered(bent) -> None:
    features, labels, priors = bent
    one = DeepPrototypes(**SMALL).fit(features[:ROWS], labels[:ROWS], priors=priors)
    assert torch.isfinite(one.decision_function(features)).all()
    same = DeepPrototypes(**SMALL).fit(np.ones((4, 3)), [0, 0, 1, 1], priors=np.eye(3))
    assert torch.isfinite(same.decision_function(np.ones((2, 3)))).all()


BAD = {
    "networks": 0, "depth": -1, "hidden": 0, "hidden_shrinkage": 0, "drop_inputs": 1, "drop_hidden": 1, "smoothing": 1,
    "lr": 0, "epochs": 0, "batch_size": 0, "weight_decay": -1, "hold_out": 1, "seed": -1, "ridge": 0,
    "metric": "l1", "normalise": "l3",
}  # fmt: skip
WRONG = {"networks": 2.0, "hidden": "many", "epochs": None, "depth": float("inf"), "lr": "fast", "seed": None}


@pytest.mark.parametrize(("name", "value"), [*BAD.items(), *WRONG.items()])
def test_bad_options(bent, name: str, value: object) -> None:
    features, labels, priors = bent
    with pytest.raises(InputError, match=name):
        DeepPrototypes(**{name: value}).fit(features, labels, priors=priors)


def test_a_training_that_blows_up_is_told(bent) -> None:
    features, labels, priors = bent
    with pytest.raises(InputError, match="diverged"):
        DeepPrototypes(**{**SMALL, "lr": 1e38}).fit(features, labels, priors=priors)


def test_before_it_is_fitted_there_is_nothing_to_save() -> None:
    with pytest.raises(InputError, match="not fitted"):
        DeepPrototypes().state_dict()


def test_networks_are_told_the_options_and_the_priors_about_their_mean(bent, monkeypatch) -> None:
    features, labels, priors = bent
    given = {
        "networks": 2, "hidden": 5, "drop_inputs": 0.1, "drop_hidden": 0.2, "smoothing": 0.3, "lr": 0.4, "epochs": 6,
        "batch_size": 7, "weight_decay": 0.8, "hold_out": 0.7, "seed": 9,
    }  # fmt: skip
    heard: list = []

    def listening(inputs, rows, anchors, wanted):
        heard.extend([inputs, rows, anchors, wanted])
        return train_networks(inputs, rows, anchors, told(networks=2, hidden=5))

    monkeypatch.setattr("kgzsl.classifiers.deep_prototypes.train_networks", listening)
    # The classes that have rows lie apart among the priors.
    some = (labels % 2 == 0) & (labels < SEEN)
    DeepPrototypes(**given, normalise="none").fit(features[some], labels[some], priors=priors)
    inputs, rows, anchors, wanted = heard
    assert wanted == NetworkOptions(**given)
    about = priors[:SEEN:2] - priors[:SEEN:2].mean(0)
    np.testing.assert_allclose(anchors, about / np.linalg.norm(about, axis=1, keepdims=True), rtol=1e-5)
    assert (2 * rows).tolist() == labels[some].tolist()
    away = features[some] - features[some].mean(0)
    np.testing.assert_allclose(inputs, away / np.sqrt((away**2).mean()), rtol=1e-4, atol=1e-5)


def test_what_is_left_out_keeps_the_mean_of_what_is_left() -> None:
    random = torch.Generator().manual_seed(0)
    found = _dropped(torch.full((200, 200), 3.0), 0.4, random)
    assert set(found.unique().tolist()) == {0.0, 5.0}
    assert float(found.mean()) == pytest.approx(3.0, rel=0.02)


def test_each_network_has_its_own_order_of_rows(bent) -> None:
    """Networks that begin alike and drop nothing end apart by their batches alone."""
    features, labels, priors = bent
    inputs, rows = torch.as_tensor(features[labels < 6]), torch.as_tensor(labels[labels < 6])
    drawn = networks._drawn

    def alike(count, *shape):
        weights, bias = drawn(1, *shape)
        return tuple(one.detach().repeat(count, 1, 1).requires_grad_(True) for one in (weights, bias))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(networks, "_drawn", alike)
        first, second = train_networks(
            inputs, rows, torch.as_tensor(priors[:6]).float(), told(networks=2, epochs=3, batch_size=10)
        )[0]
    assert not torch.allclose(first, second)
