"""The gradient penalty of WGAN-GP, by autograd for any critic and in closed form for one hidden layer."""

from __future__ import annotations

import torch
from torch import Tensor

from kgzsl.generators.networks import SLOPE, Critic

__all__ = ["autograd_penalty", "closed_form_penalty", "critic_gradients"]

# Far below any norm that training meets; keeps the direction of a zero gradient finite.
_TINY = 1e-30


def autograd_penalty(critic: torch.nn.Module, real: Tensor, fake: Tensor, prior: Tensor, mix: Tensor) -> Tensor:
    """Mean of (|grad_x f(x, c)| - 1)^2 at x = mix * real + (1 - mix) * fake (Gulrajani et al. 2017, eq. 3).

    Args:
        critic: Any module of (feature [B, D], prior [B, P]) -> score [B].
        real, fake: Float [B, D].
        prior: Float [B, P].
        mix: Float [B] in [0, 1].

    Returns:
        A scalar with a graph to the critic's parameters (through a double backward).
    """
    between = torch.lerp(fake, real, mix[:, None]).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(critic(between, prior).sum(), between, create_graph=True)
    penalty: Tensor = (gradient.norm(dim=1) - 1).square().mean()
    return penalty


def closed_form_penalty(critic: Critic, real: Tensor, fake: Tensor, prior: Tensor, mix: Tensor) -> Tensor:
    """The same number and the same gradients for a critic with one hidden layer, without a double backward.

    There f(x, c) = w . LeakyReLU(W x + V c + b), so grad_x f = (s * w) W with s the slopes (1 or 0.2) of the hidden
    units, which are constant almost everywhere. Arguments and result as in :func:`autograd_penalty`.
    """
    between = torch.lerp(fake, real, mix[:, None])
    with torch.no_grad():
        hidden = between @ critic.w_feature.T + torch.addmm(critic.bias, prior, critic.w_prior.T)
        slopes = (hidden > 0).to(hidden.dtype).mul_(1 - SLOPE).add_(SLOPE)
    gradient = (slopes * critic.w_out) @ critic.w_feature
    penalty: Tensor = (gradient.norm(dim=1) - 1).square().mean()
    return penalty


@torch.no_grad()
def critic_gradients(
    critic: Critic, real: Tensor, fake: Tensor, prior: Tensor, mix: Tensor, weight: float, work: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Write the gradients of the whole critic loss into ``.grad``, in four large matrix products.

    The loss is mean f(fake) - mean f(real) + weight * penalty. For a critic with one hidden layer:

    - the hidden layer is affine before its activation, so its value between real and fake is the mixture of its values
      there: the penalty needs no forward pass of its own;
    - the loss is linear in the slopes, so every gradient of the first layer has the form diag(w) N, where N collects
      real, fake and penalty in one product over 3 B rows;
    - LeakyReLU is homogeneous (a(h) = s h), so the gradient by w is the row-wise dot product of W and N, and
      what the prior's part of the layer adds: the penalty's second product falls away.

    Args:
        critic: One hidden layer; its ``.grad`` fields are overwritten.
        real, fake: Float [B, D], the same prior in the same row.
        prior: Float [B, P].
        mix: Float [B] in [0, 1].
        weight: Weight of the penalty.
        work: Type in which the matrix products run (bfloat16 under bf16-mixed).

    Returns:
        mean f(real) - mean f(fake), and the penalty before its weight: scalars.
    """
    batch, dtype = len(real), real.dtype
    w_feature, w_out = critic.w_feature.to(work), critic.w_out
    x = torch.cat([real, fake, fake])  # the last third makes room for the penalty's part
    from_prior = torch.addmm(critic.bias, prior, critic.w_prior.T)
    hidden = (x[: 2 * batch].to(work) @ w_feature.T).to(dtype)
    hidden[:batch] += from_prior
    hidden[batch:] += from_prior
    hidden_real, hidden_fake = hidden[:batch], hidden[batch:]
    slopes = torch.empty(3 * batch, hidden.shape[1], dtype=dtype, device=x.device)
    torch.gt(hidden, 0, out=slopes[: 2 * batch])
    torch.gt(torch.lerp(hidden_fake, hidden_real, mix[:, None]), 0, out=slopes[2 * batch :])
    slopes.mul_(1 - SLOPE).add_(SLOPE)

    score = torch.mv(hidden.mul_(slopes[: 2 * batch]), w_out)
    distance = score[:batch].mean() - score[batch:].mean()
    gradient = ((slopes[2 * batch :] * w_out).to(work) @ w_feature).to(dtype)
    norm = gradient.norm(dim=1)
    penalty = (norm - 1).square().mean()
    torch.mul(gradient, (2 * weight * (norm - 1) / norm.clamp_min(_TINY))[:, None], out=x[2 * batch :])

    # Signs and the 1/B of the means: real rows count -1/B, fake and penalty rows +1/B.
    x.div_(batch)
    x[:batch].neg_()
    change = slopes[batch : 2 * batch] - slopes[:batch]
    grad_feature = _grad(critic.w_feature)
    if work == dtype:
        torch.mm(slopes.T, x, out=grad_feature)
    else:
        grad_feature.copy_(slopes.T.to(work) @ x.to(work))
    torch.add(
        _row_dots(critic.w_feature, grad_feature),
        (change * from_prior).sum(dim=0),
        alpha=1 / batch,
        out=_grad(w_out),
    )
    grad_feature.mul_(w_out[:, None])
    change.mul_(w_out / batch)
    torch.mm(change.T, prior, out=_grad(critic.w_prior))
    torch.sum(change, dim=0, out=_grad(critic.bias))
    return distance, penalty


def _grad(parameter: Tensor) -> Tensor:
    if parameter.grad is None:
        parameter.grad = torch.empty_like(parameter)
    return parameter.grad


def _row_dots(a: Tensor, b: Tensor) -> Tensor:
    """The dot product of each row of ``a`` with the same row of ``b``."""
    if a.device.type != "cpu":
        dots: Tensor = torch.linalg.vecdot(a, b)
        return dots
    # torch multiplies into a temporary of full size; slices that fit the cache are six times faster.
    rows = max(1, 131_072 // a.shape[1])
    return torch.cat([(x * y).sum(dim=1) for x, y in zip(torch.split(a, rows), torch.split(b, rows), strict=True)])
