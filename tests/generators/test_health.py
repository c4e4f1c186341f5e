"""Collapse is measured and named: no spread within classes, or none between them."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.engine.errors import TrainingError
from kgzsl.generators import WGAN, Diffusion, LinearGenerator
from kgzsl.generators.health import CollapseWarning, check_health, spreads


def world() -> tuple[Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(0)
    priors = torch.randn(8, 4, generator=g)
    labels = torch.arange(8).repeat_interleave(30)
    return (priors @ torch.randn(4, 6, generator=g))[labels] + torch.randn(240, 6, generator=g), labels, priors


def fitted(**options: Any) -> LinearGenerator:
    return LinearGenerator(clip=False, **options).fit(*world(), engine=Engine(device="cpu", progress=False))


def test_spreads_are_unbiased() -> None:
    """Normal rows: variance 6 within; class means with variance 3 x 4 around each other, not 3 x 4 + 6 / n."""
    g = torch.Generator().manual_seed(1)
    means = 2 * torch.randn(4000, 3, generator=g)
    labels = torch.arange(4000).repeat_interleave(2)
    within, between = spreads(means[labels] + 2**0.5 * torch.randn(8000, 3, generator=g), labels)
    assert within == pytest.approx(6.0, rel=0.05)
    assert between == pytest.approx(12.0, rel=0.08)


def test_a_good_generator_is_healthy() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        health = check_health(fitted(), *world())
    assert health is not None
    assert 0.8 < health.within < 1.2
    assert 0.7 < health.between < 1.2


def test_mode_collapse_is_named() -> None:
    with pytest.warns(CollapseWarning, match="mode collapse: samples of a class vary"):
        health = check_health(fitted(noise=0.0), *world())
    assert health is not None
    assert len(health.complaints) == 1


def test_a_prior_that_is_ignored_is_named() -> None:
    with pytest.warns(CollapseWarning, match="the prior is ignored: classes differ"):
        health = check_health(fitted(ridge=1e9), *world())
    assert health is not None
    assert len(health.complaints) == 1


def test_a_trained_generator_is_measured() -> None:
    features, labels, priors = world()
    engine = Engine(device="cpu", precision="32-true", progress=False)
    with pytest.warns(CollapseWarning, match="WGAN: the prior is ignored"):
        model = WGAN(hidden=8, epochs=1, batch_size=60, prior_size=1e-6).fit(features, labels, priors, engine=engine)
    assert model.health is not None
    assert model.health.between < 0.01


def test_one_row_a_class_has_no_spread_to_compare_with() -> None:
    features, labels, priors = world()
    assert check_health(fitted(), features[::30], labels[::30], priors) is None
    assert check_health(fitted(), torch.zeros_like(features), labels, priors) is None


def test_samples_that_are_no_numbers_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels, priors = world()
    engine = Engine(device="cpu", precision="32-true", progress=False)
    drawn = Diffusion.sample

    def spoilt(self: Diffusion, *args: Any, **more: Any) -> tuple[Tensor, Tensor]:
        samples, rows = drawn(self, *args, **more)
        samples[3, 2] = float("nan")
        return samples, rows

    monkeypatch.setattr(Diffusion, "sample", spoilt)
    with pytest.raises(TrainingError, match="samples of Diffusion are NaN or infinite"):
        Diffusion(hidden=8, epochs=1, batch_size=16).fit(features, labels, priors, engine=engine)
