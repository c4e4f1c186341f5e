"""Classification in EL++ by completion rules (Baader, Brandt, Lutz: Pushing the EL envelope, IJCAI 2005, table 2)."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from kgzsl.errors import InputError
from kgzsl.knowledge.normal_forms import NormalForms
from kgzsl.knowledge.reasoners.taxonomy import Inferred, direct_subsumptions
from kgzsl.knowledge.texts import local_name
from kgzsl.knowledge.triples import Triples

__all__ = ["ELClassification", "classify", "infer"]

_TOP, _BOTTOM = 0, 1
_STEPS = 20_000


@dataclass(frozen=True)
class ELClassification:
    """What the completion rules found.

    Args:
        subsumers: For each name, all names above it, itself and owl:Thing included.
        unsatisfiable: Names that nothing can be (owl:Nothing itself apart).
        consistent: Whether the ontology has a model: neither owl:Thing nor an individual is unsatisfiable.
        facts: How many subsumptions and links were derived.
    """

    subsumers: tuple[frozenset[int], ...]
    unsatisfiable: tuple[int, ...]
    consistent: bool
    facts: int


def classify(forms: NormalForms, *, max_facts: int = 50_000_000, max_seconds: float = 600.0) -> ELClassification:
    """All subsumptions between the names of an ontology that follow from its part in EL++.

    Sound for the whole ontology, complete for EL++ but for one rule: that two names which both are the same
    individual share what is above them, since nominals are treated like classes.

    Args:
        forms: The ontology.
        max_facts: Most subsumptions and links that may be derived.
        max_seconds: Most seconds that it may take.

    Raises:
        InputError: A budget was exceeded.
    """
    return _Completion(forms, max_facts, max_seconds).run()


def infer(triples: Triples, *, max_facts: int, max_seconds: float) -> Inferred:
    """Direct subclasses, equivalences and types of the named things of an ontology.

    Raises:
        InputError: The ontology is inconsistent, or a budget was exceeded.
    """
    forms = NormalForms.from_triples(triples)
    found = classify(forms, max_facts=max_facts, max_seconds=max_seconds)
    names, kinds = forms.names, forms.kinds.tolist()
    if not found.consistent:
        who = next((names[one] for one in found.unsatisfiable if kinds[one] == 1), "owl:Thing")
        raise InputError(
            f"the ontology is inconsistent (EL): {local_name(who)} can be nothing, so everything follows",
            remedy="look at what is said of it (disjoint classes, owl:Nothing), or leave reasoning out",
        )
    empty = set(found.unsatisfiable)
    real = [one for one in range(2, len(names)) if kinds[one] == 0 and one not in empty]
    inside = set(real)
    above = {one: inside.intersection(found.subsumers[one]) for one in real}
    direct, equivalent = direct_subsumptions(above)
    types = []
    for one in range(2, len(names)):
        if kinds[one] == 1:
            over = inside.intersection(found.subsumers[one])
            # The most special: not above another one unless that is above it too.
            types += [
                (names[one], names[kind])
                for kind in sorted(over)
                if not any(kind in above[other] and other not in above[kind] for other in over)
            ]
    return Inferred(
        subclasses=[(names[low], names[high]) for low, high in direct],
        equivalents=[(names[one], names[other]) for one, other in equivalent],
        types=types,
        unsatisfiable=[names[one] for one in found.unsatisfiable if kinds[one] == 0],
    )


class _Completion:
    """The rules, driven by a stack of facts that are new: (C, D) for C ⊑ D and (C, r, D) for C ⊑ ∃r.D."""

    def __init__(self, forms: NormalForms, max_facts: int, max_seconds: float) -> None:
        count = len(forms.names)
        self.kinds = forms.kinds
        self.above: list[set[int]] = [set() for _ in range(count)]
        self.successors: list[dict[int, set[int]]] = [{} for _ in range(count)]
        self.predecessors: list[dict[int, set[int]]] = [{} for _ in range(count)]
        self.stack: list[tuple[int, ...]] = []
        self.facts = 0
        self.max_facts = max_facts
        self.max_seconds = max_seconds
        self.started = time.monotonic()
        self._index(forms)

    def _index(self, forms: NormalForms) -> None:
        self.up: dict[int, list[int]] = defaultdict(list)
        self.both: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
        self.exists: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.from_some: dict[tuple[int, int], list[int]] = defaultdict(list)
        for c, d in forms.gci0.tolist():
            self.up[c].append(d)
        for (c,) in forms.gci0_bot.tolist():
            self.up[c].append(_BOTTOM)
        triples = forms.gci1.tolist() + [[c, d, _BOTTOM] for c, d in forms.gci1_bot.tolist()]
        for c, d, e in triples:
            self.both[c][d].append(e)
            if c != d:
                self.both[d][c].append(e)
        for c, r, d in forms.gci2.tolist():
            self.exists[c].append((r, d))
        for r, c, d in forms.gci3.tolist() + [[r, c, _BOTTOM] for r, c in forms.gci3_bot.tolist()]:
            self.from_some[r, c].append(d)
        self.first: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self.second: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for r, s, t in forms.role_chain.tolist():
            self.first[r].append((s, t))
            self.second[s].append((r, t))
        self.supers = _closure(len(forms.relations), forms.role_inclusion)

    def run(self) -> ELClassification:
        for name in range(len(self.above)):
            self._subsume(name, name)
            self._subsume(name, _TOP)
        steps = 0
        while self.stack:
            fact = self.stack.pop()
            if len(fact) == 2:
                self._new_subsumer(*fact)
            else:
                self._new_link(*fact)
            steps += 1
            if not steps % _STEPS:
                self._check_budget()
        self._check_budget()
        empty = tuple(n for n, above in enumerate(self.above) if _BOTTOM in above and n != _BOTTOM)
        consistent = not any(name == _TOP or self.kinds[name] == 1 for name in empty)
        return ELClassification(tuple(map(frozenset, self.above)), empty, consistent, self.facts)

    def _check_budget(self) -> None:
        if self.facts > self.max_facts:
            raise InputError(
                f"EL reasoning derives more than {self.max_facts:,} facts",
                remedy="raise max_added=, use reasoning='rdfs', or leave reasoning out",
            )
        if time.monotonic() - self.started > self.max_seconds:
            raise InputError(
                f"reasoning el took longer than {self.max_seconds:g} seconds",
                remedy="raise max_seconds=, use reasoning='rdfs', or leave reasoning out",
            )

    def _subsume(self, name: int, above: int) -> None:
        if above not in self.above[name]:
            self.above[name].add(above)
            self.facts += 1
            self.stack.append((name, above))

    def _link(self, name: int, role: int, target: int) -> None:
        for wider in self.supers[role]:
            known = self.successors[name].setdefault(wider, set())
            if target not in known:
                known.add(target)
                self.predecessors[target].setdefault(wider, set()).add(name)
                self.facts += 1
                self.stack.append((name, wider, target))

    def _new_subsumer(self, name: int, above: int) -> None:
        for further in self.up.get(above, ()):
            self._subsume(name, further)
        pairs = self.both.get(above)
        if pairs:
            here = self.above[name]
            for other in [one for one in pairs if one in here] if len(pairs) < len(here) else here & pairs.keys():
                for further in pairs[other]:
                    self._subsume(name, further)
        for role, target in self.exists.get(above, ()):
            self._link(name, role, target)
        for role, sources in self.predecessors[name].items():
            if above == _BOTTOM:
                for source in list(sources):
                    self._subsume(source, _BOTTOM)
            for further in self.from_some.get((role, above), ()):
                for source in list(sources):
                    self._subsume(source, further)

    def _new_link(self, name: int, role: int, target: int) -> None:
        for above in list(self.above[target]):
            for further in self.from_some.get((role, above), ()):
                self._subsume(name, further)
        if _BOTTOM in self.above[target]:
            self._subsume(name, _BOTTOM)
        for following, whole in self.first.get(role, ()):
            for end in list(self.successors[target].get(following, ())):
                self._link(name, whole, end)
        for before, whole in self.second.get(role, ()):
            for start in list(self.predecessors[name].get(before, ())):
                self._link(start, whole, target)


def _closure(count: int, inclusions: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> list[tuple[int, ...]]:
    """Each relation with all that lie above it."""
    parents: dict[int, list[int]] = defaultdict(list)
    for lower, upper in inclusions.tolist():
        parents[lower].append(upper)
    found = []
    for role in range(count):
        seen = {role}
        waiting = [role]
        while waiting:
            for upper in parents[waiting.pop()]:
                if upper not in seen:
                    seen.add(upper)
                    waiting.append(upper)
        found.append(tuple(seen))
    return found
