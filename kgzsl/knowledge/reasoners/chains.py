"""Property chains that loop: OWL 2 DL asks for a regular property hierarchy (its specification, 11.2)."""

from __future__ import annotations

from collections import defaultdict

from kgzsl.knowledge.projection.repair import repair
from kgzsl.knowledge.projection.structure import Structure
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL, SUBPROPERTY_OF

__all__ = ["looping_chains"]


def looping_chains(triples: Triples) -> list[tuple[str, ...]]:
    """Loops of relations that chains make, each as the relations in a circle; empty where the hierarchy is regular.

    A chain ``r1 ∘ ... ∘ rn ⊑ r`` needs each link to come before r in some order; ``r ∘ r ⊑ r``, and r as the first or
    the last link alone, are allowed. Reasoners for OWL DL refuse loops, rule engines go round in them until nothing
    new comes of it, and on large data that is long.

    Args:
        triples: The ontology.
    """
    triples = repair(triples)
    chain = triples.predicate(OWL + "propertyChainAxiom")
    if chain < 0:
        return []
    structure = Structure(triples)
    needs: dict[int, set[int]] = defaultdict(set)  # relation -> those that must come before it
    strict: set[tuple[int, int]] = set()
    for row in (triples.predicates == chain).nonzero()[0].tolist():
        whole = int(triples.subjects[row])
        members, _, complete = structure.items(int(triples.objects[row]))
        links = [structure.property_expression(member)[0] for member in members]
        if not complete or whole >= triples.num_iris or min(links, default=-1) < 0:
            continue
        if links == [whole, whole]:
            continue
        inner = links[1:] if links[0] == whole else links[:-1] if links[-1] == whole else links
        for link in inner:
            needs[whole].add(link)
            strict.add((whole, link))
    for predicate, both in ((SUBPROPERTY_OF, False), (OWL + "equivalentProperty", True)):
        for row in (triples.predicates == triples.predicate(predicate)).nonzero()[0].tolist():
            lower = structure.property_expression(int(triples.subjects[row]))[0]
            upper = structure.property_expression(int(triples.objects[row]))[0]
            if min(lower, upper) >= 0:
                needs[upper].add(lower)
                if both:
                    needs[lower].add(upper)
    found = []
    for group in _components(needs):
        inside = set(group)
        if any(whole in inside and link in inside for whole, link in strict):
            found.append(tuple(triples.terms[one] for one in sorted(inside)))
    return found


def _components(edges: dict[int, set[int]]) -> list[list[int]]:
    """Strongly connected components, by Tarjan's algorithm without recursion."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    path: list[int] = []
    on_path: set[int] = set()
    found: list[list[int]] = []
    for root in list(edges):
        if root in index:
            continue
        work = [(root, iter(sorted(edges.get(root, ()))))]
        index[root] = low[root] = len(index)
        path.append(root)
        on_path.add(root)
        while work:
            node, following = work[-1]
            step = next(following, None)
            if step is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    group = []
                    while True:
                        one = path.pop()
                        on_path.discard(one)
                        group.append(one)
                        if one == node:
                            break
                    found.append(group)
            elif step not in index:
                index[step] = low[step] = len(index)
                path.append(step)
                on_path.add(step)
                work.append((step, iter(sorted(edges.get(step, ())))))
            elif step in on_path:
                low[node] = min(low[node], index[step])
    return found
