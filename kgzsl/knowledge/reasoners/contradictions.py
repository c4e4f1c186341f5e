"""Contradictions among triples that rules have closed: the rules of OWL 2 RL that end in "false"."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import combinations

import numpy as np

from kgzsl.knowledge.projection.structure import Structure
from kgzsl.knowledge.texts import local_name
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE, SUBCLASS_OF

__all__ = ["find_contradictions"]

_MAX_GROUP = 500


def find_contradictions(triples: Triples, *, limit: int = 1000) -> tuple[list[str], list[str]]:
    """(contradictions about individuals, unsatisfiable classes), in words and by IRI; at most ``limit`` of each.

    The rules are cax-dw, cax-adc, cls-nothing2, cls-com, eq-diff1, prp-irp and prp-asyp (OWL 2 Profiles, section 4.3).

    Args:
        triples: Closed under OWL 2 RL or RDFS, so that what follows is there.
        limit: Most of each kind.
    """
    terms = triples.terms
    above: dict[int, set[int]] = defaultdict(set)
    types: dict[int, set[int]] = defaultdict(set)
    for predicate, table in ((SUBCLASS_OF, above), (RDF_TYPE, types)):
        for subject, object_ in _pairs(triples, predicate):
            table[object_].add(subject)
    wrong: list[str] = []
    empty: dict[int, None] = {}
    nothing = triples.iri_index.get(OWL + "Nothing", -1)
    wrong += [f"{local_name(terms[one])} is of owl:Nothing" for one in sorted(types.get(nothing, ()))[:limit]]
    empty.update(dict.fromkeys(one for one in sorted(above.get(nothing, ())) if one < triples.num_iris))
    for first, second in _disjoint(triples):
        both = types.get(first, set()) & types.get(second, set())
        for one in sorted(both)[: max(0, limit - len(wrong))]:
            wrong.append(f"{local_name(terms[one])} is both {local_name(terms[first])} and {local_name(terms[second])}")
        below = (above.get(first, set()) | {first}) & (above.get(second, set()) | {second})
        empty.update(dict.fromkeys(one for one in sorted(below) if one < triples.num_iris))
    wrong += list(_about_relations(triples))[: max(0, limit - len(wrong))]
    return wrong, [terms[one] for one in empty][:limit]


def _pairs(triples: Triples, predicate: str) -> list[tuple[int, int]]:
    rows = np.flatnonzero(triples.predicates == triples.predicate(predicate))
    return list(zip(triples.subjects[rows].tolist(), triples.objects[rows].tolist(), strict=True))


def _disjoint(triples: Triples) -> Iterator[tuple[int, int]]:
    for predicate in ("disjointWith", "complementOf"):
        for first, second in _pairs(triples, OWL + predicate):
            if second < triples.num_iris:
                yield first, second
    target = triples.iri_index.get(OWL + "AllDisjointClasses", -1)
    heads = dict(_pairs(triples, OWL + "members"))
    structure: Structure | None = None
    for subject, object_ in _pairs(triples, RDF_TYPE):
        if object_ == target and subject in heads:
            structure = structure or Structure(triples)
            members, _, _ = structure.items(heads[subject])
            yield from combinations([one for one in members if one < triples.num_iris][:_MAX_GROUP], 2)


def _about_relations(triples: Triples) -> Iterator[str]:
    terms = triples.terms
    same = {frozenset(pair) for pair in _pairs(triples, OWL + "sameAs")}
    for first, second in _pairs(triples, OWL + "differentFrom"):
        if frozenset((first, second)) in same or first == second:
            yield f"{local_name(terms[first])} and {local_name(terms[second])} are the same and different"
    for kind in ("IrreflexiveProperty", "AsymmetricProperty"):
        target = triples.iri_index.get(OWL + kind, -1)
        relations = [subject for subject, object_ in _pairs(triples, RDF_TYPE) if object_ == target]
        for relation in relations:
            pairs = set(_pairs(triples, terms[relation]) if relation < triples.num_iris else ())
            for first, second in sorted(pairs):
                if first == second or (kind == "AsymmetricProperty" and first < second and (second, first) in pairs):
                    name = local_name(terms[relation])
                    fact = f"{local_name(terms[first])} {name} {local_name(terms[second])}"
                    yield f"{fact} contradicts that {name} is {kind}"
