"""The account of an import: what came in, what became of it, what was dropped and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Account", "AccountRow", "Ledger"]


@dataclass(frozen=True)
class AccountRow:
    """One kind of axiom.

    Args:
        kind: E.g. ``"SubClassOf"``.
        axioms: How many came in.
        triples: How many triples of the source they are made of.
        edges: How many edges they gave.
        texts: How many node texts they gave.
        declared: How many say what a node is (its kind), and were used as that.
        dropped: Reason to number of axioms that gave nothing.
        partly: Reason to number of parts lost from axioms that gave something.
    """

    kind: str
    axioms: int
    triples: int
    edges: int
    texts: int
    used: int
    declared: int
    dropped: Mapping[str, int]
    partly: Mapping[str, int]

    @property
    def balanced(self) -> bool:
        """Whether every axiom was used or dropped with a reason."""
        return self.axioms == self.used + self.declared + sum(self.dropped.values())


@dataclass(frozen=True)
class Account:
    """What an import understood, by kind of axiom; nothing is lost silently.

    Args:
        rows: One for each kind.
        triples: Distinct triples of the source (0 where the graph was not made from triples).
        duplicates: Triples that came again.
        num_edges: Edges of the graph.
        merged: Edges that several axioms gave, counted once in the graph.
        left_out: Edges that the projection does not want, such as those of a taxonomy that lead nowhere up.
        notes: What was put right, added by reasoning or left out, in words.
    """

    rows: tuple[AccountRow, ...] = ()
    triples: int = 0
    duplicates: int = 0
    num_edges: int = 0
    merged: int = 0
    left_out: int = 0
    notes: tuple[str, ...] = ()

    @property
    def balanced(self) -> bool:
        """Whether axioms in = axioms used + axioms dropped with a reason, for triples, axioms and edges alike."""
        if not self.rows:
            return not self.triples  # a graph that was not made from axioms has nothing to account for
        return (
            all(row.balanced for row in self.rows)
            and sum(row.triples for row in self.rows) == self.triples
            and sum(row.edges for row in self.rows) == self.num_edges + self.merged + self.left_out
        )

    @property
    def axioms(self) -> int:
        """All axioms that came in."""
        return sum(row.axioms for row in self.rows)

    @property
    def dropped(self) -> dict[str, int]:
        """Reason to number of axioms dropped for it."""
        total: dict[str, int] = {}
        for row in self.rows:
            for reason, count in row.dropped.items():
                total[reason] = total.get(reason, 0) + count
        return total

    def table(self) -> list[str]:
        """Lines of a plain table, for a terminal."""
        lines = [f"{'kind':<34}{'axioms':>9}{'triples':>9}{'edges':>9}{'texts':>8}{'dropped':>9}"]
        for row in self.rows:
            lost = sum(row.dropped.values())
            lines.append(f"{row.kind:<34}{row.axioms:>9}{row.triples:>9}{row.edges:>9}{row.texts:>8}{lost:>9}")
            lines += [f"    dropped {count}: {reason}" for reason, count in row.dropped.items()]
            lines += [f"    in part {count}: {reason}" for reason, count in row.partly.items()]
        lines.append(
            f"{'all':<34}{self.axioms:>9}{self.triples:>9}{self.num_edges:>9}"
            f"{sum(row.texts for row in self.rows):>8}{sum(self.dropped.values()):>9}"
        )
        if self.duplicates:
            lines.append(f"{self.duplicates} triples came twice")
        if self.merged:
            lines.append(f"{self.merged} edges came from several axioms and are counted once")
        if self.left_out:
            lines.append(f"{self.left_out} edges are not of the kind that this projection keeps")
        lines += self.notes
        return lines

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Account:
        """Back from :meth:`to_dict`."""
        rows = tuple(AccountRow(**row) for row in data["rows"])
        return cls(**{**data, "rows": rows, "notes": tuple(data["notes"])})


@dataclass
class _Entry:
    axioms: int = 0
    triples: int = 0
    edges: int = 0
    texts: int = 0
    used: int = 0
    declared: int = 0
    dropped: dict[str, int] = field(default_factory=dict)
    partly: dict[str, int] = field(default_factory=dict)


class Ledger:
    """Collects the account while a projection runs."""

    def __init__(self) -> None:
        self.entries: dict[str, _Entry] = {}
        self.notes: list[str] = []

    def entry(self, kind: str) -> _Entry:
        """The running count of a kind."""
        found = self.entries.get(kind)
        if found is None:
            found = self.entries[kind] = _Entry()
        return found

    def used(self, kind: str, *, axioms: int = 1, triples: int = 0, edges: int = 0, texts: int = 0) -> None:
        """Axioms that gave edges or texts."""
        entry = self.entry(kind)
        entry.axioms += axioms
        entry.used += axioms
        entry.triples += triples
        entry.edges += edges
        entry.texts += texts

    def declared(self, kind: str, count: int, triples: int | None = None) -> None:
        """Axioms that say what a node is."""
        if count:
            entry = self.entry(kind)
            entry.axioms += count
            entry.declared += count
            entry.triples += count if triples is None else triples

    def dropped(self, kind: str, reason: str, count: int = 1, triples: int = 0) -> None:
        """Axioms that gave nothing."""
        if count:
            entry = self.entry(kind)
            entry.axioms += count
            entry.triples += triples
            entry.dropped[reason] = entry.dropped.get(reason, 0) + count

    def partly(self, kind: str, reason: str, count: int = 1) -> None:
        """Parts lost from an axiom that gave something."""
        entry = self.entry(kind)
        entry.partly[reason] = entry.partly.get(reason, 0) + count

    def close(
        self, *, triples: int, duplicates: int, num_edges: int, merged: int, left_out: int, notes: tuple[str, ...]
    ) -> Account:
        """The finished account."""
        rows = tuple(
            AccountRow(
                kind,
                e.axioms,
                e.triples,
                e.edges,
                e.texts,
                e.used,
                e.declared,
                dict(e.dropped),
                dict(e.partly),
            )
            for kind, e in self.entries.items()
        )
        return Account(rows, triples, duplicates, num_edges, merged, left_out, (*notes, *self.notes))
