"""Prototypes in hidden layers: what the networks are trained on, what is added up, and what each part is worth."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from kgzsl.classifiers import DeepPrototypes, GaussianPrototypes
from kgzsl.classifiers import _seen_networks as networks
from kgzsl.classifiers._episodes import held_classes, prototype_losses
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


def episode_of(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A layer of two networks, labels of nine classes, priors and three held-out classes."""
    random = torch.Generator().manual_seed(seed)
    layer = torch.rand(2, 40, 5, generator=random)
    labels = torch.randint(0, 9, (2, 40), generator=random)
    anchors = torch.randn(9, 4, generator=random)
    return layer, labels, anchors, held_classes(9, 0.34, random)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_an_episode_is_the_ridge_from_priors_of_the_other_classes(smoothing: float) -> None:
    """Against the primal ridge regression of one network at a time, on the rows that are not held out."""
    layer, labels, anchors, held = episode_of(0)
    found = prototype_losses(layer, labels, anchors @ anchors.T, held, smoothing)
    assert int(held.sum()) == 3
    for network in range(2):
        kept = ~held[labels[network]]
        known, rows = anchors[labels[network][kept]].double(), layer[network][kept].double()
        mean = rows.mean(dim=0)
        penalty = 0.1 * known.square().sum(dim=1).mean()
        coef = torch.linalg.solve(known.T @ known + penalty * torch.eye(4), known.T @ (rows - mean))
        prototypes = anchors[held].double() @ coef
        asked = layer[network][~kept].double() - mean
        cosines = functional.normalize(asked, dim=1) @ functional.normalize(prototypes, dim=1).T
        place = held.cumsum(0)[labels[network][~kept]] - 1
        expected = functional.cross_entropy(10 * cosines, place, label_smoothing=smoothing, reduction="none")
        torch.testing.assert_close(found[network][~kept].double(), expected, rtol=1e-3, atol=1e-4)


def test_rows_of_held_out_classes_do_not_enter_their_prototypes() -> None:
    layer, labels, anchors, held = episode_of(1)
    layer.requires_grad_(True)
    apart = held[labels]
    losses = prototype_losses(layer, labels, anchors @ anchors.T, held, 0.1)
    row = int(apart[0].nonzero()[0, 0])
    losses[0, row].backward()
    touched = layer.grad.abs().sum(dim=2) > 0
    assert bool(touched[0, row])
    others = apart.clone()
    others[0, row] = False
    assert not bool(touched[others].any())  # other rows of held-out classes have no part in it
    assert bool(touched[0][~apart[0]].all())  # all rows of the other classes have
    assert not bool(touched[1].any())  # nor has the other network


def test_a_step_with_episodes_weighs_each_row_once(bent, monkeypatch) -> None:
    """One step by plain automatic differentiation: rows that are held out by prototypes, the others as ever."""
    features, labels, priors = bent
    inputs, rows = torch.as_tensor(features[labels < 6]), torch.as_tensor(labels[labels < 6])
    anchors = torch.as_tensor(priors[:6]).float()
    held = torch.tensor([True, False, True, False, False, False])
    monkeypatch.setattr(networks, "held_classes", lambda classes, share, _: held if (classes, share) == (6, 0.4) else 1)
    wanted = told(networks=2, epochs=1, batch_size=len(rows), hold_out=0.4)
    weights, bias = train_networks(inputs, rows, anchors, wanted)
    random = torch.Generator().manual_seed(0)
    parts = [*networks._drawn(2, 6, 8, random), *networks._drawn(2, 8, 6, random)]
    adam = torch.optim.AdamW(parts, lr=1e-3, weight_decay=1e-2)
    layer = torch.relu(inputs @ parts[0] + parts[1])
    logits = (layer @ parts[2] + parts[3]) @ anchors.T + np.log(1 / 6)
    both = rows.expand(2, -1)
    plain = functional.cross_entropy(logits.flatten(0, 1), both.flatten(), label_smoothing=0.1, reduction="none")
    apart = prototype_losses(layer, both, anchors @ anchors.T, held, 0.1)
    adam.zero_grad()
    (torch.where(held[both], apart, plain.view(2, -1)).sum() / len(rows)).backward()
    adam.step()
    torch.testing.assert_close(weights, parts[0].detach(), atol=2e-5, rtol=1e-3)
    torch.testing.assert_close(bias, parts[1].detach(), atol=2e-5, rtol=1e-3)


def test_without_holding_out_nothing_changes_and_with_it_the_layers_are_others(bent, monkeypatch) -> None:
    features, labels, priors = bent
    seen = labels < SEEN

    def fitted(**more: object) -> DeepPrototypes:
        return DeepPrototypes(**options(epochs=2, **more)).fit(features[seen], labels[seen], priors=priors)

    plain, on, again = fitted(), fitted(hold_out=0.3), fitted(hold_out=0.3)
    assert not torch.allclose(plain.weights_, on.weights_)
    assert torch.equal(on.weights_, again.weights_)
    assert torch.isfinite(on.decision_function(features)).all()
    monkeypatch.setattr(networks, "prototype_losses", lambda *_: pytest.fail("nothing was to be held out"))
    monkeypatch.setattr(networks, "held_classes", lambda *_: pytest.fail("nothing was to be held out"))
    off = fitted(hold_out=0.0)
    assert torch.equal(plain.weights_, off.weights_)
    assert torch.equal(plain.decision_function(features), off.decision_function(features))
    two = labels < 2  # one would be kept, and one alone is told from nothing
    few = [DeepPrototypes(**SMALL, hold_out=share).fit(features[two], labels[two], priors=priors) for share in (0, 0.5)]
    assert torch.equal(few[0].weights_, few[1].weights_)


def test_episodes_bring_layers_in_which_priors_tell_classes_without_rows() -> None:
    """Where half of what tells seen classes apart is told by no prior, episodes turn the layers to the other half."""
    gains = []
    for seed in range(4):
        random = np.random.default_rng(seed)
        priors = random.normal(size=(40, 6))
        own = random.normal(size=(40, 6))  # of each class, and in no prior
        labels = np.repeat(np.arange(40), 12)
        features = np.concatenate([priors[labels], 2 * own[labels]], axis=1)
        features = features @ random.normal(size=(12, 30)) + 2 * random.normal(size=(len(labels), 30))
        seen = labels < 28
        right = []
        for share in (0.3, 0.0):
            model = DeepPrototypes(
                networks=2, hidden=64, epochs=30, depth=50.0, normalise="none", seed=seed, hold_out=share
            )
            model.fit(features[seen], labels[seen], priors=priors)
            right.append(np.mean(model.predict(features[~seen], "unseen") == labels[~seen]))
        gains.append(right[0] - right[1])
    assert np.mean(gains) > 0.015


def test_some_classes_are_always_kept() -> None:
    random = torch.Generator().manual_seed(0)
    assert int(held_classes(10, 0.3, random).sum()) == 3
    assert int(held_classes(10, 0.01, random).sum()) == 2
    assert int(held_classes(10, 0.99, random).sum()) == 9
    met = sum(held_classes(10, 0.3, random).int() for _ in range(60))
    assert bool((met > 0).all())
