"""Class priors, brought to the size that suits a generator's input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_choice, check_number

__all__ = ["KINDS", "PriorScaler"]

KINDS = ("none", "l2", "standard")


class PriorScaler:
    """Scales prior rows the same way for seen and unseen classes.

    Args:
        kind: ``"none"``; ``"l2"``: each row to length ``size``; ``"standard"``: each column to mean 0 and deviation
            1 over the seen classes, then all rows by one factor to a mean squared length of ``size``^2.
        size: See above.
    """

    def __init__(self, kind: str = "l2", size: float = 1.0) -> None:
        check_choice(kind, "kind", KINDS)
        check_number(size, "size", zero=False)
        self.kind, self.size = kind, size
        self.shift = torch.zeros(0)
        self.scale = torch.ones(0)

    def fit(self, priors: Tensor) -> Self:
        """Take the constants of ``"standard"`` from seen priors, float [C, P]."""
        self.shift, self.scale = torch.zeros_like(priors[0]), torch.ones_like(priors[0])
        if self.kind == "standard":
            deviation, self.shift = torch.std_mean(priors, dim=0, correction=0)
            varies = deviation > 1e-6 * deviation.max().clamp_min(1e-12)
            # A column that is constant over the seen classes says nothing that could be learnt: it is switched off.
            self.scale = torch.where(varies, self.size / (deviation * varies.sum().clamp_min(1).sqrt()), 0.0)
        return self

    def transform(self, priors: Tensor) -> Tensor:
        """Scale ``priors`` float [R, P]."""
        if self.kind == "l2":
            return torch.nn.functional.normalize(priors, dim=1) * self.size
        return (priors - self.shift) * self.scale

    def state_dict(self) -> dict[str, Any]:
        """Kind and constants."""
        return {"kind": self.kind, "size": self.size, "shift": self.shift, "scale": self.scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> Self:
        """Put back what :meth:`state_dict` gave; returns itself."""
        self.kind, self.size = state["kind"], state["size"]
        self.shift, self.scale = state["shift"], state["scale"]
        return self
