"""A plain multi-layer perceptron with weights drawn from an explicit random state."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kgzsl.generators.networks import SLOPE

__all__ = ["MLP"]


class MLP(nn.Module):
    """LeakyReLU(0.2) between layers; He's initialisation.

    Args:
        widths: Of the input, the hidden layers and the output.
        generator: Random state of the weights; its device is the network's. Biases start at zero.
        dtype: Type of the parameters.
        activation: Of the output: ``"linear"``, ``"relu"`` or ``"sigmoid"``.
        zero: Start with an output of zero.
    """

    def __init__(
        self,
        widths: Sequence[int],
        *,
        generator: torch.Generator,
        dtype: torch.dtype = torch.float32,
        activation: str = "linear",
        zero: bool = False,
    ) -> None:
        super().__init__()
        self.activation = activation
        pairs = list(itertools.pairwise(widths))
        gain = [2 / (1 + SLOPE**2)] * (len(pairs) - 1) + [0.0 if zero else 1.0]
        device = generator.device
        self.weights = nn.ParameterList()
        for (i, o), g in zip(pairs, gain, strict=True):
            values = torch.empty(o, i, dtype=dtype, device=device).normal_(0, 1, generator=generator)
            self.weights.append(nn.Parameter(values * math.sqrt(g / i)))
        self.biases = nn.ParameterList([nn.Parameter(torch.zeros(o, dtype=dtype, device=device)) for _, o in pairs])

    def hidden(self, x: Tensor) -> Tensor:
        """What the last layer is given."""
        for weight, bias in zip(list(self.weights)[:-1], list(self.biases)[:-1], strict=True):
            x = F.leaky_relu(F.linear(x, weight, bias), SLOPE)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """The output [B, widths[-1]] for x [B, widths[0]]."""
        x = F.linear(self.hidden(x), self.weights[-1], self.biases[-1])
        if self.activation == "relu":
            return F.relu(x)
        return torch.sigmoid(x) if self.activation == "sigmoid" else x
