"""What would have been answered if one statement about a class or a pair were not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Counterfactual"]


@dataclass(frozen=True)
class Counterfactual:
    """One statement taken away, everything that follows from it made again.

    Args:
        removed: The statement, spoken.
        before: The score or probability of the answer as it is.
        after: The same without the statement.
        answer: What is answered without it.
        kind: What was taken away: an ``"axiom"`` of the class graph, after which all class vectors were read off it
            again; a ``"column"`` of the answer's class vector; or a known ``"fact"``.
        scores: The answer's score with and without, where ``before`` and ``after`` are probabilities: it moves where
            they are rounded to 100 %.
        leads: How far that is above the best other candidate, with and without; below 0 the answer has changed.
    """

    removed: str
    before: float
    after: float
    answer: str
    kind: Literal["axiom", "column", "fact"] = "column"
    scores: tuple[float, float] | None = None
    leads: tuple[float, float] | None = None

    def text(self, *, share: bool) -> str:
        """One line; probabilities as percent where ``share``."""
        before, after = (f"{value:.2%}" if share else f"{value:.3f}" for value in (self.before, self.after))
        told = f"without the {self.kind} {self.removed!r}: {before} -> {after}"
        if self.scores is not None:
            told += f", score {self.scores[0]:.4g} -> {self.scores[1]:.4g}"
        if self.leads is not None:
            told += f", lead {self.leads[0]:.4g} -> {self.leads[1]:.4g}"
        return f"{told}; then {self.answer}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "removed": self.removed,
            "before": self.before,
            "after": self.after,
            "answer": self.answer,
            "kind": self.kind,
            "scores": None if self.scores is None else list(self.scores),
            "leads": None if self.leads is None else list(self.leads),
        }
