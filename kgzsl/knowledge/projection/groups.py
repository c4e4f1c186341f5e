"""Axioms that name many things at once: chains, keys, disjoint unions, all-disjoint, all-different, rules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kgzsl.knowledge.projection.context import DIFFERENT, MAX_PAIRS, Context
from kgzsl.knowledge.projection.structure import Expression
from kgzsl.knowledge.projection.unfold import Outcome
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, SWRL

__all__ = ["project_groups"]

_ALL = {
    OWL + "AllDisjointClasses": ("DisjointClasses", OWL + "disjointWith"),
    OWL + "AllDisjointProperties": ("DisjointProperties", OWL + "propertyDisjointWith"),
    OWL + "AllDifferent": ("DifferentIndividuals", OWL + "differentFrom"),
}


def project_groups(context: Context) -> None:
    """All of them; each claims its list."""
    for kind, relation, how in (
        ("SubPropertyChainOf", OWL + "propertyChainAxiom", _chain),
        ("HasKey", OWL + "hasKey", _key),
        ("DisjointUnion", OWL + "disjointUnionOf", _disjoint_union),
    ):
        predicate = context.triples.predicate(relation)
        if predicate < 0:
            continue
        rows = np.flatnonzero((context.triples.predicates == predicate) & ~context.structure.claimed)
        for row in rows.tolist():
            how(context, kind, row)
    _typed_groups(context)
    _negative_assertions(context)
    _rules(context)


def _members(context: Context, row: int) -> tuple[int, list[int], list[int], bool]:
    subject = int(context.triples.subjects[row])
    members, used, whole = context.structure.items(int(context.triples.objects[row]))
    return subject, members, [row, *used], whole and subject < context.triples.num_iris


def _chain(context: Context, kind: str, row: int) -> None:
    """``r1 o r2 ⊑ r``: an edge from r to each link of the chain; their order is kept beside the edges."""
    subject, members, rows, whole = _members(context, row)
    outcome = Outcome()
    terms, links = context.triples.terms, []
    for member in members if whole else ():
        link, inverse, used = context.structure.property_expression(member)
        rows += used
        if link < 0:
            outcome.lost.append("a link that is no property")
        else:
            outcome.edges.append((subject, OWL + "propertyChainAxiom", link, 1.0))
            links.append("^" * inverse + terms[link])
    if not whole:
        outcome.lost.append("a list without an end, or no named property")
    elif links and not outcome.lost:
        context.out.chains.setdefault(terms[subject], []).append(links)
    context.settle(kind, outcome, context.structure.claim(rows))


def _key(context: Context, kind: str, row: int) -> None:
    subject, members, rows, whole = _members(context, row)
    named = [member for member in members if member < context.triples.num_iris]
    edges = [(subject, OWL + "hasKey", member, 1.0) for member in named] if whole else []
    lost = ["a key over an inverse"] * (len(members) - len(named))
    if not whole:
        lost = ["a list without an end, or a class expression with a key"]
    context.settle(kind, Outcome(edges, lost), context.structure.claim(rows))


def _disjoint_union(context: Context, kind: str, row: int) -> None:
    """Each part lies below the class, and each two are disjoint."""
    subject, members, rows, whole = _members(context, row)
    outcome = Outcome()
    if whole:
        parts = []
        for member in members:
            expression, used = context.structure.expression(member)
            rows += used
            parts.append(expression)
            outcome.add(context.unfolder.above(subject, expression))
        outcome.add(_pairs(context, parts, OWL + "disjointWith"))
    else:
        outcome.lost.append("a list without an end, or no named class")
    context.settle(kind, outcome, context.structure.claim(rows))


def _pairs(context: Context, parts: Sequence[Expression], relation: str) -> Outcome:
    """An edge between each two of the parts, in the order of the list."""
    named = list(dict.fromkeys(part.term for part in parts if part.kind == "name"))
    outcome = Outcome()
    total = len(named) * (len(named) - 1) // 2
    if total > MAX_PAIRS:
        outcome.lost.append(f"{len(named):,} members make more than {MAX_PAIRS:,} pairs")
        return outcome
    outcome.edges = [(first, relation, second, 1.0) for at, first in enumerate(named) for second in named[at + 1 :]]
    for part in parts:
        if part.kind == "name":
            continue
        if relation != OWL + "disjointWith":
            outcome.lost.append("a member that has no name")
        for first in named:
            if relation == OWL + "disjointWith":
                outcome.add(context.unfolder.disjoint(first, part))
    return outcome


def _typed_groups(context: Context) -> None:
    triples, structure = context.triples, context.structure
    type_id = triples.predicate(RDF_TYPE)
    for name, (kind, relation) in _ALL.items():
        target = context.term(name)
        rows = np.flatnonzero((triples.predicates == type_id) & (triples.objects == target) & ~structure.claimed)
        for row in rows.tolist():
            values = structure.properties(int(triples.subjects[row]))
            head = values.get(OWL + "members") or values.get(OWL + "distinctMembers")
            if head is None:
                context.settle(kind, Outcome(lost=["no members are given"]), structure.claim([row]))
                continue
            members, used, whole = structure.items(head[0])
            claimed = [row, head[1], *used]
            parts = []
            for member in members:
                if kind == "DisjointProperties":
                    link, inverse, more = structure.property_expression(member)
                    parts.append(Expression("name", term=link) if link >= 0 and not inverse else Expression("broken"))
                else:
                    expression, more_rows = structure.expression(member)
                    parts.append(expression)
                    more = list(more_rows)
                claimed += more
            if kind == "DifferentIndividuals":
                context.settle(kind, Outcome(lost=[DIFFERENT]), structure.claim(claimed))
                continue
            outcome = _pairs(context, parts, relation) if whole else Outcome(lost=["a list without an end"])
            context.settle(kind, outcome, structure.claim(claimed))


def _negative_assertions(context: Context) -> None:
    triples, structure = context.triples, context.structure
    type_id, target = triples.predicate(RDF_TYPE), context.term(OWL + "NegativePropertyAssertion")
    rows = np.flatnonzero((triples.predicates == type_id) & (triples.objects == target) & ~structure.claimed)
    for row in rows.tolist():
        used = structure.below(int(triples.subjects[row]))
        outcome = Outcome(lost=["says that two things are not linked"])
        context.settle("NegativePropertyAssertion", outcome, structure.claim([row, *used]))


def _rules(context: Context) -> None:
    """SWRL rules are not followed; all that belongs to them is counted as theirs."""
    triples, structure = context.triples, context.structure
    type_id = triples.predicate(RDF_TYPE)
    rows = np.flatnonzero((triples.predicates == type_id) & (triples.objects == context.term(SWRL + "Imp")))
    for row in rows.tolist():
        subject = int(triples.subjects[row])
        used = structure.below(subject) if subject >= triples.num_iris else [row]
        if subject < triples.num_iris:
            used += np.flatnonzero(triples.subjects == subject).tolist()
            used += [more for one in used for more in structure.below(int(triples.objects[one]))]
        context.settle("Rule", Outcome(lost=["SWRL rules are not followed"]), structure.claim(used))
    variables = (triples.predicates == type_id) & (triples.objects == context.term(SWRL + "Variable"))
    count = structure.claim(np.flatnonzero(variables & ~structure.claimed).tolist())
    context.out.ledger.declared("Rule variable", count)
