"""All axioms of an ontology in normal form, and an account of those that EL++ cannot say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from kgzsl.knowledge.account import Account, Ledger
from kgzsl.knowledge.normalising.expressions import ExpressionNormaliser
from kgzsl.knowledge.normalising.groups import GroupNormaliser
from kgzsl.knowledge.normalising.rows import Rows
from kgzsl.knowledge.projection.repair import repair
from kgzsl.knowledge.projection.structure import STRUCTURAL, Expression, Structure
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import (
    CHARACTERISTICS,
    DECLARATIONS,
    OWL,
    RDF,
    RDF_TYPE,
    RDFS,
    SUBCLASS_OF,
    SUBPROPERTY_OF,
)

__all__ = ["normalise"]


def normalise(triples: Triples, *, individuals: bool = True) -> tuple[Rows, Account]:
    """See :class:`kgzsl.knowledge.normal_forms.NormalForms`.

    Args:
        triples: The ontology.
        individuals: Whether assertions about individuals are taken, as axioms about nominals.
    """
    return _Axioms(repair(triples), individuals).run()


class _Axioms:
    def __init__(self, triples: Triples, individuals: bool) -> None:
        self.triples = triples
        self.structure = Structure(triples)
        self.rows = Rows(triples)
        self.expressions = ExpressionNormaliser(self.rows, triples)
        self.ledger = Ledger()
        self.individuals = individuals

    def run(self) -> tuple[Rows, Account]:
        triples = self.triples
        GroupNormaliser(self.structure, self.rows, self.expressions, self.settle).run(self.individuals)
        for predicate, kind, how in (
            (SUBCLASS_OF, "SubClassOf", self._sub_class),
            (OWL + "equivalentClass", "EquivalentClasses", self._equivalent),
            (OWL + "disjointWith", "DisjointClasses", self._disjoint),
            (SUBPROPERTY_OF, "SubPropertyOf", self._sub_property),
            (OWL + "equivalentProperty", "EquivalentProperties", self._equivalent_property),
            (RDFS + "domain", "PropertyDomain", self._domain),
        ):
            for row in self._unclaimed(predicate):
                if not self.structure.claimed[row]:
                    self._axiom(kind, row, how)
        for predicate, kind, reason in (
            (RDFS + "range", "PropertyRange", "a range"),
            (OWL + "inverseOf", "InverseProperties", "an inverse"),
            (OWL + "propertyDisjointWith", "DisjointProperties", "disjoint properties"),
        ):
            for row in self._unclaimed(predicate):
                if int(triples.subjects[row]) < triples.num_iris:
                    _, used = self.structure.expression(int(triples.objects[row]))
                    self.settle(kind, [row, *used], [reason], self.rows.count)
        self._types()
        self._definitions()
        self._facts()
        self._rest()
        arrays = self.rows.arrays()
        distinct = sum(len(array) for array in arrays.values())
        account = self.ledger.close(
            triples=len(triples),
            duplicates=triples.duplicates,
            num_edges=distinct,
            merged=self.rows.count - distinct,
            left_out=0,
            notes=triples.notes,
        )
        return self.rows, account

    # ---------------------------------------------------------------- book-keeping

    def settle(self, kind: str, rows: list[int], lost: list[str], before: int) -> None:
        """Enter an axiom into the account: it was used where rows came of it, ``before`` being their number before."""
        claimed = self.structure.claim(rows)
        gained = self.rows.count - before
        if not gained:
            self.ledger.dropped(kind, lost[0] if lost else "says nothing that is not always so", 1, claimed)
            return
        self.ledger.used(kind, triples=claimed, edges=gained)
        for reason in lost:
            self.ledger.partly(kind, reason)

    def _unclaimed(self, predicate: str) -> list[int]:
        number = self.triples.predicate(predicate)
        if number < 0:
            return []
        found: list[int] = np.flatnonzero((self.triples.predicates == number) & ~self.structure.claimed).tolist()
        return found

    def _axiom(self, kind: str, row: int, how: Callable[[int, int], tuple[list[str], list[int]]]) -> None:
        before = self.rows.count
        lost, used = how(int(self.triples.subjects[row]), int(self.triples.objects[row]))
        self.settle(kind, [row, *used], lost, before)

    # ---------------------------------------------------------------- axioms of one triple

    def _sub_class(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        left, used = self.structure.expression(subject)
        right, more = self.structure.expression(object_)
        return self.expressions.subsumption(left, right), [*used, *more]

    def _equivalent(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        left, used = self.structure.expression(subject)
        right, more = self.structure.expression(object_)
        if "data" in (left.kind, right.kind):
            return ["a data range"], [*used, *more]
        lost = self.expressions.subsumption(left, right) + self.expressions.subsumption(right, left)
        return lost, [*used, *more]

    def _disjoint(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        left, used = self.structure.expression(subject)
        right, more = self.structure.expression(object_)
        return self.expressions.subsumption(left, Expression("not", parts=(right,))), [*used, *more]

    def _sub_property(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        left, left_inverse, used = self.structure.property_expression(subject)
        right, right_inverse, more = self.structure.property_expression(object_)
        if left < 0 or right < 0 or left_inverse != right_inverse:
            return ["an inverse"], [*used, *more]
        if left != right:
            self.rows.add("role_inclusion", self.rows.role(left), self.rows.role(right))
        return [], [*used, *more]

    def _equivalent_property(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        lost, used = self._sub_property(subject, object_)
        return (lost, used) if lost else self._sub_property(object_, subject)

    def _domain(self, subject: int, object_: int) -> tuple[list[str], list[int]]:
        """``∃r.⊤ ⊑ D``."""
        relation, inverse, used = self.structure.property_expression(subject)
        target, more = self.structure.expression(object_)
        if relation < 0:
            return ["not of a property"], [*used, *more]
        some = Expression("some", -1, relation, inverse)
        return self.expressions.subsumption(some, target), [*used, *more]

    def _definitions(self) -> None:
        """Named classes that carry an expression themselves, as OWL 1 wrote them."""
        triples, structure = self.triples, self.structure
        wanted = [
            structure.ids[iri] for iri in STRUCTURAL if structure.ids[iri] >= 0 and not iri.endswith(("first", "rest"))
        ]
        rows = np.flatnonzero(
            np.isin(triples.predicates, wanted) & ~structure.claimed & (triples.subjects < triples.num_iris)
        )
        for subject in dict.fromkeys(triples.subjects[rows].tolist()):
            expression, used = structure.definition(subject)
            if not used:
                continue
            before = self.rows.count
            name = Expression("name", term=subject)
            lost = self.expressions.subsumption(name, expression) + self.expressions.subsumption(expression, name)
            self.settle("EquivalentClasses", list(used), lost, before)

    # ---------------------------------------------------------------- individuals

    def _types(self) -> None:
        """Declarations, characteristics, and ``{a} ⊑ C`` for the types of individuals."""
        triples = self.triples
        for row in self._unclaimed(RDF_TYPE):
            subject, object_ = int(triples.subjects[row]), int(triples.objects[row])
            name = triples.terms[object_] if object_ < triples.num_iris else ""
            if name in CHARACTERISTICS:
                self._characteristic(name, subject, row)
            elif name in DECLARATIONS or name.startswith((OWL, RDFS, RDF)):
                self.ledger.declared("Declaration", self.structure.claim([row]))
            elif subject < triples.num_iris:
                expression, used = self.structure.expression(object_)
                if expression.kind == "broken" and not used:
                    continue
                before = self.rows.count
                lost = self.expressions.assertion(subject, expression) if self.individuals else ["individuals"]
                self.settle("ClassAssertion", [row, *used], lost, before)

    def _characteristic(self, name: str, subject: int, row: int) -> None:
        """Transitivity is a chain; the others have no normal form."""
        kind = name.removeprefix(OWL)
        before = self.rows.count
        lost = [] if kind == "TransitiveProperty" else ["a characteristic other than transitivity"]
        if not lost:
            role = self.rows.role(subject)
            self.rows.add("role_chain", role, role, role)
        self.settle(kind, [row], lost, before)

    def _facts(self) -> None:
        """``{a} ⊑ ∃r.{b}`` for object properties, and for other relations between two that are known as individuals."""
        triples, structure = self.triples, self.structure
        if not self.individuals:
            return
        known = np.zeros(len(triples.terms) + len(triples.quoted), bool)
        known[self.rows.individual_terms] = True
        objects = np.isin(triples.predicates, self._typed(OWL + "ObjectProperty"))
        annotations = np.isin(triples.predicates, self._typed(OWL + "AnnotationProperty"))
        mask = ~structure.claimed & (triples.subjects < triples.num_iris) & (triples.objects < triples.num_iris)
        mask &= ~annotations & (objects | (known[triples.subjects] & known[triples.objects]))
        for predicate in np.unique(triples.predicates[mask]).tolist():
            if triples.terms[predicate].startswith((OWL, RDF, RDFS)):
                mask &= triples.predicates != predicate
        rows = np.flatnonzero(mask)
        if not len(rows):
            return
        numbers = np.full(len(known), -1, np.int64)
        for term in np.unique([triples.subjects[rows], triples.objects[rows]]).tolist():
            numbers[term] = self.rows.individual(term)
        roles = np.full(len(known), -1, np.int64)
        for predicate in np.unique(triples.predicates[rows]).tolist():
            roles[predicate] = self.rows.role(predicate)
        columns = (numbers[triples.subjects[rows]], roles[triples.predicates[rows]], numbers[triples.objects[rows]])
        self.rows.add_many("gci2", np.stack(columns, axis=1))
        structure.claimed[rows] = True
        self.ledger.used("Relation", axioms=len(rows), triples=len(rows), edges=len(rows))

    def _typed(self, name: str) -> npt.NDArray[np.int32]:
        triples = self.triples
        rows = (triples.predicates == triples.predicate(RDF_TYPE)) & (
            triples.objects == triples.iri_index.get(name, -1)
        )
        found: npt.NDArray[np.int32] = triples.subjects[rows]
        return found

    def _rest(self) -> None:
        """Texts, numbers, annotations and leftovers say nothing that EL++ could."""
        triples, structure = self.triples, self.structure
        rows = np.flatnonzero(~structure.claimed)
        literal = triples.is_literal(triples.objects[rows])
        for reason, mask in (("a text, a number or a date", literal), ("no axiom of classes or relations", ~literal)):
            count = int(mask.sum())
            self.ledger.dropped("Other", reason, count, count)
        structure.claimed[rows] = True
