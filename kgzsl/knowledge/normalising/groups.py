"""Axioms with lists in normal form: chains, disjoint unions, all-disjoint, same and different individuals."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np

from kgzsl.knowledge.normalising.expressions import ExpressionNormaliser
from kgzsl.knowledge.normalising.rows import Rows
from kgzsl.knowledge.projection.context import MAX_PAIRS
from kgzsl.knowledge.projection.structure import Expression, Structure
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, SWRL

__all__ = ["GroupNormaliser"]

#: Enters an axiom into the account: (kind, triples, what was lost, rows before).
Settle = Callable[[str, list[int], list[str], int], None]


class GroupNormaliser:
    """Adds axioms that name many things.

    Args:
        structure: Of the ontology.
        rows: Receives the axioms.
        expressions: For class expressions.
        settle: Enters them into the account.
    """

    def __init__(self, structure: Structure, rows: Rows, expressions: ExpressionNormaliser, settle: Settle) -> None:
        self.structure = structure
        self.triples = structure.triples
        self.rows = rows
        self.expressions = expressions
        self.settle = settle

    def run(self, individuals: bool) -> None:
        """All of them."""
        for predicate, how in (
            ("propertyChainAxiom", self._chain),
            ("hasKey", self._key),
            ("disjointUnionOf", self._disjoint_union),
        ):
            for row in self._rows_of(predicate):
                self._one(row, how)
        for name, kind in (("AllDisjointClasses", "DisjointClasses"), ("AllDisjointProperties", "DisjointProperties")):
            for row in self._typed(OWL + name):
                self._one(row, lambda row, kind=kind: self._all_disjoint(row, kind))  # type: ignore[misc]
        for row in self._typed(OWL + "AllDifferent"):
            self._one(row, lambda row: self._all_different(row, individuals))
        for row in self._typed(OWL + "NegativePropertyAssertion"):
            self._one(row, lambda row: self._negative(row, individuals))
        for row in self._typed(SWRL + "Imp"):
            self._one(row, lambda row: ("Rule", self._below(row), ["SWRL rules are not followed"]))
        for name, same in (("sameAs", True), ("differentFrom", False)):
            for row in self._rows_of(name):
                self._one(row, lambda row, same=same: self._pair(row, same, individuals))  # type: ignore[misc]

    def _one(self, row: int, how: Callable[[int], tuple[str, list[int], list[str]]]) -> None:
        if self.structure.claimed[row]:
            return
        before = self.rows.count
        kind, used, lost = how(row)
        self.settle(kind, [row, *used], lost, before)

    def _rows_of(self, name: str) -> list[int]:
        number = self.triples.predicate(OWL + name)
        found: list[int] = np.flatnonzero(self.triples.predicates == number).tolist() if number >= 0 else []
        return found

    def _typed(self, name: str) -> list[int]:
        triples = self.triples
        target = triples.iri_index.get(name, -1)
        if target < 0:
            return []
        rows = (triples.predicates == triples.predicate(RDF_TYPE)) & (triples.objects == target)
        found: list[int] = np.flatnonzero(rows).tolist()
        return found

    def _below(self, row: int) -> list[int]:
        subject = int(self.triples.subjects[row])
        if subject >= self.triples.num_iris:
            return self.structure.below(subject)
        rows = np.flatnonzero(self.triples.subjects == subject).tolist()
        return rows + [more for one in rows for more in self.structure.below(int(self.triples.objects[one]))]

    def _chain(self, row: int) -> tuple[str, list[int], list[str]]:
        """``r1 ∘ ... ∘ rn ⊑ r``; longer ones begin with a fresh relation."""
        kind, rows = "SubPropertyChainOf", self.rows
        members, used, whole = self.structure.items(int(self.triples.objects[row]))
        links = []
        for member in members:
            link, inverse, more = self.structure.property_expression(member)
            used += more
            if link < 0 or inverse:
                return kind, used, ["an inverse in a chain"]
            links.append(rows.role(link))
        if not whole or not links:
            return kind, used, ["a list without an end"]
        target = rows.role(int(self.triples.subjects[row]))
        while len(links) > 2:
            both = rows.fresh_role()
            rows.add("role_chain", links[0], links[1], both)
            links[:2] = [both]
        if len(links) == 2:
            rows.add("role_chain", links[0], links[1], target)
        elif links[0] != target:
            rows.add("role_inclusion", links[0], target)
        return kind, used, []

    def _key(self, row: int) -> tuple[str, list[int], list[str]]:
        _, used, _ = self.structure.items(int(self.triples.objects[row]))
        return "HasKey", used, ["a key"]

    def _disjoint_union(self, row: int) -> tuple[str, list[int], list[str]]:
        """The parts lie below the whole and are disjoint; that there is nothing else cannot be said."""
        members, used, whole = self.structure.items(int(self.triples.objects[row]))
        parts = self._expressions(members, used)
        if not whole:
            return "DisjointUnion", used, ["a list without an end"]
        name = Expression("name", term=int(self.triples.subjects[row]))
        lost = [why for part in parts for why in self.expressions.subsumption(part, name)]
        lost += self._apart(parts)
        return "DisjointUnion", used, [*lost, "that the union is all there is"]

    def _expressions(self, members: list[int], used: list[int]) -> list[Expression]:
        parts = []
        for member in members:
            part, more = self.structure.expression(member)
            used += more
            parts.append(part)
        return parts

    def _apart(self, parts: list[Expression]) -> list[str]:
        if len(parts) * (len(parts) - 1) // 2 > MAX_PAIRS:
            return [f"{len(parts):,} members make more than {MAX_PAIRS:,} pairs"]
        lost: list[str] = []
        for first, second in combinations(parts, 2):
            lost += self.expressions.subsumption(first, Expression("not", parts=(second,)))
        return lost

    def _all_disjoint(self, row: int, kind: str) -> tuple[str, list[int], list[str]]:
        members, used, whole = self._listed(row, "members")
        parts = self._expressions(members, used)
        if kind == "DisjointProperties":
            return kind, used, ["disjoint properties"]
        return kind, used, self._apart(parts) if whole else ["a list without an end"]

    def _all_different(self, row: int, individuals: bool) -> tuple[str, list[int], list[str]]:
        members, used, whole = self._listed(row, "distinctMembers")
        if not members:
            members, used, whole = self._listed(row, "members")
        named = [member for member in members if member < self.triples.num_iris]
        if not individuals or not whole or len(named) < len(members):
            reason = "individuals" if not individuals else "a list without an end, or an anonymous individual"
            return "DifferentIndividuals", used, [reason]
        return "DifferentIndividuals", used, self._apart([Expression("nominal", term=one) for one in named])

    def _listed(self, row: int, name: str) -> tuple[list[int], list[int], bool]:
        subject = int(self.triples.subjects[row])
        values = self.structure.properties(subject)
        head = values.get(OWL + name)
        if head is None:
            return [], [], False
        members, used, whole = self.structure.items(head[0])
        return members, [head[1], *used], whole

    def _pair(self, row: int, same: bool, individuals: bool) -> tuple[str, list[int], list[str]]:
        kind = "SameIndividual" if same else "DifferentIndividuals"
        pair = (int(self.triples.subjects[row]), int(self.triples.objects[row]))
        if not individuals or max(pair) >= self.triples.num_iris:
            return kind, [], ["an anonymous individual" if individuals else "individuals"]
        first, second = (self.rows.individual(term) for term in pair)
        if same:
            self.rows.below(first, second)
            self.rows.below(second, first)
        else:
            self.rows.disjoint(first, second)
        return kind, [], []

    def _negative(self, row: int, individuals: bool) -> tuple[str, list[int], list[str]]:
        """``{a} ⊓ ∃r.{b} ⊑ ⊥``."""
        kind, used = "NegativePropertyAssertion", self._below(row)
        values = self.structure.properties(int(self.triples.subjects[row]))
        names = ("sourceIndividual", "assertionProperty", "targetIndividual")
        parts = [values.get(OWL + name, (-1, -1))[0] for name in names]
        if not individuals or min(parts) < 0 or max(parts) >= self.triples.num_iris:
            return kind, used, ["individuals" if not individuals else "of a data property, an inverse or the nameless"]
        source, relation, target = parts
        some = Expression("value", target, relation)
        return kind, used, self.expressions.assertion(source, Expression("not", parts=(some,)))
