"""Early stopping by filtered ranking of held-out triples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.priors.triples.model import TripleModel
from kgzsl.priors.triples.ranking import rank_triples

__all__ = ["EarlyStopping"]


class EarlyStopping:
    """Ranks held-out triples from time to time, keeps the best parameters, and says when to stop.

    Args:
        model: What is trained.
        held: int64 [H, 3], triples that training does not see.
        known: All true triples.
        every: Steps between two rankings.
        patience: Rankings in a row without a better MRR after which to stop.
    """

    def __init__(self, model: TripleModel, held: Tensor, known: FilterIndex, *, every: int, patience: int) -> None:
        self.model, self.every, self.patience = model, every, patience
        self._held, self._known = held, known
        self.best, self.stale, self.best_step = -1.0, 0, 0
        self._kept: dict[str, Tensor] = {}

    @property
    def stopped(self) -> bool:
        """Whether patience is at its end."""
        return self.stale >= self.patience

    def after(self, step: int) -> None:
        """To be called when ``step`` steps are done; ranks when it is time."""
        if step % self.every or self.stopped:
            return
        mrr = rank_triples(self.model, self._held, self._known).mrr
        if mrr > self.best:
            self.best, self.stale, self.best_step = mrr, 0, step
            self._kept = {name: value.detach().clone() for name, value in self.model.state_dict().items()}
        else:
            self.stale += 1

    def restore(self) -> None:
        """Put the best parameters back into the model."""
        if self._kept:
            self.model.load_state_dict(self._kept)

    def state_dict(self) -> dict[str, Any]:
        """Everything that later rankings depend on."""
        return {"best": self.best, "stale": self.stale, "best_step": self.best_step, "kept": self._kept}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Put back what :meth:`state_dict` gave."""
        self.best, self.stale, self.best_step = state["best"], state["stale"], state["best_step"]
        device = next(self.model.parameters()).device
        self._kept = {name: torch.as_tensor(value).to(device) for name, value in state["kept"].items()}
