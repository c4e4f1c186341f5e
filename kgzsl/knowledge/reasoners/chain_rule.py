"""Property chains over facts: the rule prp-spo2 of OWL 2 RL, which the ``reasonable`` library leaves out."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.projection.repair import repair
from kgzsl.knowledge.projection.structure import Structure
from kgzsl.knowledge.triples import Triples
from kgzsl.knowledge.vocabulary import OWL

__all__ = ["follow_chains", "named_chains"]

Fact = tuple[str, str, str]


def named_chains(triples: Triples) -> list[tuple[tuple[str, ...], str]]:
    """(links, whole) of every chain of named relations, by IRI; those over an inverse are left out."""
    triples = repair(triples)
    chain = triples.predicate(OWL + "propertyChainAxiom")
    if chain < 0:
        return []
    structure = Structure(triples)
    found = []
    for row in np.flatnonzero(triples.predicates == chain).tolist():
        members, _, complete = structure.items(int(triples.objects[row]))
        whole = int(triples.subjects[row])
        if complete and members and max(*members, whole) < triples.num_iris:
            found.append((tuple(triples.terms[one] for one in members), triples.terms[whole]))
    return found


def follow_chains(
    chains: Sequence[tuple[tuple[str, ...], str]], facts: set[Fact], *, max_added: int, end: float = math.inf
) -> set[Fact]:
    """What the chains add to ``facts``, until nothing new comes of it.

    Args:
        chains: (links, whole).
        facts: What is known.
        max_added: Most facts that may be added.
        end: When to give up, on the clock of ``time.monotonic``.

    Raises:
        InputError: More than ``max_added`` facts, or no end in time.
    """
    wanted = {relation for links, whole in chains for relation in (*links, whole)}
    pairs: dict[str, dict[str, set[str]]] = {relation: defaultdict(set) for relation in wanted}
    for subject, relation, object_ in facts:
        if relation in pairs:
            pairs[relation][subject].add(object_)
    added: set[Fact] = set()
    changed = wanted
    while changed:
        before, changed = changed, set()
        for links, whole in chains:
            if not before.intersection(links):
                continue
            for start in list(pairs[links[0]]):
                if time.monotonic() > end:
                    raise InputError(
                        "reasoning owl2rl by property chains took longer than its budget of time",
                        remedy="raise max_seconds=, use reasoning='rdfs', or leave reasoning out",
                    )
                ends = pairs[links[0]][start]
                for link in links[1:]:
                    ends = {end for middle in ends for end in pairs[link].get(middle, ())}
                new = ends - pairs[whole].get(start, set())
                if not new:
                    continue
                pairs[whole][start] |= new
                added.update((start, whole, end) for end in new)
                changed.add(whole)
                if len(added) > max_added:
                    raise InputError(
                        f"reasoning owl2rl adds more than {max_added:,} triples by property chains",
                        remedy="raise max_added=, use reasoning='rdfs', or leave reasoning out",
                    )
    return added
