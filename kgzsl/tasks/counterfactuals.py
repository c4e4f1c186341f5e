"""What would have been answered if one statement about a class or a pair were not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kgzsl.knowledge import ClassGraph
    from kgzsl.priors.again import PriorsAgain
    from kgzsl.tasks.statements import Statement

__all__ = ["Counterfactual", "moving_statements"]

_WAYS = {
    "read": "all class vectors read off the graph without it",
    "joined": "the class, or the parts of a pair, taken into the trained vectors anew, with it and without it",
    "": "",
}


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
        way: How class vectors were made without an axiom: ``"read"`` off the smaller graph, or ``"joined"``: the class
            joined trained encoders anew with and without it, and ``before`` is what it then has with it (see
            :class:`kgzsl.priors.PriorsAgain`). Empty for what is no axiom.
    """

    removed: str
    before: float
    after: float
    answer: str
    kind: Literal["axiom", "column", "fact"] = "column"
    scores: tuple[float, float] | None = None
    leads: tuple[float, float] | None = None
    way: Literal["read", "joined", ""] = ""

    @property
    def how(self) -> str:
        """:attr:`way` in words."""
        return _WAYS[self.way]

    def text(self, *, share: bool) -> str:
        """One line; probabilities as percent where ``share``."""
        before, after = (f"{value:.2%}" if share else f"{value:.3f}" for value in (self.before, self.after))
        told = f"without the {self.kind} {self.removed!r}: {before} -> {after}"
        if self.scores is not None:
            told += f", score {self.scores[0]:.4g} -> {self.scores[1]:.4g}"
        if self.leads is not None:
            told += f", lead {self.leads[0]:.4g} -> {self.leads[1]:.4g}"
        told += f"; then {self.answer}"
        return f"{told} ({self.how})" if self.way else told

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
            "way": self.way,
            "how": self.how,
        }


def moving_statements(again: PriorsAgain, name: str, most: int, *, tried: int | None = None) -> list[Statement]:
    """The axioms that move the vector of the class ``name`` the farthest, at most ``most``, the farthest first.

    Those about the class itself (of a pair: about its two parts) are tried, then those about what stands above it;
    disjointness is none.

    Args:
        again: What made the class vectors.
        name: The class.
        most: How many.
        tried: How many are tried; None is 200, or 40 where something is trained and each takes a while.
    """
    from kgzsl.errors import InputError
    from kgzsl.tasks.statements import statements_about

    graph: ClassGraph = again.graph
    own = again.about(name)
    higher = {other for node in own for other in graph.ancestors(node)}
    above = sorted(higher - set(own), key=lambda other: graph.iris[other])
    statements = [one for other in (*own, *above) for one in statements_about(graph, graph.iris[other])]
    unique = {one.triple: one for one in statements if one.kind != "different"}
    if tried is None:
        tried = 200 if again.way == "read" else 40
    weighed: list[tuple[float, int, Statement]] = []
    for place, one in enumerate(list(unique.values())[:tried]):
        try:
            moved = again.moved(one.edge, name)
        except InputError:  # the last statement of a relation that the encoder's options or weights name
            continue
        if moved > 1e-5:
            weighed.append((-moved, place, one))
    found: Sequence[tuple[float, int, Statement]] = sorted(weighed, key=lambda one: one[:2])[:most]
    return [one for _, _, one in found]
