"""Where axioms in normal form are collected: names as numbers, rows as arrays."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL

__all__ = ["BOTTOM", "FORMS", "TOP", "Rows"]

#: Form -> number of columns; see ``NormalForms`` for what the columns are.
FORMS = {
    "gci0": 2,
    "gci1": 3,
    "gci2": 3,
    "gci3": 3,
    "gci0_bot": 1,
    "gci1_bot": 2,
    "gci3_bot": 2,
    "role_inclusion": 2,
    "role_chain": 3,
}
#: The number of owl:Thing.
TOP = 0
#: The number of owl:Nothing; it stands in no array, the bottom forms say it.
BOTTOM = 1
#: Kinds of names.
CLASS, INDIVIDUAL, FRESH = 0, 1, 2


class Rows:
    """Numbers names and collects rows.

    Args:
        triples: For the names of terms.
    """

    def __init__(self, triples: Triples) -> None:
        self._terms = triples.terms
        self.names: list[str] = [OWL + "Thing", OWL + "Nothing"]
        self.kinds: list[int] = [CLASS, CLASS]
        self.relations: list[str] = []
        self.fresh_relations = 0
        self._classes: dict[int, int] = {
            triples.iri_index.get(OWL + "Thing", -1): TOP,
            triples.iri_index.get(OWL + "Nothing", -1): BOTTOM,
        }
        self._individuals: dict[int, int] = {}
        self._roles: dict[int, int] = {}
        self._rows: dict[str, list[tuple[int, ...]]] = {form: [] for form in FORMS}
        self._blocks: dict[str, list[npt.NDArray[np.int64]]] = {form: [] for form in FORMS}
        self.count = 0

    def named(self, term: int) -> int:
        """The number of a class."""
        return self._number(self._classes, term, CLASS)

    def individual(self, term: int) -> int:
        """The number of the nominal of an individual."""
        return self._number(self._individuals, term, INDIVIDUAL)

    def _number(self, table: dict[int, int], term: int, kind: int) -> int:
        found = table.get(term)
        if found is None:
            found = table[term] = len(self.names)
            self.names.append(self._terms[term])
            self.kinds.append(kind)
        return found

    @property
    def individual_terms(self) -> list[int]:
        """The individuals so far, as terms."""
        return list(self._individuals)

    def fresh(self) -> int:
        """A new class that stands for an expression."""
        self.names.append(f"urn:kgzsl:fresh:{len(self.names)}")
        self.kinds.append(FRESH)
        return len(self.names) - 1

    def role(self, term: int) -> int:
        """The number of a relation."""
        found = self._roles.get(term)
        if found is None:
            found = self._roles[term] = len(self.relations)
            self.relations.append(self._terms[term])
        return found

    def fresh_role(self) -> int:
        """A new relation that stands for the beginning of a chain."""
        self.fresh_relations += 1
        self.relations.append(f"urn:kgzsl:fresh-relation:{len(self.relations)}")
        return len(self.relations) - 1

    def add(self, form: str, *row: int) -> None:
        """One axiom in normal form."""
        self._rows[form].append(row)
        self.count += 1

    def add_many(self, form: str, rows: npt.NDArray[np.int64]) -> None:
        """Many of one form, [n, columns]."""
        self._blocks[form].append(rows)
        self.count += len(rows)

    def below(self, left: int, right: int) -> int:
        """``left ⊑ right`` between names; answers with the number of rows (0 where it says nothing)."""
        if left in (right, BOTTOM) or right == TOP:
            return 0
        if right == BOTTOM:
            self.add("gci0_bot", left)
        else:
            self.add("gci0", left, right)
        return 1

    def disjoint(self, left: int, right: int) -> int:
        """``left ⊓ right ⊑ ⊥`` between names; answers with the number of rows."""
        if BOTTOM in (left, right):
            return 0
        if left == right or TOP in (left, right):
            self.add("gci0_bot", max(left, right))
        else:
            self.add("gci1_bot", *sorted((left, right)))
        return 1

    def arrays(self) -> dict[str, npt.NDArray[np.int64]]:
        """Form -> int64 [n, columns], every row once, in order of first appearance."""
        found = {}
        for form, width in FORMS.items():
            single = np.array(self._rows[form], np.int64).reshape(-1, width)
            whole = np.concatenate([single, *self._blocks[form]])
            _, first = np.unique(whole, axis=0, return_index=True)
            found[form] = whole[np.sort(first)]
        return found
