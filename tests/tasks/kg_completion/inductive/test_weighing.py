"""The convex fit of weights: where it ends there is no slope, and no other way leads lower."""

from __future__ import annotations

import pytest
import torch

from kgzsl.tasks.kg_completion.inductive.weighing import weigh


@pytest.fixture
def asked():
    """40 queries with 30 answers and 6 columns, of which the first two tell something."""
    random = torch.Generator().manual_seed(0)
    table = torch.randn(40, 30, 6, generator=random)
    table[:, 0, :2] += torch.tensor([2.0, 1.0])
    wrong = torch.rand(40, 30, generator=random) < 0.1
    wrong[:, 0] = False
    return table, wrong


def objective(weights, table, wrong, penalty, centre):
    scores = (table.double() @ weights).masked_fill(wrong, float("-inf"))
    return -torch.log_softmax(scores, dim=1)[:, 0].mean() + penalty.double() @ (weights - centre).square()


PENALTY = torch.tensor([0.0, 0.1, 0.4, 0.4, 0.01, 1.0])


@pytest.mark.parametrize("centred", [False, True])
def test_there_is_no_slope_where_it_ends_and_adam_ends_no_lower(asked, centred):
    table, wrong = asked
    centre = torch.linspace(-1, 1, 6).double() if centred else torch.zeros(6).double()
    found = weigh(table, wrong, penalty=PENALTY, centre=centre if centred else None)
    weights = found.weights.clone().requires_grad_()
    loss = objective(weights, table, wrong, PENALTY, centre)
    loss.backward()
    assert weights.grad.abs().max() < 1e-5  # of the objective without what holds free weights a little
    assert found.gradient < 1e-8
    assert found.loss == pytest.approx(loss.item(), abs=1e-4)
    other = centre.clone().requires_grad_()
    optimizer = torch.optim.Adam([other], lr=0.05)
    for _ in range(300):
        optimizer.zero_grad()
        objective(other, table, wrong, PENALTY, centre).backward()
        optimizer.step()
    assert loss.item() <= float(objective(other, table, wrong, PENALTY, centre)) + 1e-6
    assert loss.item() < float(objective(centre, table, wrong, PENALTY, centre)) - 0.1


def test_neither_the_order_of_queries_nor_the_budget_changes_the_weights(asked):
    table, wrong = asked
    whole = weigh(table, wrong, penalty=PENALTY).weights
    order = torch.randperm(len(table), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(weigh(table[order], wrong[order], penalty=PENALTY).weights, whole, atol=1e-7, rtol=0)
    torch.testing.assert_close(weigh(table, wrong, penalty=PENALTY, budget=1).weights, whole, atol=1e-7, rtol=0)


def test_answers_that_do_not_count_change_nothing(asked):
    table, wrong = asked
    other = torch.where(wrong[..., None], 100.0, table)
    torch.testing.assert_close(
        weigh(other, wrong, penalty=PENALTY).weights, weigh(table, wrong, penalty=PENALTY).weights
    )
    assert not torch.allclose(
        weigh(table, torch.zeros_like(wrong), penalty=PENALTY).weights, weigh(table, wrong, penalty=PENALTY).weights
    )


def test_a_column_that_tells_all_has_a_weight_that_is_finite():
    table = torch.zeros(5, 4, 2)
    table[:, 0, 0] = 1
    found = weigh(table, torch.zeros(5, 4, dtype=torch.bool), penalty=torch.tensor([0.0, 1.0]))
    assert torch.isfinite(found.weights).all()
    assert found.weights[0] > 3
    assert found.loss < 0.05


def test_a_firm_penalty_keeps_the_weights_at_their_centre(asked):
    centre = torch.linspace(-1, 1, 6).double()
    found = weigh(*asked, penalty=torch.full((6,), 1e4), centre=centre)
    torch.testing.assert_close(found.weights, centre, atol=1e-3, rtol=0)
