"""A generator for tests: a linear map from priors to class means, plus the seen classes' spread. Fast and exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from kgzsl.engine import History
from kgzsl.generators import FeatureGenerator


class LinearGenerator(FeatureGenerator):
    """Ridge regression from priors to class means; every epoch halves the distance to the solution.

    With ``best_epoch`` it knows the solution after that epoch alone, and nothing before and after.
    """

    def __init__(self, epochs: int = 4, ridge: float = 1e-2, noise: float = 1.0, best_epoch: int | None = None) -> None:
        self.epochs = epochs
        self.ridge = ridge
        self.noise = noise
        self.best_epoch = best_epoch

    def fit(self, features, labels, priors, *, classifier=None, engine=None, callback=None, callback_every_epochs=None):
        means = torch.stack([features[labels == c].mean(dim=0) for c in range(len(priors))])
        self.spread = (features - means[labels]).std(dim=0)
        ones = torch.cat([priors, torch.ones(len(priors), 1)], dim=1)
        solution = torch.linalg.solve(ones.T @ ones + self.ridge * torch.eye(ones.shape[1]), ones.T @ means)
        self.weight = torch.zeros_like(solution)
        rows: list[dict[str, Any]] = []
        for epoch in range(1, self.epochs + 1):
            self.weight = self.weight + 0.5 * (solution - self.weight)
            if self.best_epoch is not None:
                self.weight = solution if epoch == self.best_epoch else torch.zeros_like(solution)
            rows.append({"stage": "linear", "step": epoch, "distance": float((solution - self.weight).norm())})
            if callback is not None and (epoch % (callback_every_epochs or self.epochs) == 0 or epoch == self.epochs):
                rows.append({"stage": "linear", "step": epoch, **(callback(self, epoch) or {})})
        self.history = History("linear", rows)
        return self

    def sample(self, prior_rows: Tensor, n: int, *, generator: torch.Generator | None = None):
        ones = torch.cat([prior_rows, torch.ones(len(prior_rows), 1)], dim=1)
        means = (ones @ self.weight).repeat_interleave(n, dim=0)
        noise = torch.randn(means.shape, generator=generator) * self.spread * self.noise
        return (means + noise).clamp(min=0), torch.arange(len(prior_rows)).repeat_interleave(n)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight, "spread": self.spread}

    def load_state_dict(self, state: Mapping[str, Any]):
        self.weight, self.spread = state["weight"], state["spread"]
        return self
