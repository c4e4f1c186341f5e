"""Dempster's rule on opinions: the algebra that evidential fusion promises."""

from __future__ import annotations

import itertools

import pytest
import torch

from kgzsl.classifiers.evidential import Opinion, fuse, opinion_from_evidence
from kgzsl.errors import InputError


def some(seed: int) -> Opinion:
    return opinion_from_evidence(torch.rand(20, 4, generator=torch.Generator().manual_seed(seed)) * 5)


def test_evidence_to_opinion_by_hand() -> None:
    belief, uncertainty = opinion_from_evidence([[3.0, 1.0, 0.0]])  # S = 4 + 3
    torch.testing.assert_close(belief, torch.tensor([[3 / 7, 1 / 7, 0.0]], dtype=torch.float64))
    torch.testing.assert_close(uncertainty, torch.tensor([3 / 7], dtype=torch.float64))


def test_belief_and_uncertainty_sum_to_one() -> None:
    for opinion in (some(0), fuse([some(0), some(1), some(2)])):
        torch.testing.assert_close(opinion.belief.sum(1) + opinion.uncertainty, torch.ones(20, dtype=torch.float64))
        torch.testing.assert_close(opinion.probabilities.sum(1), torch.ones(20, dtype=torch.float64))


def test_the_rule_by_its_definition() -> None:
    first, second = some(0), some(1)
    found = fuse([first, second])
    for row in range(20):
        b1, b2 = first.belief[row], second.belief[row]
        u1, u2 = first.uncertainty[row], second.uncertainty[row]
        conflict = sum(b1[i] * b2[j] for i, j in itertools.permutations(range(4), 2))
        torch.testing.assert_close(found.belief[row], (b1 * b2 + b1 * u2 + b2 * u1) / (1 - conflict))
        torch.testing.assert_close(found.uncertainty[row], u1 * u2 / (1 - conflict))


def test_commutative_and_associative() -> None:
    first, second, third = some(0), some(1), some(2)
    for left, right in (
        (fuse([first, second]), fuse([second, first])),
        (fuse([fuse([first, second]), third]), fuse([first, fuse([second, third])])),
    ):
        torch.testing.assert_close(left.belief, right.belief)
        torch.testing.assert_close(left.uncertainty, right.uncertainty)


def test_a_vacuous_opinion_changes_nothing() -> None:
    vacuous = opinion_from_evidence(torch.zeros(20, 4))
    assert (vacuous.uncertainty == 1).all()
    torch.testing.assert_close(fuse([some(3), vacuous]).belief, some(3).belief)


def test_agreement_lowers_the_uncertainty() -> None:
    assert (fuse([some(0), some(0)]).uncertainty < some(0).uncertainty).all()


def test_total_conflict_is_vacuous_and_not_nan() -> None:
    certain = [Opinion(torch.eye(2, dtype=torch.float64)[[k]], torch.zeros(1, dtype=torch.float64)) for k in (0, 1)]
    belief, uncertainty = fuse(certain)
    assert belief.tolist() == [[0.0, 0.0]]
    assert uncertainty.tolist() == [1.0]


def of(*belief: float) -> Opinion:
    """One sample; what no class has is uncertain."""
    table = torch.tensor([belief], dtype=torch.float64)
    return Opinion(table, 1 - table.sum(dim=1))


@pytest.mark.parametrize(
    "experts",
    [
        [of(1, 0, 0), of(1, 0, 0), of(0, 1, 0)],
        [of(1, 0, 0), of(0, 1, 0), of(0.2, 0.3, 0.1), of(0, 0.5, 0)],
        # Of the first three no two contradict each other totally.
        [of(0.5, 0.5, 0), of(0, 0.5, 0.5), of(0.5, 0, 0.5), of(0.2, 0.3, 0.1)],
        [of(1, 1e-310, 0), of(1e-310, 1, 0), of(0.2, 0.3, 0.1)],  # agreement that has no inverse in float64
    ],
)
def test_total_conflict_is_vacuous_in_every_order(experts: list[Opinion]) -> None:
    for order in itertools.permutations(experts):
        belief, uncertainty = fuse(order)
        assert belief.tolist() == [[0.0, 0.0, 0.0]]
        assert uncertainty.tolist() == [1.0]


def test_a_conflict_of_one_sample_leaves_the_others_alone() -> None:
    many = [of(1, 0, 0), of(1, 0, 0), of(0, 1, 0)]
    both = [
        Opinion(torch.cat([one.belief, mild.belief]), torch.cat([one.uncertainty, mild.uncertainty]))
        for one, mild in zip(many, [of(0.2, 0.3, 0.1), of(0.1, 0, 0), of(0.4, 0, 0.6)], strict=True)
    ]
    for order in itertools.permutations(range(3)):
        found = fuse([both[place] for place in order])
        alone = fuse([Opinion(both[place].belief[1:], both[place].uncertainty[1:]) for place in order])
        assert found.uncertainty[0] == 1
        torch.testing.assert_close(found.belief[1:], alone.belief)
        torch.testing.assert_close(found.uncertainty[1:], alone.uncertainty)


def test_gradients_of_a_conflict_are_zero_and_not_nan() -> None:
    certain = torch.eye(2, dtype=torch.float64)[[0, 1, 1]].requires_grad_(True)
    doubt = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    found = fuse([Opinion(row[None], doubt) for row in certain])
    gradients = torch.autograd.grad(found.belief.sum() + found.uncertainty.sum(), [certain, doubt])
    assert all((gradient == 0).all() for gradient in gradients)


def test_bad_input() -> None:
    with pytest.raises(InputError, match="negative"):
        opinion_from_evidence([[1.0, -1.0]])
    with pytest.raises(InputError, match="no opinion"):
        fuse([])
    with pytest.raises(InputError, match="cannot be combined"):
        fuse([some(0), opinion_from_evidence(torch.ones(20, 3))])
