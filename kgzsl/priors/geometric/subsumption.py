"""Whether held-out subsumptions hold in an embedding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kgzsl.errors import InputError

__all__ = ["SubsumptionResult", "check_subsumptions"]

Int = npt.NDArray[np.int64]
Gaps = Callable[[Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class SubsumptionResult:
    """What became of the subclass axioms that training did not see.

    Args:
        queries: How many there were, those that chose the threshold not counted.
        threshold: C ⊑ D is taken to hold where the gap is at most this; chosen on a fifth of the held-out axioms
            (training axioms fit so well that a threshold between them and false ones says nothing of new axioms).
        holds: Share of the held-out axioms that hold.
        false: Share of as many pairs that do not follow from the axioms and yet hold.
        strict: Share of the held-out axioms whose gap is at most 0.01 (no threshold is chosen); None for models
            without regions.
        ranks: float64 [queries], realistic rank of D among all concepts that are not known to be above C.
    """

    queries: int
    threshold: float
    holds: float
    false: float
    strict: float | None
    ranks: npt.NDArray[np.float64]

    @property
    def accuracy(self) -> float:
        """Balanced accuracy: the mean of ``holds`` and ``1 - false``; 0.5 is chance."""
        return (self.holds + 1 - self.false) / 2

    def metrics(self) -> dict[str, float]:
        """All of it as a flat dictionary, with ``mrr`` and ``hits@10``."""
        found = {
            "subsumption.accuracy": self.accuracy,
            "subsumption.holds": self.holds,
            "subsumption.false": self.false,
            "subsumption.mrr": float((1 / self.ranks).mean()) if len(self.ranks) else 0.0,
            "subsumption.hits@10": float((self.ranks <= 10).mean()) if len(self.ranks) else 0.0,
            "subsumption.queries": float(self.queries),
        }
        return found if self.strict is None else {**found, "subsumption.strict": self.strict}


@torch.no_grad()
def check_subsumptions(
    gaps: Gaps,
    held: Int,
    train: Int,
    closure: Int,
    num_concepts: int,
    random: np.random.Generator,
    *,
    regions: bool = True,
    device: torch.device | str = "cpu",
    budget_bytes: int = 128 * 2**20,
) -> SubsumptionResult:
    """Test the pairs ``held`` against pairs that do not follow.

    The false pairs keep C and draw D among the superclasses of all axioms, as often as they occur there, so that a
    model cannot shine by knowing which concepts are general.

    Args:
        gaps: How far C stands out of D, as :meth:`GeometricModel.gaps`.
        held: int64 [H, 2]; a fifth of them chooses the threshold.
        train: int64 [T, 2], the subsumptions that were trained on.
        closure: int64 [K], sorted ``C * num_concepts + D`` of all that follows, held-out axioms included.
        num_concepts: How many concepts there are.
        random: Draws the false pairs.
        regions: Whether a gap of at most 0 means that the axiom holds.
        device: Where ``gaps`` wants its indices.
        budget_bytes: Memory for the gaps of one block of queries.
    """
    general = np.concatenate([train[:, 1], held[:, 1]])

    def told(pairs: Int) -> npt.NDArray[np.float64]:
        below, above = (torch.from_numpy(np.ascontiguousarray(column)).to(device) for column in pairs.T)
        found: npt.NDArray[np.float64] = gaps(below, above).double().cpu().numpy()
        return found

    def false_pairs(pairs: Int) -> Int:
        made: Int = np.stack([pairs[:, 0], random.choice(general, len(pairs))], axis=1)
        for _ in range(20):
            bad = _among(made[:, 0] * num_concepts + made[:, 1], closure) | (made[:, 0] == made[:, 1])
            if not bad.any():
                break
            made[bad, 1] = random.choice(general, int(bad.sum()))
        fine = ~_among(made[:, 0] * num_concepts + made[:, 1], closure) & (made[:, 0] != made[:, 1])
        kept: Int = made[fine]
        return kept

    if not len(held):
        raise InputError("there is no subsumption to test")
    order = random.permutation(len(held))
    judges = held[order[: max(1, len(held) // 5)]]
    held = held[np.sort(order[len(judges) :])] if len(held) > 1 else held
    threshold = _best_threshold(told(judges), told(false_pairs(judges)))
    true, false = told(held), told(false_pairs(held))
    return SubsumptionResult(
        len(held),
        threshold,
        float((true <= threshold).mean()),
        float((false <= threshold).mean()) if len(false) else 0.0,
        float((true <= 0.01).mean()) if regions else None,
        _ranks(gaps, held, closure, num_concepts, device, budget_bytes),
    )


def _among(keys: Int, known: Int) -> npt.NDArray[np.bool_]:
    if not len(known):
        return np.zeros(len(keys), dtype=bool)
    at = np.searchsorted(known, keys).clip(max=len(known) - 1)
    found: npt.NDArray[np.bool_] = known[at] == keys
    return found


def _best_threshold(true: npt.NDArray[np.float64], false: npt.NDArray[np.float64]) -> float:
    """Where the balanced accuracy of "at most" is highest; the middle between two gaps."""
    if not len(false):
        return float(true.max())
    values = np.concatenate([true, false])
    weight = np.concatenate([np.full(len(true), 1 / len(true)), np.full(len(false), -1 / len(false))])
    order = np.argsort(values, kind="stable")
    values, gained = values[order], np.cumsum(weight[order])
    last = np.append(values[1:] != values[:-1], True)
    best = np.flatnonzero(last)[np.argmax(gained[last])]
    return float((values[best] + values[min(best + 1, len(values) - 1)]) / 2)


def _ranks(
    gaps: Gaps, held: Int, closure: Int, num_concepts: int, device: torch.device | str, budget_bytes: int
) -> npt.NDArray[np.float64]:
    rows = max(1, budget_bytes // (num_concepts * 16))
    starts = np.searchsorted(closure, np.arange(num_concepts + 1) * num_concepts)
    found = []
    for begin in range(0, len(held), rows):
        part = held[begin : begin + rows]
        below, above = part.T
        table = gaps(torch.from_numpy(np.ascontiguousarray(below)).to(device), None).double().cpu().numpy()
        own = table[np.arange(len(part)), above]
        counts = starts[below + 1] - starts[below]
        row = np.repeat(np.arange(len(part)), counts)
        places = np.concatenate([np.arange(starts[one], starts[one + 1]) for one in below])
        table[row, closure[places] % num_concepts] = np.inf
        table[np.arange(len(part)), below] = np.inf
        better = (table < own[:, None]).sum(axis=1)
        level = (table == own[:, None]).sum(axis=1)
        found.append(1 + better + level / 2)
    return np.concatenate(found)
