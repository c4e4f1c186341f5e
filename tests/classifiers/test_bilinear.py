"""The three ranking losses by their definitions, and what training with them does."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kgzsl.classifiers import ALE, SJE, DeViSE
from kgzsl.classifiers.bilinear import Bilinear
from kgzsl.errors import InputError


def by_definition(kind: type[Bilinear], scores: np.ndarray, label: int, margin: float) -> float:
    wrong = [max(0.0, margin + score - scores[label]) for place, score in enumerate(scores) if place != label]
    if kind is DeViSE:
        return sum(wrong)
    if kind is SJE:
        return max(wrong)
    rank = sum(value > 0 for value in wrong)
    return 0.0 if not rank else sum(1 / i for i in range(1, rank + 1)) / rank * sum(wrong)


@pytest.mark.parametrize("kind", [ALE, DeViSE, SJE])
@pytest.mark.parametrize("margin", [0.1, 1.0, 30.0])
def test_the_loss_by_its_definition(kind: type[Bilinear], margin: float) -> None:
    scores = torch.randn(50, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    labels = torch.randint(0, 6, (50,), generator=torch.Generator().manual_seed(1))
    found = kind.losses(scores, labels, margin)
    expected = [by_definition(kind, row.numpy(), int(label), margin) for row, label in zip(scores, labels, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))


@pytest.mark.parametrize("kind", [ALE, DeViSE, SJE])
def test_no_loss_beyond_the_margin_and_one_class_alone_has_none(kind: type[Bilinear]) -> None:
    scores = torch.tensor([[5.0, 1.0, 3.9]])
    assert float(kind.losses(scores, torch.tensor([0]), 1.0)) == 0.0
    assert float(kind.losses(scores[:, :1], torch.tensor([0]), 1.0)) == 0.0


def test_ale_lies_between_the_worst_offender_and_the_sum() -> None:
    scores = torch.randn(200, 8, generator=torch.Generator().manual_seed(2))
    labels = torch.zeros(200, dtype=torch.int64)
    ale, devise = ALE.losses(scores, labels, 1.0), DeViSE.losses(scores, labels, 1.0)
    assert (ale <= devise + 1e-5).all()
    ranks = ((scores[:, 1:] + 1 - scores[:, :1]) > 0).sum(1)
    single = ranks == 1
    assert single.any()
    torch.testing.assert_close(ale[single], SJE.losses(scores, labels, 1.0)[single])


@pytest.mark.parametrize("kind", [ALE, DeViSE, SJE])
def test_training_lowers_the_loss_and_the_seed_fixes_it(kind: type[Bilinear]) -> None:
    generator = np.random.default_rng(0)
    priors = generator.normal(size=(5, 3))
    labels = generator.integers(0, 5, size=100)
    features = priors[labels] @ generator.normal(size=(3, 7)) + 0.1 * generator.normal(size=(100, 7))
    short = kind(epochs=1, batch_size=20).fit(features, labels, priors=priors)
    long = kind(epochs=30, batch_size=20).fit(features, labels, priors=priors)
    target = torch.as_tensor(labels)
    losses = [float(kind.losses(m.decision_function(features), target, 1.0).mean()) for m in (short, long)]
    assert losses[1] < 0.7 * losses[0]
    before = torch.get_rng_state()
    same, other = (kind(epochs=1, batch_size=20, seed=s).fit(features, labels, priors=priors).coef_ for s in (0, 1))
    assert torch.equal(short.coef_, same)
    assert not torch.equal(short.coef_, other)
    assert torch.equal(before, torch.get_rng_state())
    decayed = kind(epochs=30, batch_size=20, weight_decay=1.0).fit(features, labels, priors=priors)
    assert decayed.coef_.norm() < 0.5 * long.coef_.norm()


@pytest.mark.parametrize("options", [{"margin": 0}, {"lr": -1}, {"epochs": 0}, {"batch_size": 0}, {"weight_decay": -1}])
def test_bad_options(options: dict) -> None:
    with pytest.raises(InputError, match=f"{next(iter(options))} is (0|-1); give "):
        ALE(**options).fit([[1.0]], [0], priors=[[1.0]])
