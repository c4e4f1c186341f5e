"""Mixing in minorities: same object, rare attributes most, strength zero nothing."""

from __future__ import annotations

import pytest
import torch

from kgzsl.classifiers.compositional import mix_minorities
from kgzsl.errors import InputError

# Object 0 has 90 rows of attribute 0 and 10 of attribute 1; object 1 has 5 rows of attribute 2.
OBJECTS = torch.tensor([0] * 100 + [1] * 5)
ATTRIBUTES = torch.tensor([0] * 90 + [1] * 10 + [2] * 5)
FEATURES = torch.randn(105, 3, generator=torch.Generator().manual_seed(9))


def mixed(seed: int, strength: float = 1.0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    return mix_minorities(FEATURES, ATTRIBUTES, OBJECTS, strength, torch.Generator().manual_seed(seed))


def test_strength_zero_mixes_nothing_and_draws_nothing() -> None:
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    features, partners, share = mix_minorities(FEATURES, ATTRIBUTES, OBJECTS, 0.0, generator)
    assert torch.equal(features, FEATURES)
    assert partners.tolist() == list(range(105))
    assert (share == 1).all()
    assert torch.equal(before, generator.get_state())


def test_rows_are_mixed_in_the_proportion_told_with_rows_of_their_object() -> None:
    features, partners, share = mixed(0)
    assert torch.equal(OBJECTS[partners], OBJECTS)
    assert ((share >= 0.5) & (share <= 1)).all()
    torch.testing.assert_close(features, share[:, None] * FEATURES + (1 - share)[:, None] * FEATURES[partners])
    assert (partners != torch.arange(105)).float().mean() > 0.8


def test_every_attribute_of_an_object_is_drawn_alike() -> None:
    drawn = torch.cat([ATTRIBUTES[mixed(seed)[1][:100]] for seed in range(40)])
    # 4000 draws, each of attribute 1 with chance 1/2: five standard deviations are 5 * sqrt(1000) = 158.
    assert abs(int((drawn == 1).sum()) - 2000) < 158


def test_the_seed_fixes_it_and_the_order_of_objects_does_not_matter() -> None:
    for one, two in zip(mixed(3), mixed(3), strict=True):
        assert torch.equal(one, two)
    assert not torch.equal(mixed(3)[1], mixed(4)[1])
    order = torch.randperm(105, generator=torch.Generator().manual_seed(1))
    partners = mix_minorities(
        FEATURES[order], ATTRIBUTES[order], OBJECTS[order], 1.0, torch.Generator().manual_seed(0)
    )[1]
    assert torch.equal(OBJECTS[order][partners], OBJECTS[order])


def test_a_negative_strength_is_refused() -> None:
    with pytest.raises(InputError, match="strength is -1"):
        mixed(0, -1)
