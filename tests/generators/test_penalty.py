"""The closed form of the gradient penalty and the hand-written gradients, against autograd."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from kgzsl.generators.networks import Critic, PriorToFeature
from kgzsl.generators.penalty import autograd_penalty, closed_form_penalty, critic_gradients

WEIGHT = 7.0


def problem(hidden: list[int], dtype: torch.dtype = torch.float64) -> tuple[Critic, tuple[Tensor, ...]]:
    g = torch.Generator().manual_seed(3)
    critic = Critic(20, 5, hidden, generator=g, dtype=dtype)
    for parameter in critic.parameters():
        parameter.data.normal_(0, 0.5, generator=g)
    real, fake = (torch.randn(9, 20, generator=g, dtype=dtype) for _ in range(2))
    return critic, (real, fake, torch.randn(9, 5, generator=g, dtype=dtype), torch.rand(9, generator=g, dtype=dtype))


def gradients(critic: Critic, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(critic.parameters()), allow_unused=True, materialize_grads=True))


def test_closed_form_equals_autograd_in_value_and_gradient() -> None:
    critic, batch = problem([32])
    by_autograd, closed = autograd_penalty(critic, *batch), closed_form_penalty(critic, *batch)
    assert closed.item() == pytest.approx(by_autograd.item(), abs=1e-9)
    for ours, theirs in zip(gradients(critic, closed), gradients(critic, by_autograd), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


def test_hand_written_gradients_equal_autograd_of_the_whole_loss() -> None:
    critic, (real, fake, prior, mix) = problem([32])
    distance = critic(real, prior).mean() - critic(fake, prior).mean()
    penalty = autograd_penalty(critic, real, fake, prior, mix)
    expected = gradients(critic, WEIGHT * penalty - distance)
    for _ in range(2):  # the second time they must replace what the first wrote, not add to it
        found = critic_gradients(critic, real, fake, prior, mix, WEIGHT, torch.float64)
    assert [value.item() for value in found] == pytest.approx([distance.item(), penalty.item()], abs=1e-9)
    for parameter, gradient in zip(critic.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-9)


def test_gradients_in_bfloat16_point_the_same_way() -> None:
    critic, batch = problem([32], torch.float32)
    critic_gradients(critic, *batch, WEIGHT, torch.float32)
    exact = torch.cat([p.grad.flatten() for p in critic.parameters() if p.grad is not None])
    critic_gradients(critic, *batch, WEIGHT, torch.bfloat16)
    rough = torch.cat([p.grad.flatten() for p in critic.parameters() if p.grad is not None])
    assert not torch.equal(exact, rough)
    assert torch.cosine_similarity(exact, rough, dim=0).item() > 0.99


def test_penalty_of_a_known_critic() -> None:
    """With all hidden units on, f(x) = w . W x, so the gradient is w W everywhere: here (3, 4), norm 5, penalty 16."""
    critic = Critic(2, 1, [2], generator=torch.Generator(), dtype=torch.float64)
    with torch.no_grad():
        critic.w_feature.copy_(torch.eye(2))
        critic.bias.fill_(100.0)
        critic.w_out.copy_(torch.tensor([3.0, 4.0]))
    x, prior, mix = (
        torch.ones(3, 2, dtype=torch.float64),
        torch.zeros(3, 1, dtype=torch.float64),
        torch.rand(3).double(),
    )
    assert closed_form_penalty(critic, x, x, prior, mix).item() == pytest.approx(16.0)
    assert critic_gradients(critic, x, x, prior, mix, 1.0, torch.float64)[1].item() == pytest.approx(16.0)


def test_a_dead_critic_gives_finite_gradients() -> None:
    critic, batch = problem([4])
    critic.w_out.data.zero_()  # the input gradient has length zero, and no direction
    critic_gradients(critic, *batch, 10.0, torch.float64)
    assert all(bool(p.grad.isfinite().all()) for p in critic.parameters() if p.grad is not None)


def test_a_deep_critic_has_the_general_penalty() -> None:
    critic, batch = problem([8, 6])
    assert not critic.one_layer
    assert all(bool(g.isfinite().all()) for g in gradients(critic, autograd_penalty(critic, *batch)))


@pytest.mark.parametrize(("activation", "low", "high"), [("relu", 0, 1e9), ("sigmoid", 0, 1), ("linear", -1e9, 1e9)])
def test_output_layers(activation: str, low: float, high: float) -> None:
    g = torch.Generator().manual_seed(0)
    network = PriorToFeature(3, 2, 50, [7, 5], activation, generator=g)
    out = network(torch.randn(4, 3, generator=g), torch.randn(4, 2, generator=g))
    assert out.shape == (4, 50)
    assert low <= out.min().item() <= out.max().item() <= high
    assert (out.min().item() < 0) == (activation == "linear")
