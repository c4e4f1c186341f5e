"""The closed-form generator: its means solve the ridge problem, its noise has the seen classes' covariance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kgzsl import generators
from kgzsl._ridge import leave_one_out
from kgzsl.engine import Engine, load_tree, save_tree
from kgzsl.errors import InputError
from kgzsl.generators import LinearGenerator


def world(classes: int = 12, rows: int = 40, dims: int = 5) -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    priors = torch.randn(classes, 4, generator=g, dtype=torch.float64)
    labels = torch.arange(classes).repeat_interleave(rows)
    noise = torch.randn(len(labels), dims, generator=g, dtype=torch.float64) @ torch.randn(
        dims, dims, generator=g, dtype=torch.float64
    )
    return (priors @ torch.randn(4, dims, generator=g, dtype=torch.float64))[labels] + noise, labels, priors


def engine() -> Engine:
    return Engine(device="cpu", precision="64-true", progress=False, seed=3)


def means_of(features: Tensor, labels: Tensor) -> Tensor:
    return torch.stack([features[labels == c].mean(0) for c in range(int(labels.max()) + 1)])


def test_the_means_solve_ridge_regression_with_an_intercept() -> None:
    """min |A W + b - M|^2 + l (|W|^2 + |b|^2) by its normal equations in the primal, M the centred means."""
    features, labels, priors = world()
    model = LinearGenerator(ridge=0.1, priors="none").fit(features, labels, priors, engine=engine())
    means = means_of(features, labels)
    centre = means.mean(0)
    ones = torch.cat([priors, torch.ones(len(priors), 1, dtype=torch.float64)], dim=1)
    penalty = 0.1 * float((ones @ ones.T).diagonal().mean())
    weights = torch.linalg.solve(ones.T @ ones + penalty * torch.eye(5, dtype=torch.float64), ones.T @ (means - centre))
    new = torch.randn(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.cat([new, torch.ones(3, 1, dtype=torch.float64)], dim=1) @ weights + centre
    torch.testing.assert_close(model.means(new), expected, rtol=0, atol=1e-9)


def test_leaving_one_out_equals_fitting_without_it() -> None:
    g = torch.Generator().manual_seed(2)
    a = torch.randn(7, 3, generator=g, dtype=torch.float64)
    gram, targets = a @ a.T + 1, torch.randn(7, 2, generator=g, dtype=torch.float64)
    for left in range(7):
        rest = [i for i in range(7) if i != left]
        solved = torch.linalg.solve(gram[rest][:, rest] + 0.3 * torch.eye(6, dtype=torch.float64), targets[rest])
        torch.testing.assert_close(leave_one_out(gram, targets, 0.3)[left], targets[left] - gram[left, rest] @ solved)


def test_auto_takes_the_ridge_with_the_least_left_out_error() -> None:
    model = LinearGenerator().fit(*world(), engine=engine())
    assert model.left_out_[model.ridge_] == min(model.left_out_.values())
    assert len(set(model.left_out_.values())) == len(model.left_out_) > 5
    assert model.left_out_[model.ridge_] < 0.5  # the means do follow from the priors
    features, labels, priors = world()
    noise = torch.randn(priors.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    assert LinearGenerator().fit(features, labels, noise, engine=engine()).left_out_[model.ridge_] > 0.9


@pytest.mark.parametrize("covariance", ["shared", "diagonal", "none"])
def test_samples_have_the_mean_and_the_covariance(covariance: str) -> None:
    features, labels, priors = world()
    model = LinearGenerator(covariance=covariance, noise=0.5, clip=False).fit(features, labels, priors, engine=engine())
    samples, rows = model.sample(priors[:2], 20000)
    assert rows.tolist() == [0] * 20000 + [1] * 20000
    within = features - means_of(features, labels)[labels]
    expected = 0.25 * within.T @ within / len(within)
    if covariance == "diagonal":
        expected = expected.diagonal().diag()
    elif covariance == "none":
        expected = torch.zeros(5, 5, dtype=torch.float64)
    torch.testing.assert_close(samples[rows == 1].T.cov(), expected, rtol=0.05, atol=0.03)
    torch.testing.assert_close(samples[rows == 1].mean(0), model.means(priors)[1], rtol=0, atol=0.03)


def test_the_error_of_left_out_means_widens_the_samples() -> None:
    data = world()
    narrow, wide = (
        LinearGenerator(ridge=0.1, covariance="none", mean_error=e, clip=False).fit(*data, engine=engine())
        for e in (0.0, 2.0)
    )
    assert float(narrow.sample(data[2][:1], 50)[0].std(0).max()) == 0.0
    scaled = data[2] / data[2].norm(dim=1, keepdim=True)
    gram = scaled @ scaled.T + 1
    means = means_of(*data[:2])
    missed = leave_one_out(gram, means - means.mean(0), 0.1 * float(gram.diagonal().mean()))
    found = wide.sample(data[2][:1], 40000)[0].T.cov()
    torch.testing.assert_close(found, 2 * missed.T @ missed / len(missed), rtol=0.05, atol=0.05)


def test_fewer_rows_than_features_give_the_same_covariance() -> None:
    features, labels, priors = world(classes=4, rows=3, dims=30)
    model = LinearGenerator(clip=False).fit(features, labels, priors, engine=engine())
    within = features - means_of(features, labels)[labels]
    root = model.state_dict()["roots"][0]
    assert len(root) == 12
    torch.testing.assert_close(root.T @ root, within.T @ within / 12)


def test_clipped_to_the_features() -> None:
    features, labels, priors = world()
    samples, _ = LinearGenerator(noise=9.0).fit(features, labels, priors, engine=engine()).sample(priors, 50)
    assert bool((samples >= features.amin(0)).all() and (samples <= features.amax(0)).all())


def test_saved_and_loaded_samples_the_same_and_a_class_without_rows_is_no_matter(tmp_path) -> None:
    features, labels, priors = world()
    keep = labels != 4
    options = {"kernel": "rbf", "width": 0.5, "mean_error": 0.1, "priors": "standard"}
    model = generators.make("linear", **options).fit(features[keep], labels[keep], priors, engine=engine())
    save_tree(tmp_path / "m.safetensors", {"config": model.config(), "state": model.state_dict()})
    saved = load_tree(tmp_path / "m.safetensors")
    again = LinearGenerator.from_config(saved["config"]).load_state_dict(saved["state"])
    assert again.config() == model.config()
    assert torch.equal(again.sample(priors, 3)[0], model.sample(priors, 3)[0])


def test_the_rbf_kernel_by_its_formula() -> None:
    features, labels, priors = world(classes=3)
    model = LinearGenerator(kernel="rbf", width=2.0, ridge=0.1, priors="none")
    model.fit(features, labels, priors, engine=engine())
    squared = (priors[:, None] - priors[None]).square().sum(-1)
    kernel = torch.exp(-2.0 * squared / (squared.sum() / 6)) + 1
    means = means_of(features, labels)
    solved = torch.linalg.solve(kernel + 0.1 * 2.0 * torch.eye(3, dtype=torch.float64), means - means.mean(0))
    torch.testing.assert_close(model.means(priors), means.mean(0) + kernel @ solved)


def test_bad_options_and_use_are_refused() -> None:
    for option in ({"ridge": 0.0}, {"ridge": "some"}, {"kernel": "cubic"}, {"covariance": "x"}, {"noise": -1.0}):
        with pytest.raises(InputError, match=f"{next(iter(option))} is .*; (give|choose) "):
            LinearGenerator(**option)
    with pytest.raises(InputError, match="not fitted"):
        LinearGenerator().sample(torch.zeros(1, 4), 1)
    with pytest.raises(InputError, match="do not fit a generator for 4-d"):
        LinearGenerator().fit(*world(), engine=engine()).sample(torch.zeros(1, 5), 1)
    one = LinearGenerator().fit(torch.ones(1, 3), torch.zeros(1, dtype=torch.int64), torch.ones(1, 2), engine=engine())
    torch.testing.assert_close(one.sample(torch.ones(1, 2), 2)[0], torch.ones(2, 3, dtype=torch.float64))
