"""The two networks of a conditional WGAN, with weights drawn from an explicit random state."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["Critic", "PriorToFeature"]

SLOPE = 0.2


def _weights(rows: int, columns: int, generator: torch.Generator, like: torch.dtype, std: float) -> nn.Parameter:
    values = torch.empty(rows, columns, dtype=like, device=generator.device)
    return nn.Parameter(values.normal_(0.0, std, generator=generator))


class PriorToFeature(nn.Module):
    """An MLP from noise and prior to a (scaled) feature; LeakyReLU(0.2) between layers.

    Args:
        noise_dim: Width of the noise.
        prior_dim: Width P of the prior.
        feature_dim: Width D of the feature.
        hidden: Widths of the hidden layers.
        activation: Output layer: ``"relu"``, ``"sigmoid"`` or ``"linear"``.
        generator: Random state of the initial weights, N(0, 0.02^2); biases start at zero. Its device is the network's.
        dtype: Type of the parameters.
    """

    def __init__(
        self,
        noise_dim: int,
        prior_dim: int,
        feature_dim: int,
        hidden: Sequence[int],
        activation: str,
        *,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        self.noise_dim, self.prior_dim, self.activation = noise_dim, prior_dim, activation
        widths = [noise_dim + prior_dim, *hidden, feature_dim]
        pairs = list(itertools.pairwise(widths))
        self.weights = nn.ParameterList([_weights(o, i, generator, dtype, 0.02) for i, o in pairs])
        self.biases = nn.ParameterList(
            [nn.Parameter(torch.zeros(o, dtype=dtype, device=generator.device)) for _, o in pairs]
        )

    def forward(self, noise: Tensor, prior: Tensor, extra: Tensor | None = None) -> Tensor:
        """Features [B, D] from noise [B, Z] and prior [B, P]; ``extra`` [B, H] is added to the first hidden layer."""
        x = torch.cat([noise, prior], dim=1)
        last = len(self.weights) - 1
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = F.linear(x, weight, bias)
            if i < last:
                x = F.leaky_relu(x, SLOPE)
            if i == 0 and extra is not None:
                x = x + extra
        if self.activation == "relu":
            return F.relu(x)
        return torch.sigmoid(x) if self.activation == "sigmoid" else x


class Critic(nn.Module):
    """An MLP from feature and prior to one score; LeakyReLU(0.2).

    The first layer is kept as two matrices, one that multiplies the feature and one that multiplies the prior: the
    gradient penalty differentiates by the feature alone. The score has no bias: WGAN losses do not depend on it.

    Args:
        feature_dim: Width D of the feature.
        prior_dim: Width P of the prior.
        hidden: Widths of the hidden layers.
        generator: Random state of the initial weights, N(0, 0.02^2). Its device is the network's.
        dtype: Type of the parameters.
    """

    def __init__(
        self,
        feature_dim: int,
        prior_dim: int,
        hidden: Sequence[int],
        *,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__()
        first = hidden[0]
        self.w_feature = _weights(first, feature_dim, generator, dtype, 0.02)
        self.w_prior = _weights(first, prior_dim, generator, dtype, 0.02)
        self.bias = nn.Parameter(torch.zeros(first, dtype=dtype, device=generator.device))
        pairs = list(itertools.pairwise(hidden))
        self.weights = nn.ParameterList([_weights(o, i, generator, dtype, 0.02) for i, o in pairs])
        self.biases = nn.ParameterList(
            [nn.Parameter(torch.zeros(o, dtype=dtype, device=generator.device)) for _, o in pairs]
        )
        self.w_out = nn.Parameter(_weights(1, hidden[-1], generator, dtype, 0.02).data[0])

    @property
    def one_layer(self) -> bool:
        """Whether there is one hidden layer, so that the gradient penalty has a closed form."""
        return len(self.weights) == 0

    def forward(self, feature: Tensor, prior: Tensor) -> Tensor:
        """Scores [B] from feature [B, D] and prior [B, P]."""
        x = F.linear(feature, self.w_feature) + F.linear(prior, self.w_prior, self.bias)
        for weight, bias in zip(self.weights, self.biases, strict=True):
            x = F.linear(F.leaky_relu(x, SLOPE), weight, bias)
        return F.leaky_relu(x, SLOPE) @ self.w_out
