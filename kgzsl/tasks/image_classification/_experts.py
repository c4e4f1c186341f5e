"""A second opinion from the priors alone, and a gate between the expert for seen and the one for unseen classes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.classifiers import GatedExperts
from kgzsl.tasks.image_classification._heads import Head
from kgzsl.tasks.image_classification._relevance import takes_weights

if TYPE_CHECKING:
    from torch import Tensor

    from kgzsl.knowledge import ClassPriors

__all__ = ["PriorHead", "combine", "fit_gate", "gate_from", "gate_to_plain", "uncertainty"]

Scores = npt.NDArray[np.float32]
_SAMPLE = 2000


class PriorHead:
    """A classifier that answers from priors, its scores brought to deviation 1 on the training rows.

    So a weight on it means the same whatever the classifier's unit.

    Args:
        head: The classifier, not yet fitted.
    """

    def __init__(self, head: Head) -> None:
        self.head = head
        self.unit = 1.0

    def fit(
        self,
        features: Tensor,
        labels: npt.NDArray[np.int64],
        priors: ClassPriors,
        weights: npt.NDArray[np.float64] | None = None,
    ) -> PriorHead:
        """Train on real rows, weighed where the classifier takes weights; returns itself."""
        self.head.fit(features, labels, priors, weights if takes_weights(self.head.name) else None)
        step = max(1, len(features) // _SAMPLE)
        scores = self.head.scores(features[::step], np.arange(len(priors)))
        self.unit = max(float(scores.std(axis=1).mean()), 1e-12)
        return self

    def scores(self, features: Tensor, candidates: npt.NDArray[np.int64]) -> Scores:
        """float32 [N, K] of the candidates."""
        return self.head.scores(features, candidates) / np.float32(self.unit)


def combine(gate: GatedExperts, seen: Scores, unseen: Scores, is_unseen: npt.NDArray[np.bool_]) -> Scores:
    """One table [N, K] from the scores of the seen candidates [N, S] and of the unseen ones [N, U].

    Args:
        gate: Fitted.
        seen, unseen: In the order of the candidates.
        is_unseen: bool [K].
    """
    tables = _full(seen, unseen, is_unseen)
    return np.asarray(gate.combine(*tables, torch.from_numpy(is_unseen)).cpu(), dtype=np.float32)


def uncertainty(
    gate: GatedExperts, seen: Scores, unseen: Scores, is_unseen: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """What an evidential gate does not know, [N]; arguments as for :func:`combine`."""
    tables = _full(seen, unseen, is_unseen)
    return np.asarray(gate.uncertainty(*tables, torch.from_numpy(is_unseen)).cpu(), dtype=np.float32)


def fit_gate(
    rule: str, seen: Scores, unseen: Scores, is_unseen: npt.NDArray[np.bool_], labels: npt.NDArray[np.int64]
) -> GatedExperts:
    """The rule ``rule`` fitted on rows that neither expert has learnt from; labels are columns of ``is_unseen``."""
    return GatedExperts(rule).fit(*_full(seen, unseen, is_unseen), labels, torch.from_numpy(is_unseen))


def _full(seen: Scores, unseen: Scores, is_unseen: npt.NDArray[np.bool_]) -> tuple[Tensor, Tensor]:
    tables = []
    for part, columns in ((seen, ~is_unseen), (unseen, is_unseen)):
        table = np.zeros((len(part), len(is_unseen)), dtype=np.float32)
        table[:, columns] = part
        tables.append(torch.from_numpy(table))
    return tables[0], tables[1]


def gate_to_plain(gate: GatedExperts) -> dict[str, Any]:
    """What was fitted, JSON-able."""
    return {
        name: value.tolist() if isinstance(value, torch.Tensor) else value for name, value in gate.state_dict().items()
    }


def gate_from(plain: Mapping[str, Any]) -> GatedExperts:
    """The gate of :func:`gate_to_plain`."""
    state = {name: torch.tensor(value) if isinstance(value, list) else value for name, value in plain.items()}
    return GatedExperts(str(plain["gate"])).load_state_dict(state)
