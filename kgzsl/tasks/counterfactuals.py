"""What would have been answered if one statement about a class or a pair were not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["Counterfactual"]


@dataclass(frozen=True)
class Counterfactual:
    """One statement taken away, everything that follows from it made again.

    Args:
        removed: The statement, spoken.
        before: The score or probability of the answer as it is.
        after: The same without the statement.
        answer: What is answered without it.
    """

    removed: str
    before: float
    after: float
    answer: str

    def text(self, *, share: bool) -> str:
        """One line; probabilities as percent where ``share``."""
        before, after = (f"{value:.2%}" if share else f"{value:.3f}" for value in (self.before, self.after))
        return f"without {self.removed}: {before} -> {after}, then {self.answer}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {"removed": self.removed, "before": self.before, "after": self.after, "answer": self.answer}
