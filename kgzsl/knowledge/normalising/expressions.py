"""Class expressions to normal forms, with fresh names for what is nested (Baader, Brandt, Lutz, 2005, section 3)."""

from __future__ import annotations

from kgzsl.knowledge.normalising.rows import BOTTOM, TOP, Rows
from kgzsl.knowledge.projection.structure import Expression
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDF, RDF_TYPE, RDFS, XSD

__all__ = ["ExpressionNormaliser"]


class ExpressionNormaliser:
    """Adds ``C ⊑ D`` to rows.

    A fresh name for an expression on the left is only said to lie above it, one on the right only below it, which is
    enough for the result to be a conservative extension: every model of the ontology can be extended to one of the
    normal form, and every model of the normal form is one of the ontology.

    What EL can say in other words is said so: ``A ⊑ ¬B`` is A ⊓ B ⊑ ⊥, ``A ⊑ ≤0 r.C`` and ``A ⊑ ∀r.⊥`` are about
    A ⊓ ∃r.C, ``≥1 r.C`` is ∃r.C, a union on the left splits. ``A ⊑ ≥3 r.C`` is weakened to ∃r.C, and reported.

    Args:
        rows: Receives the axioms.
        triples: For what names mean.
    """

    def __init__(self, rows: Rows, triples: Triples) -> None:
        self.rows = rows
        self._triples = triples
        self._left: dict[Expression, int] = {}
        self._right: dict[Expression, tuple[int, tuple[str, ...]]] = {}
        self._data = self._typed(OWL + "DatatypeProperty")
        self._datatypes = self._typed(RDFS + "Datatype")

    def _typed(self, name: str) -> set[int]:
        triples = self._triples
        rows = (triples.predicates == triples.predicate(RDF_TYPE)) & (
            triples.objects == triples.iri_index.get(name, -1)
        )
        found: set[int] = set(triples.subjects[rows].tolist())
        return found

    # ---------------------------------------------------------------- C ⊑ D

    def subsumption(self, left: Expression, right: Expression) -> list[str]:
        """``left ⊑ right``; answers why parts of it, or all of it, could not be said."""
        reason = self.obstacle(left)
        if reason:
            return [f"on the left side: {reason}"]
        if right.kind == "and":
            return [why for part in right.parts for why in self.subsumption(left, part)]
        if right.kind == "name":
            self._emit(left, self.rows.named(right.term))
            return []
        apart = self._negated(right)
        if apart is not None:
            reason = self.obstacle(apart)
            if reason:
                return [f"under a negation: {reason}"]
            self._emit(Expression("and", parts=(left, apart)), BOTTOM)
            return []
        if left.kind == "or":
            return [why for part in left.parts for why in self.subsumption(part, right)]
        reason = self._unsayable(right)
        return [reason] if reason else self._above(self._name(left), right)

    def assertion(self, individual: int, right: Expression) -> list[str]:
        """``{a} ⊑ right`` for a nominal."""
        return self.subsumption(Expression("nominal", term=individual), right)

    # ---------------------------------------------------------------- the left side

    def obstacle(self, expression: Expression) -> str:
        """Why an expression cannot stand on the left, empty where it can."""
        kind = expression.kind
        if kind in ("name", "nominal", "oneof"):
            return ""
        if kind in ("and", "or"):
            return next((why for part in expression.parts if (why := self.obstacle(part))), "")
        if kind == "some" or (kind == "min" and expression.number == 1):
            return self._role_obstacle(expression) or (self.obstacle(self._filler(expression)))
        if kind == "min" and expression.number == 0:
            return ""
        if kind == "value":
            return self._role_obstacle(expression) or self._value_obstacle(expression)
        return _named_kind(expression)

    def _role_obstacle(self, expression: Expression) -> str:
        if expression.inverse:
            return "an inverse"
        filler = expression.parts[0] if expression.parts else None
        if expression.relation in self._data or (filler is not None and self._is_data(filler)):
            return "a data property"
        return ""

    def _value_obstacle(self, expression: Expression) -> str:
        if expression.term >= self._triples.first_literal:
            return "a data property"
        return "an anonymous individual" if expression.term >= self._triples.num_iris else ""

    def _is_data(self, expression: Expression) -> bool:
        if expression.kind != "name":
            return expression.kind == "data"
        name = self._triples.terms[expression.term]
        return expression.term in self._datatypes or name.startswith((XSD, RDFS + "Literal", RDF))

    def _filler(self, expression: Expression) -> Expression:
        return expression.parts[0] if expression.parts else Expression("and")

    def _name(self, expression: Expression) -> int:
        """A name that lies above an expression that may stand on the left."""
        direct = self._direct(expression)
        if direct is not None:
            return direct
        known = self._left.get(expression)
        if known is None:
            known = self._left[expression] = self.rows.fresh()
            self._emit(expression, known)
        return known

    def _direct(self, expression: Expression) -> int | None:
        """The name of an expression that has one."""
        if expression.kind == "name":
            return self.rows.named(expression.term)
        if expression.kind == "nominal":
            return self.rows.individual(expression.term)
        if expression.kind == "oneof" and len(expression.parts) == 1:
            return self.rows.individual(expression.parts[0].term)
        if expression.kind == "min" and expression.number == 0:
            return TOP
        if expression.kind in ("and", "or", "oneof"):
            if not expression.parts:
                return TOP if expression.kind == "and" else BOTTOM
            if len(expression.parts) == 1:
                return self._direct(expression.parts[0])
        return None

    def _emit(self, expression: Expression, target: int) -> None:
        """``expression ⊑ target``, in forms with the target at their end."""
        rows = self.rows
        direct = self._direct(expression)
        if target == TOP:
            return
        if direct is not None:
            rows.below(direct, target)
        elif expression.kind == "or":
            for part in expression.parts:
                self._emit(part, target)
        elif expression.kind == "oneof":
            for part in expression.parts:
                rows.below(rows.individual(part.term), target)
        elif expression.kind == "and":
            self._conjunction(expression.parts, target)
        else:
            filler = (
                rows.individual(expression.term) if expression.kind == "value" else self._name(self._filler(expression))
            )
            if filler == BOTTOM:
                return
            role = rows.role(expression.relation)
            if target == BOTTOM:
                rows.add("gci3_bot", role, filler)
            else:
                rows.add("gci3", role, filler, target)

    def _conjunction(self, parts: tuple[Expression, ...], target: int) -> None:
        rows = self.rows
        names = list(dict.fromkeys(name for part in _flat(parts) if (name := self._name(part)) != TOP))
        if BOTTOM in names:
            return
        while len(names) > 2:
            both = rows.fresh()
            rows.add("gci1", names[0], names[1], both)
            names[:2] = [both]
        if not names:
            rows.below(TOP, target)
        elif len(names) == 1:
            rows.below(names[0], target)
        elif target == BOTTOM:
            rows.disjoint(*names)
        else:
            rows.add("gci1", names[0], names[1], target)

    # ---------------------------------------------------------------- the right side

    def _negated(self, right: Expression) -> Expression | None:
        """X where ``right`` is ¬X in other words."""
        if right.kind == "not":
            return right.parts[0]
        if right.kind in ("max", "exact") and right.number == 0:
            return Expression("some", -1, right.relation, right.inverse, right.parts)
        if right.kind == "all" and right.parts and self._direct_is(right.parts[0], BOTTOM):
            return Expression("some", -1, right.relation, right.inverse)
        return None

    def _direct_is(self, expression: Expression, name: int) -> bool:
        return expression.kind == "name" and self.rows.named(expression.term) == name

    def _unsayable(self, right: Expression) -> str:
        """Why nothing of the right side can be said, empty where something can."""
        kind = right.kind
        if kind in ("and", "name", "nominal", "not"):
            return ""
        if kind == "oneof":
            return "" if len(right.parts) == 1 else "one of several individuals"
        if kind in ("some", "min", "exact", "value"):
            return self._role_obstacle(right) or (self._value_obstacle(right) if kind == "value" else "")
        return _named_kind(right)

    def _above(self, left: int, right: Expression) -> list[str]:
        """``left ⊑ right`` for a name on the left; answers what could not be said."""
        rows = self.rows
        direct = self._direct(right)
        if direct is not None:
            rows.below(left, direct)
            return []
        apart = self._negated(right)
        if apart is not None:
            reason = self.obstacle(apart)
            if reason:
                return [f"under a negation: {reason}"]
            name = self._name(apart)
            rows.disjoint(left, name)
            return []
        reason = self._unsayable(right)
        if reason:
            return [reason]
        if right.kind == "and":
            return [why for part in right.parts for why in self._above(left, part)]
        return self._some(left, right)

    def _some(self, left: int, right: Expression) -> list[str]:
        rows = self.rows
        if left == BOTTOM or (right.kind == "min" and right.number == 0):
            return []
        lost: list[str] = []
        if right.kind in ("min", "exact") and right.number > 1:
            lost.append("a number above one, of which only 'some' is said")
        if right.kind == "exact":
            lost.append("at most so many")
        if right.kind == "value":
            filler = rows.individual(right.term)
        else:
            filler, more = self._named_right(self._filler(right))
            lost += more
        if filler == BOTTOM:
            rows.below(left, BOTTOM)
        else:
            rows.add("gci2", left, rows.role(right.relation), filler)
        return lost

    def _named_right(self, expression: Expression) -> tuple[int, list[str]]:
        """A name that lies below an expression, and what of it could not be said."""
        direct = self._direct(expression)
        if direct is not None:
            return direct, []
        known = self._right.get(expression)
        if known is None:
            before, name = self.rows.count, self.rows.fresh()
            lost = tuple(self._above(name, expression))
            known = self._right[expression] = (name if self.rows.count > before else TOP, lost)
        return known[0], list(known[1])


def _flat(parts: tuple[Expression, ...]) -> list[Expression]:
    """Conjuncts, those of nested conjunctions included."""
    return [inner for part in parts for inner in (_flat(part.parts) if part.kind == "and" else [part])]


def _named_kind(expression: Expression) -> str:
    names = {
        "all": "a restriction to all",
        "not": "a complement",
        "or": "a union",
        "self": "a restriction to itself",
        "min": "a number above one",
        "max": "at most so many",
        "exact": "exactly so many",
        "data": "a data range",
        "oneof": "one of several individuals",
    }
    return expression.reason or names.get(expression.kind, expression.kind)
