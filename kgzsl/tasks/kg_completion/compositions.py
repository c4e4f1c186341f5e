"""Facts of a property that follow by property chains and transitivity, worked out over all known facts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import objects_of, properties_implied

__all__ = ["Compositions", "Fact"]

_OWL = "http://www.w3.org/2002/07/owl#"
_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
_MOST = 20_000_000
Link = tuple[int, bool]
"""Node of a property, and whether head and tail are exchanged."""
Fact = tuple[int, int, int]
"""Ids of head, relation and tail."""


@dataclass(frozen=True)
class Compositions:
    """What follows for one property by owl:propertyChainAxiom and owl:TransitiveProperty, and all that leads there.

    Chains and sub-, equivalent, inverse and symmetric properties are followed together until nothing new comes of them,
    round after round: a round has what follows at once from the one before.

    Args:
        node: The property, as a node of the schema; -1 where the schema does not have it.
        rounds: Node to the facts of the property, bool [E, E] sparse, after each round. Nothing where no chain leads to
            the property.
        steps: Node to the links that imply it.
        chains: Node to the chains that make it.
        ids: Node to the relation ids that are called so.
        facts: int64 [T, 3], what is known.
        complete: Whether everything was followed; else the budget was spent, and what is there holds all the same.
    """

    node: int = -1
    rounds: tuple[dict[int, Any], ...] = ()
    steps: dict[int, tuple[Link, ...]] | None = None
    chains: dict[int, tuple[tuple[Link, ...], ...]] | None = None
    ids: dict[int, tuple[int, ...]] | None = None
    facts: Tensor | None = None
    complete: bool = True

    @classmethod
    def read(
        cls,
        relation: int,
        relations: Sequence[str],
        schema: ClassGraph | None,
        facts: Tensor,
        entities: int,
        *,
        most: int = _MOST,
    ) -> Compositions:
        """All that follows for one relation.

        Args:
            relation: Id.
            relations: Names of all.
            schema: With its chains; None: nothing follows.
            facts: int64 [T, 3].
            entities: E.
            most: Pairs of facts with an end in common that may be looked at in all.
        """
        if schema is None:
            return cls()
        nodes = schema.align(list(relations)).indices.tolist()
        chains = _chains(schema)
        if nodes[relation] < 0 or not chains:
            return cls(nodes[relation])
        steps: dict[int, set[Link]] = {}
        for one, found in properties_implied(schema).items():
            for other, turned in found:
                steps.setdefault(other, set()).add((one, turned))
        needed = _leading_to(nodes[relation], steps, chains)
        if not any(node in chains for node in needed):
            return cls(nodes[relation])
        ids: dict[int, tuple[int, ...]] = {}
        for number, node in enumerate(nodes):
            if node in needed:
                ids[node] = (*ids.get(node, ()), number)
        first = {node: _matrix(facts, ids.get(node, ()), entities) for node in sorted(needed)}
        made = cls(
            nodes[relation],
            (first,),
            {node: tuple(sorted(steps.get(node, ()))) for node in first},
            {node: chains.get(node, ()) for node in first},
            ids,
            facts,
        )
        return made._followed(most)

    def _followed(self, most: int) -> Compositions:
        rounds, left = list(self.rounds), most
        assert self.steps is not None
        assert self.chains is not None
        while True:
            before, after = rounds[-1], {}
            for node, known in before.items():
                parts = [known, *(_turned(before[one], turned) for one, turned in self.steps[node])]
                for chain in self.chains[node]:
                    product = _turned(before[chain[0][0]], chain[0][1])
                    for one, turned in chain[1:]:
                        other = _turned(before[one], turned)
                        left -= int(np.diff(other.indptr)[product.indices].sum())
                        if left < 0:
                            return self._with(rounds, complete=False)
                        product = product @ other
                    parts.append(product)
                whole = parts[0]
                for part in parts[1:]:
                    whole = whole + part
                after[node] = whole
            if all(after[node].nnz == before[node].nnz for node in after):
                return self._with(rounds, complete=True)
            rounds.append(after)

    def _with(self, rounds: Sequence[dict[int, Any]], *, complete: bool) -> Compositions:
        return replace(self, rounds=tuple(rounds), complete=complete)

    def pairs(self) -> tuple[Tensor, Tensor]:
        """Heads and tails of all facts of the property, known or not: int64 [N] each."""
        if not self.rounds:
            none = torch.zeros(0, dtype=torch.int64)
            return none, none
        found = self.rounds[-1][self.node].tocoo()
        return torch.from_numpy(found.row.astype(np.int64)), torch.from_numpy(found.col.astype(np.int64))

    def because(self, head: int, tail: int) -> tuple[Fact, ...]:
        """Known facts, as (head, relation, tail) ids, that one triple follows from; none where it does not follow."""
        if not self.rounds or not self.rounds[-1][self.node][head, tail]:
            return ()
        return tuple(dict.fromkeys(self._grounds(self.node, head, tail)))

    def _grounds(self, node: int, head: int, tail: int) -> Iterator[Fact]:
        assert self.steps is not None
        assert self.chains is not None
        assert self.ids is not None
        assert self.facts is not None
        first = next(number for number, one in enumerate(self.rounds) if one[node][head, tail])
        if not first:
            facts = ((head, number, tail) for number in self.ids[node])
            yield next(fact for fact in facts if bool((self.facts == torch.tensor(fact)).all(dim=1).any()))
            return
        before = self.rounds[first - 1]
        for one, turned in self.steps[node]:
            ends = (tail, head) if turned else (head, tail)
            if before[one][ends]:
                yield from self._grounds(one, *ends)
                return
        for chain in self.chains[node]:
            stops = _stops([_turned(before[one], turned) for one, turned in chain], head, tail)
            if stops:
                for (one, turned), start, end in zip(chain, stops, stops[1:], strict=False):
                    yield from self._grounds(one, *((end, start) if turned else (start, end)))
                return


def _chains(schema: ClassGraph) -> dict[int, tuple[tuple[Link, ...], ...]]:
    """Property to the chains that make it, transitive properties being chains of themselves."""
    found: dict[int, list[tuple[Link, ...]]] = {}
    for whole, chains in schema.provenance.get("chains", {}).items():
        node = schema.node_index.get(whole, -1)
        for chain in chains:
            links = tuple((schema.node_index.get(link.removeprefix("^"), -1), link.startswith("^")) for link in chain)
            if node >= 0 and all(one >= 0 for one, _ in links):
                found.setdefault(node, []).append(links)
    transitive = int(schema.align([_OWL + "TransitiveProperty"]).indices[0])
    for node, kinds in objects_of(schema, _TYPE).items():
        if transitive in kinds:
            found.setdefault(node, []).append(((node, False), (node, False)))
    return {node: tuple(dict.fromkeys(chains)) for node, chains in found.items()}


def _leading_to(node: int, steps: dict[int, set[Link]], chains: dict[int, tuple[tuple[Link, ...], ...]]) -> set[int]:
    """The property and all whose facts may become facts of it."""
    found, waiting = {node}, [node]
    while waiting:
        one = waiting.pop()
        for other, _ in (*steps.get(one, ()), *(link for chain in chains.get(one, ()) for link in chain)):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _matrix(facts: Tensor, relations: Sequence[int], entities: int) -> Any:
    from scipy.sparse import csr_array

    mine = facts[torch.isin(facts[:, 1], torch.tensor(relations, dtype=torch.int64))].numpy()
    made = csr_array((np.ones(len(mine), bool), (mine[:, 0], mine[:, 2])), shape=(entities, entities))
    made.sum_duplicates()
    return made


def _turned(matrix: Any, turned: bool) -> Any:
    return matrix.T.tocsr() if turned else matrix


def _stops(links: Sequence[Any], head: int, tail: int) -> list[int]:
    """Entities on a way along the links from head to tail, both among them; none where there is no way."""
    reached = [np.array([head])]
    for link in links[:-1]:
        reached.append(np.unique(link[reached[-1]].indices))
        if not len(reached[-1]):
            return []
    way = [tail]
    for link, here in zip(reversed(links), reversed(reached), strict=True):
        back = here[np.asarray(link[here][:, [way[0]]].todense()).ravel()]
        if not len(back):
            return []
        way.insert(0, int(back[0]))
    return way
