"""Soul samples: centres of real clusters, and a term that draws generated features to those of their own class."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kgzsl.engine import Engine
from kgzsl.generators import WGAN
from kgzsl.generators.souls import SoulSamples, find_souls


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_souls_are_the_means_of_well_separated_clusters() -> None:
    places = torch.tensor([[0.0, 0.0], [50.0, 0.0], [0.0, 50.0]])
    noise = 0.1 * torch.randn(90, 2, generator=random())
    features = places.repeat_interleave(30, dim=0) + noise
    features = torch.cat([features, features + 500])
    labels = torch.arange(2).repeat_interleave(90)
    expected = torch.stack([features[30 * k : 30 * (k + 1)].mean(0) for k in range(3)])
    for seed in range(3):
        souls = find_souls(features, labels, 3, 3, random=random(seed))
        assert souls.shape == (3, 3, 2)
        assert not souls[2].any()  # no rows, no souls
        for label, shift in ((0, 0), (1, 500)):
            # k-means may start with two centres in one cluster; what it ends with are means of parts of the data
            gaps = torch.cdist(souls[label], expected + shift).amin(1)
            assert float(gaps.max()) < 40
        assert float(torch.cdist(souls[0], expected).amin(1).min()) < 0.2
    one = find_souls(features, labels, 2, 1, random=random())
    torch.testing.assert_close(one[0, 0], features[:90].mean(0))
    assert find_souls(features[:2], labels[:2], 1, 3, random=random()).unique(dim=1).shape[1] == 2


def test_the_term_by_hand() -> None:
    """One class, souls at 0 and 10 (one feature): fakes 1 and 7 miss by 1 and 9; their mean 4 by 16."""
    term = SoulSamples(torch.tensor([[[0.0], [10.0]]]), 1.0)
    fake = torch.tensor([[1.0], [7.0]])
    assert float(term(fake, torch.tensor([0, 0]), fake)) == (1 + 9) / 2 + 16


def test_no_gradient_at_a_soul_and_none_from_other_classes() -> None:
    souls = torch.randn(3, 2, 4, generator=random())
    fake = souls[torch.tensor([0, 1]), 1].clone().requires_grad_()
    labels = torch.tensor([0, 1])
    value = SoulSamples(souls, 1.0)(fake, labels, fake)
    (gradient,) = torch.autograd.grad(value, fake)
    assert float(value.detach()) == 0.0
    assert not gradient.any()
    away = torch.randn(2, 4, generator=random(1))
    moved = souls.clone()
    moved[2] += 9.0  # a class that has no fake here
    assert SoulSamples(souls, 1.0)(away, labels, away) == SoulSamples(moved, 1.0)(away, labels, away)
    moved[1] += 9.0
    assert SoulSamples(souls, 1.0)(away, labels, away) != SoulSamples(moved, 1.0)(away, labels, away)
    onto = souls.clone()
    onto[2, 0], onto[1, 0] = away[0], away.mean(dim=0)  # nearer to fakes of another class than their own souls
    only = slice(0, 1)
    assert SoulSamples(souls, 1.0)(away[only], labels[only], away) == SoulSamples(onto, 1.0)(
        away[only], labels[only], away
    )
    onto[0, 0] = away[0]
    assert SoulSamples(onto, 1.0)(away[only], labels[only], away) == 0.0


def world() -> tuple[Tensor, Tensor, Tensor]:
    g = random()
    priors = torch.randn(6, 4, generator=g)
    labels = torch.arange(6).repeat_interleave(20)
    features = (priors @ torch.randn(4, 10, generator=g))[labels] + 0.3 * torch.randn(120, 10, generator=g)
    return features, labels, priors


@pytest.mark.filterwarnings("ignore::kgzsl.generators.health.CollapseWarning")
def test_with_it_samples_lie_nearer_to_their_class() -> None:
    """Without the option the same training leaves the samples further from the real centres of their classes."""
    features, labels, priors = world()
    centres = torch.stack([features[labels == c].mean(0) for c in range(6)])
    gaps = []
    for souls in (0, 3):
        engine = Engine(device="cpu", precision="32-true", progress=False)
        model = WGAN(hidden=32, epochs=20, batch_size=32, lr=3e-3, souls=souls, soul_weight=3.0, classification=0.0)
        samples, rows = model.fit(features, labels, priors, engine=engine).sample(priors, 40)
        gaps.append(float((samples - centres[rows]).norm(dim=1).mean()))
        assert model.history is not None
        assert ("souls" in model.history.rows[0]) == bool(souls)
    assert gaps[1] < 0.7 * gaps[0]
