"""What stands in for the generator while pair features are trained."""

from __future__ import annotations

import torch

from kgzsl.tasks.kg_completion.pretraining import RelationAttention


def test_a_relation_may_not_use_its_own_pairs() -> None:
    """Its prototype is that of a world where it has none; asked as a stranger it would be nearest to itself."""
    random = torch.Generator().manual_seed(0)
    priors, means = torch.randn(5, 4, generator=random), torch.randn(5, 6, generator=random)
    attention = RelationAttention(priors)
    own = torch.arange(5)
    found = attention(priors, means, own)
    for number in range(5):
        others = own[own != number]
        without = RelationAttention(priors[others])
        torch.testing.assert_close(found[number], without(priors[number : number + 1], means[others])[0])
    stranger = attention(priors, means)
    assert bool(((stranger * torch.nn.functional.normalize(means, dim=1)).sum(1) > 0.9).all())
    assert not torch.allclose(stranger, found)


def test_nearer_priors_weigh_more() -> None:
    attention = RelationAttention(torch.eye(3))
    near = attention(torch.tensor([[1.0, 0.2, 0.0]]), torch.eye(3))[0]
    assert near[0] > near[1] > near[2]
