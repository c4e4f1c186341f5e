"""Feature scaling that fits the features, and the output layer that fits the scaling."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_choice

__all__ = ["KINDS", "FeatureScaler"]

KINDS = ("auto", "max", "minmax", "standard", "centre", "none")


class FeatureScaler:
    """Brings features into the range a network trains well in, and back.

    ====================  ===========================================================  ================
    kind                  transform                                                    output layer
    ====================  ===========================================================  ================
    ``"max"``             x / q, q the 99.9th percentile of all positive values        ReLU
    ``"minmax"``          (x - min) / (max - min) for each feature, to [0, 1]          sigmoid
    ``"standard"``        (x - mean) / deviation for each feature                      linear
    ``"centre"``          (x - mean) / one deviation for all features                  linear
    ``"none"``            x                                                            linear
    ====================  ===========================================================  ================

    ``"auto"`` looks at the data: features without negative values (a ReLU network's, pooled) take ``"max"``,
    which keeps zeros zero; features with both signs (PCA, whitened, embeddings) take ``"standard"``. Squeezing signed
    features into [0, 1] leaves most of them in a narrow band around one half, where a WGAN does not learn.

    Args:
        kind: One of the above.

    Attributes:
        chosen: The kind in use after :meth:`fit` (never ``"auto"``).
        shift, scale: Float [D]; ``transform(x) = (x - shift) / scale``.
    """

    def __init__(self, kind: str = "auto") -> None:
        check_choice(kind, "kind", KINDS)
        self.kind = kind
        self.chosen = kind
        self.shift = torch.zeros(0)
        self.scale = torch.ones(0)

    @property
    def activation(self) -> str:
        """The output layer of a generator of such features: ``"relu"``, ``"sigmoid"`` or ``"linear"``."""
        return {"max": "relu", "minmax": "sigmoid"}.get(self.chosen, "linear")

    def fit(self, features: Tensor) -> Self:
        """Choose the kind (if ``"auto"``) and its constants from ``features`` float [N, D]."""
        self.chosen = self.kind
        if self.kind == "auto":
            self.chosen = "max" if bool((features >= 0).all()) else "standard"
        self.shift = torch.zeros_like(features[0])
        self.scale = torch.ones_like(features[0])
        if self.chosen == "max":
            self.scale *= _percentile(features[features > 0], 0.999)
        elif self.chosen == "minmax":
            self.shift = features.amin(dim=0)
            self.scale = features.amax(dim=0) - self.shift
        elif self.chosen in ("standard", "centre"):
            deviation, self.shift = torch.std_mean(features, dim=0, correction=0)
            self.scale = (
                deviation if self.chosen == "standard" else deviation.square().mean().sqrt().expand_as(deviation)
            )
        # A feature that never varies carries nothing; leave it where it is instead of dividing by zero.
        self.scale = torch.where(self.scale > 1e-12, self.scale, torch.ones_like(self.scale))
        return self

    def transform(self, features: Tensor) -> Tensor:
        """Scale ``features`` float [N, D]."""
        return (features - self.shift) / self.scale

    def inverse(self, scaled: Tensor) -> Tensor:
        """Undo :meth:`transform`."""
        return torch.addcmul(self.shift, scaled, self.scale)

    def state_dict(self) -> dict[str, Any]:
        """Kind and constants."""
        return {"kind": self.kind, "chosen": self.chosen, "shift": self.shift, "scale": self.scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Put back what :meth:`state_dict` gave; returns itself."""
        self.kind, self.chosen = state["kind"], state["chosen"]
        self.shift, self.scale = state["shift"], state["scale"]
        return self


def _percentile(values: Tensor, share: float) -> Tensor:
    """The value below which ``share`` of ``values`` lie (``torch.quantile`` refuses more than 16 million)."""
    if values.numel() == 0:
        return torch.ones((), dtype=values.dtype, device=values.device)
    return values.kthvalue(max(1, round(share * values.numel()))).values
