import math

import pytest
import torch

from kgzsl.priors.triples import self_adversarial_loss, softmax_loss

POSITIVE = torch.tensor([1.0, -0.5], dtype=torch.float64)
NEGATIVE = torch.tensor([[0.5, -1.0, 2.0], [0.0, 1.0, -2.0]], dtype=torch.float64)


def by_hand(positive, negative, margin, temperature, left_out=()):
    """Equations 5 and 6 of Sun et al. (2019), one number at a time."""

    def log_sigmoid(x):
        return -math.log1p(math.exp(-x))

    total = 0.0
    for row, (own, others) in enumerate(zip(positive.tolist(), negative.tolist(), strict=True)):
        kept = [value for column, value in enumerate(others) if (row, column) not in left_out]
        weights = [math.exp(temperature * value) for value in kept]
        away = sum(
            weight / sum(weights) * log_sigmoid(-margin - value) for weight, value in zip(weights, kept, strict=True)
        )
        total += -log_sigmoid(margin + own) - away
    return total / 2 / len(positive)


@pytest.mark.parametrize(("margin", "temperature"), [(0.0, 0.0), (3.0, 1.0), (6.0, 0.5)])
def test_self_adversarial_loss_is_the_formula(margin, temperature):
    found = self_adversarial_loss(POSITIVE, NEGATIVE, margin=margin, temperature=temperature)
    assert found.item() == pytest.approx(by_hand(POSITIVE, NEGATIVE, margin, temperature), abs=1e-12)


def test_known_triples_have_no_weight_and_a_row_of_them_is_no_nan():
    known = torch.tensor([[False, False, True], [False, False, False]])
    found = self_adversarial_loss(POSITIVE, NEGATIVE, margin=1.0, temperature=1.0, known=known)
    assert found.item() == pytest.approx(by_hand(POSITIVE, NEGATIVE, 1.0, 1.0, {(0, 2)}), abs=1e-12)
    negative = NEGATIVE.clone().requires_grad_()
    self_adversarial_loss(
        POSITIVE, negative, margin=1.0, temperature=1.0, known=torch.ones(2, 3, dtype=torch.bool)
    ).backward()
    assert torch.equal(negative.grad, torch.zeros(2, 3, dtype=torch.float64))


def test_the_weights_carry_no_gradient():
    negative = NEGATIVE.clone().requires_grad_()
    self_adversarial_loss(POSITIVE, negative, margin=0.0, temperature=1.0).backward()
    # d/df of -p log s(-f) with p fixed is p s(f); halved, and the mean over two rows.
    expected = NEGATIVE.softmax(dim=1) * NEGATIVE.sigmoid() / 2 / 2
    torch.testing.assert_close(negative.grad, expected)


def test_softmax_loss_is_cross_entropy_and_leaves_known_answers_out():
    # Row 0: ln(e^1 + e^0.5 + e^-1) - 1 (the third is known); row 1: ln(e^-0.5 + 1 + e^1 + e^-2) + 0.5.
    first = math.log(math.exp(1) + math.exp(0.5) + math.exp(-1)) - 1
    second = math.log(math.exp(-0.5) + 1 + math.exp(1) + math.exp(-2)) + 0.5
    known = torch.tensor([[False, False, True], [False, False, False]])
    assert softmax_loss(POSITIVE, NEGATIVE, known=known).item() == pytest.approx((first + second) / 2, abs=1e-12)
