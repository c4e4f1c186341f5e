"""Facts of a property that follow by property chains and transitivity, worked out over all known facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.vocabulary import OWL, RDF_TYPE
from kgzsl.tasks.kg_completion._axioms import Link, chains_of
from kgzsl.tasks.kg_completion._pair_sets import Ints, PairSet, turned_codes

__all__ = ["Compositions", "Fact"]

_MOST = 5_000_000
_ROUNDS = 2_000
_COPIED = 32
"""How many pairs are copied, where a set grows, in the time that a join takes for one."""
Chain = tuple[Link, ...]
Fact = tuple[int, int, int]
"""Ids of head, relation and tail."""


@dataclass
class Compositions:
    """What follows for one property by owl:propertyChainAxiom and owl:TransitiveProperty, and all that leads there.

    Chains and sub-, equivalent, inverse and symmetric properties are followed together, round after round, until
    nothing new comes of them; a round looks only at what joins the news of the one before (semi-naive evaluation).
    Ways along a transitive property are made link by link: what it is but for its being transitive, its *links*, stands
    as a node of its own, so that a pair is not found once for every place that its way could be cut at.

    Args:
        node: The property, as a node of the schema; -1 where no chain leads to it, and then nothing follows.
        steps: Node to what implies it.
        chains: Node to the chains that make it.
        entities: int64 [n], ascending: those that the facts in question have, which pairs are numbered by.
        facts: Node to the known facts of each relation id that is called so.
        pairs: Node to all facts of the property, known or not.
        complete: Whether everything was followed; else what it takes went beyond the budget. What is there holds.
    """

    node: int = -1
    steps: Mapping[int, Set[Link]] = field(default_factory=dict)
    chains: Mapping[int, tuple[Chain, ...]] = field(default_factory=dict)
    entities: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    facts: dict[int, dict[int, PairSet]] = field(default_factory=dict)
    pairs: dict[int, PairSet] = field(default_factory=dict)
    complete: bool = True

    @classmethod
    def read(
        cls,
        node: int,
        nodes: Sequence[int],
        implied: Mapping[int, set[Link]],
        schema: ClassGraph,
        facts: Tensor,
        *,
        most: int = _MOST,
    ) -> Compositions:
        """All that follows for one property.

        Args:
            node: It, as a node of the schema; -1 for none.
            nodes: Of each relation, its node in the schema; -1 where it has none.
            implied: What :func:`properties_implied` says.
            schema: With its chains.
            facts: int64 [T, 3].
            most: Pairs that joins may make in all; 16 bytes each, for a while. Copying counts, too, for its time.
        """
        chains = _chains(schema)
        if node < 0 or not chains:
            return cls()
        steps: dict[int, set[Link]] = {}
        for one, found in implied.items():
            for other, turned in found:
                steps.setdefault(other, set()).add((one, turned))
        needed = _leading_to(node, steps, chains)
        if not needed & chains.keys():
            return cls()
        steps, chains, links = _link_by_link(steps, chains, needed)
        ids = [number for number, one in enumerate(nodes) if one in needed]
        mine = facts[torch.isin(facts[:, 1], torch.tensor(ids, dtype=torch.int64))].numpy()
        entities = np.unique(mine[:, [0, 2]])
        codes = np.searchsorted(entities, mine[:, 0]) * len(entities) + np.searchsorted(entities, mine[:, 2])
        grouped: dict[int, dict[int, PairSet]] = {one: {} for one in needed}
        for number in np.unique(mine[:, 1]).tolist():
            grouped[nodes[number]][number] = PairSet.of(len(entities), codes[mine[:, 1] == number])
        grouped |= {link: grouped[one] for link, one in links.items()}
        pairs = {
            one: PairSet.of(len(entities), np.concatenate([codes[:0], *(some.codes for some in groups.values())]))
            for one, groups in grouped.items()
        }
        made = cls(node, steps, chains, entities, grouped, pairs)
        made._follow(most)
        return made

    def _follow(self, most: int) -> None:
        fresh = {node: pairs.codes for node, pairs in self.pairs.items()}
        left = most
        for number in range(1, _ROUNDS + 1):
            made: dict[int, list[Ints]] = {}
            for node, pairs in self.pairs.items():
                for one, turned in self.steps.get(node, ()):
                    if len(fresh[one]):
                        made.setdefault(node, []).append(_turned(fresh[one], turned, pairs.size))
                for chain in self.chains.get(node, ()):
                    for place, (one, _) in enumerate(chain):
                        if len(fresh[one]):
                            found, cost = self._joined(chain, place, fresh[one], max(0, left))
                            left -= cost
                            self.complete &= found is not None
                            if found is not None:
                                made.setdefault(node, []).append(found)
            fresh = {
                node: pairs.new(np.concatenate(made[node])) if node in made else pairs.codes[:0]
                for node, pairs in self.pairs.items()
            }
            if not any(map(len, fresh.values())):
                return
            for node, codes in fresh.items():
                if len(codes):
                    self.pairs[node] = self.pairs[node].grown(codes, number)
                    left -= len(self.pairs[node]) // _COPIED
        self.complete = False

    def _joined(self, chain: Chain, place: int, codes: Ints, most: int) -> tuple[Ints | None, int]:
        """What a chain makes of new pairs of one of its links, as codes, and how many pairs were made on the way.

        None where that would be more than ``most``.
        """
        size, cost = len(self.entities), 0
        codes = _turned(codes, chain[place][1], size)
        head, tail = codes // size, codes % size
        for step, links in ((1, chain[place + 1 :]), (-1, chain[:place][::-1])):
            for one, turned in links:
                other = self.pairs[one].way(turned if step == 1 else not turned)
                ends = tail if step == 1 else head
                cost += other.count(ends)
                if cost > most:
                    return None, 0
                row, found, _ = other.tails(ends)
                head, tail = (head[row], found) if step == 1 else (found, tail[row])
        return head * size + tail, cost

    def answers(self, anchors: Tensor, side: str, table: Tensor) -> None:
        """Mark what follows for each anchor, int64 [Q], in a table bool [Q, E]."""
        given = anchors.numpy()
        place = np.searchsorted(self.entities, given)
        rows = np.flatnonzero(np.isin(given, self.entities))
        if self.node < 0 or not len(rows):
            return
        row, found, _ = self.pairs[self.node].way(side == "head").tails(place[rows])
        table[torch.from_numpy(rows[row]), torch.from_numpy(self.entities[found])] = True

    def heads(self) -> Tensor:
        """int64 [N], entities of which a triple of the relation follows or is known."""
        return self._ends(tails=False)

    def tails(self) -> Tensor:
        """int64 [N], entities at the other end of these."""
        return self._ends(tails=True)

    def _ends(self, tails: bool) -> Tensor:
        if self.node < 0:
            return torch.zeros(0, dtype=torch.int64)
        codes, size = self.pairs[self.node].codes, max(1, len(self.entities))
        return torch.from_numpy(self.entities[np.unique(codes % size if tails else codes // size)])

    def codes(self, size: int) -> Tensor:
        """int64 [N], ``head * size + tail`` of all triples of the relation that follow or are known."""
        if self.node < 0:
            return torch.zeros(0, dtype=torch.int64)
        pairs, own = self.pairs[self.node].codes, max(1, len(self.entities))
        return torch.from_numpy(self.entities[pairs // own] * size + self.entities[pairs % own])

    def because(self, head: int, tail: int) -> tuple[Fact, ...]:
        """Known facts that one triple follows from, as it was found first; none where it does not follow.

        A triple that is known follows from itself.
        """
        if self.node < 0 or not np.isin([head, tail], self.entities).all():
            return ()
        first, last = np.searchsorted(self.entities, [head, tail]).tolist()
        if self._born(self.node, first, last) < 0:
            return ()
        found: dict[Fact, None] = {}
        done: set[tuple[int, int, int]] = set()
        waiting = [(self.node, first, last)]
        while waiting:
            one = waiting.pop()
            if one not in done:
                done.add(one)
                if self._born(*one):
                    waiting += reversed(self._premises(*one))
                else:
                    found[self._fact(*one)] = None
        return tuple(found)

    def _born(self, node: int, head: int, tail: int) -> int:
        return self.pairs[node].born_in(head, tail)

    def _fact(self, node: int, head: int, tail: int) -> Fact:
        number = next(number for number, known in self.facts[node].items() if known.born_in(head, tail) == 0)
        return int(self.entities[head]), number, int(self.entities[tail])

    def _premises(self, node: int, head: int, tail: int) -> list[tuple[int, int, int]]:
        """Pairs of properties, all of them of earlier rounds, that one pair follows from at once."""
        born = self._born(node, head, tail)
        for one, turned in sorted(self.steps.get(node, ())):
            ends = (tail, head) if turned else (head, tail)
            if 0 <= self._born(one, *ends) < born:
                return [(one, *ends)]
        for chain in self.chains.get(node, ()):
            stops = self._stops(chain, head, tail, born)
            if stops:
                ways = zip(chain, stops, stops[1:], strict=False)
                return [(one, *((end, start) if turned else (start, end))) for (one, turned), start, end in ways]
        raise AssertionError("what is there came from something")

    def _stops(self, chain: Chain, head: int, tail: int, born: int) -> list[int]:
        """Entities on a way along a chain from head to tail, by pairs of earlier rounds; none where there is none."""
        reached = [np.array([head])]
        for one, turned in chain[:-1]:
            _, found, rounds = self.pairs[one].way(turned).tails(reached[-1])
            reached.append(np.unique(found[rounds < born]))
        way = [tail]
        for (one, turned), here in zip(reversed(chain), reversed(reached), strict=True):
            _, found, rounds = self.pairs[one].way(not turned).tails(np.array([way[0]]))
            back = np.intersect1d(found[rounds < born], here)
            if not len(back):
                return []
            way.insert(0, int(back[0]))
        return way


def _link_by_link(
    steps: Mapping[int, set[Link]], chains: Mapping[int, tuple[Chain, ...]], needed: Set[int]
) -> tuple[dict[int, set[Link]], dict[int, tuple[Chain, ...]], dict[int, int]]:
    """Steps and chains in which each transitive property is made of its links.

    Properties that say the same as it (an inverse, an equivalent) say all of its ways, too; what makes links is what
    they have but for that, which is a node of its own.

    Returns:
        Steps; chains; and each new node with the one whose facts it has.
    """
    found, made = dict(steps), dict(chains)
    facts: dict[int, int] = {}
    for node in sorted(needed & chains.keys()):
        itself = (node, False)
        if (itself, itself) not in chains[node]:
            continue
        link = _new_node(node, facts)
        links = set()
        for other, turned in steps.get(node, ()):
            if (node, turned) not in steps.get(other, ()):
                links.add((other, turned))
            elif other == node:
                links.add((link, turned))
            else:
                own = _new_node(other, facts)
                made[own] = _but_itself(other, chains)
                links.add((own, turned))
        found[link], made[link] = links, _but_itself(node, chains)
        found[node], made[node] = {(link, False)}, (((link, False), itself),)
    return found, made, facts


def _new_node(node: int, facts: dict[int, int]) -> int:
    new = -2 - len(facts)
    facts[new] = node
    return new


def _but_itself(node: int, chains: Mapping[int, tuple[Chain, ...]]) -> tuple[Chain, ...]:
    return tuple(chain for chain in chains.get(node, ()) if chain != ((node, False), (node, False)))


def _turned(codes: Ints, turned: bool, size: int) -> Ints:
    return turned_codes(codes, size) if turned else codes


def _chains(schema: ClassGraph) -> dict[int, tuple[Chain, ...]]:
    """Property to the chains that make it, transitive properties being chains of themselves."""
    found = chains_of(schema)
    transitive = schema.node_index.get(OWL + "TransitiveProperty", -1)
    if transitive >= 0 and RDF_TYPE in schema.relations:
        rows = (schema.edge_index[1] == transitive) & (schema.edge_type == schema.relation(RDF_TYPE))
        for node in schema.edge_index[0, rows].tolist():
            found.setdefault(node, []).append(((node, False), (node, False)))
    return {node: tuple(dict.fromkeys(chains)) for node, chains in found.items()}


def _leading_to(node: int, steps: Mapping[int, Set[Link]], chains: Mapping[int, tuple[Chain, ...]]) -> set[int]:
    """The property and all whose facts may become facts of it."""
    found, waiting = {node}, [node]
    while waiting:
        one = waiting.pop()
        for other, _ in (*steps.get(one, ()), *(link for chain in chains.get(one, ()) for link in chain)):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found
