"""Proposed triples with their confidence, those that the schema speaks against refused and counted, and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion._ranks import best_of_rows
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.proposing import ProposingCompleter
from kgzsl.tasks.kg_completion.reasons import Reasons, reasons
from kgzsl.tasks.kg_completion.ruled_out import RuledOut
from kgzsl.tasks.kg_completion.silences import silences
from kgzsl.tasks.kg_completion.violations import Violations, in_domain_by_use

__all__ = ["Proposal", "Proposals", "propose"]

_WRONG = {
    "disjoint": "as a class of it is disjoint with what the schema asks for",
    "domain": "which is outside the domain",
    "range": "which is outside the range",
}


@dataclass(frozen=True)
class Proposal:
    """One triple that may hold.

    Args:
        head: Name.
        relation: Name.
        tail: Name.
        confidence: Calibrated probability, 0..1; None where the ranker has no calibration.
        score: The ranker's score.
        reasons: What lies behind it, where that was asked for.
    """

    head: str
    relation: str
    tail: str
    confidence: float | None
    score: float
    reasons: Reasons | None = None


@dataclass(frozen=True)
class Proposals:
    """Proposals, best first, and what was left out.

    Args:
        found: The proposals.
        refused: Reason (``"range"``, ``"domain"``, ``"disjoint"``, and ``"contradiction"``: a known fact of a relation
            that the schema holds to be disjoint with this one, or one that a functional, inverse functional, asymmetric
            or irreflexive property cannot have it beside) to how many candidates were refused for it that
            would otherwise have been proposed: that rank above the last proposal of their given end (where no end is
            given: above the last of the best answers of their head), or all where too few are left. A given end that
            the schema speaks against counts as one.
        unsure: How many of the best candidates were below the least confidence.
        known: How many candidates that rank as high as those are facts already.
        notes: What a reader must know.
    """

    found: tuple[Proposal, ...]
    refused: dict[str, int]
    unsure: int = 0
    known: int = 0
    notes: tuple[str, ...] = field(default_factory=tuple)

    def to_dict(self) -> dict[str, Any]:
        """JSON-able."""
        told = [
            {**{k: v for k, v in vars(one).items() if k != "reasons"}}
            | ({} if one.reasons is None else {"reasons": one.reasons.to_dict()})
            for one in self.found
        ]
        counts = {"refused": self.refused, "unsure": self.unsure, "known": self.known}
        return {"proposals": told, **counts, "notes": list(self.notes)}


def propose(
    model: ProposingCompleter,
    relation: str,
    *,
    heads: Sequence[str] | None = None,
    tails: Sequence[str] | None = None,
    top: int = 20,
    min_confidence: float = 0.0,
    schema: ClassGraph | None = None,
    keep_violations: bool = False,
    why: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Proposals:
    """The best triples of a relation that are no facts yet and that the schema does not speak against.

    Those that follow from known facts by what the schema says about properties (:class:`Entailed`) come first, with
    confidence 1 where there are confidences. Of equal answers the one whose name comes first does.

    Args:
        model: A fitted one; without calibration its proposals have no confidence.
        relation: Its name; it has to have a prior.
        heads: Tails are proposed for these, for each once; for the heads that the schema allows where neither end is
            given.
        tails: Heads are proposed for these; give one of the two ends.
        top: How many for each given end, or in all where none is given.
        min_confidence: Proposals below are left out.
        schema: For disjointness, for domains and ranges that the model was not told, for what follows from known facts,
            and for the axioms in explanations.
        keep_violations: Propose what the schema speaks against, too (it is counted all the same).
        why: Explain each proposal.
        progress: Called with (done, all) given ends.

    Raises:
        InputError: An unknown name, both ends given, a confidence outside 0..1, or one that is asked of a model without
            calibration.
    """
    if heads is not None and tails is not None:
        raise InputError("both heads and tails are given", remedy="give one end: the other is what is proposed")
    if not 0 <= min_confidence <= 1:
        raise InputError(f"the least confidence is {min_confidence}", remedy="give a number from 0 to 1")
    if top < 1:
        raise InputError(f"top is {top}", remedy="give 1 or more")
    number = model._relation(relation)
    calibrated = bool(model.calibrations_for(number))
    if min_confidence and not calibrated:
        wanted = ", or train it with calibrate: true" if getattr(model, "calibrate", None) is False else ""
        raise InputError(
            f"this model has no calibration for {model.relations_[number]}: {model.confidence_notes(number)[0]}",
            remedy=f"leave the least confidence out{wanted}",
        )
    relation = model.relations_[number]
    side = "tail" if tails is None else "head"
    rules = Violations.read(model.kinds_, model.relations_, schema)
    against = rules.against(number, side)
    other = "head" if side == "tail" else "tail"
    refused, strange_ends = rules.wrong(number, side), rules.wrong(number, other)
    said = Properties.read(schema, model.relations_)
    entailed = Entailed.read(number, said, model._known, len(model.entities_))
    apart = RuledOut.read(model, number, said)
    names, ranks = model.entities_, model.name_ranks
    whole = heads is None and tails is None
    notes = model.confidence_notes(number)
    if not entailed.composed.complete:
        notes.append(
            "property chains lead to more than could be followed: not all that follows by them is proposed as such"
        )
    if schema is not None and not model.kinds_.told:
        notes.append("no entity's class is known: domain, range and disjointness refuse nothing")
    if whole:
        domain = rules.kinds.allowed(number, "head")
        if domain is not None and bool(domain[model.kinds_.of].any()):
            # Every head is asked as if it had an answer; so only those are asked that the domain speaks for.
            bad = strange_ends | ~domain[model.kinds_.of]
        else:
            # Nothing is known of kinds: what the heads of facts are follows from the domains of their relations.
            used = in_domain_by_use(number, model._known, len(model.entities_), model.relations_, schema)
            bad = strange_ends | ~used if bool(used.any()) else strange_ends
        # And those that have one.
        bad = bad & (strange_ends | ~entailed.heads())
        anchors = torch.nonzero(~bad).flatten()
        notes.append(f"{len(anchors)} heads were asked, {int(bad.sum())} are not in the domain")
        if calibrated:
            notes.append("a confidence is that of the answer, given that its head has one that is not known")
    else:
        given = heads if heads is not None else tails
        assert given is not None
        anchors = torch.tensor(list(dict.fromkeys(model._entity(name) for name in given)), dtype=torch.int64)
    counts = dict.fromkeys(against, 0)
    if not whole:
        for name, mask in rules.against(number, other).items():
            strange = anchors[mask[anchors]]
            if not len(strange):
                continue
            counts[name] = counts.get(name, 0) + len(strange)
            named = some_names([model.entities_[entity] for entity in strange.tolist()])
            end = "head" if side == "tail" else "tail"
            what = "kept all the same" if keep_violations else "nothing is proposed there"
            notes.append(f"of the wrong kind for a {end} of {relation}, {_WRONG[name]}: {named}; {what}")
            if not keep_violations:
                anchors = anchors[~mask[anchors]]
    known = 0
    found: list[_Found] = []
    if not len(anchors):
        return Proposals((), counts, notes=tuple(notes))
    if calibrated:
        notes += _taken(model, number, anchors, side)
    notes += silences(model, relation, anchors if not whole else anchors[:0], schema)
    asked = 0
    for some in model.parts(anchors):
        scores = model.scores(number, some, side=side).cpu()
        facts = model.known_answers(number, some, side)
        contradicted = apart.answers(some, side)
        barred = refused if contradicted is None else refused | contradicted
        allowed = torch.ones_like(scores, dtype=torch.bool) if keep_violations else ~barred.expand(scores.shape)
        # Of all answers, whichever are shown.
        confidence = model.calibration_of(scores, number, some, side) if calibrated else scores
        certain = entailed.answers(some, side) & ~facts & ~barred & ~strange_ends[some][:, None]
        if calibrated:
            confidence = confidence.masked_fill(certain, 1.0)
            if contradicted is not None:
                confidence = confidence.masked_fill(contradicted, 0.0)
        order = scores if entailed.empty else _raised(scores, certain)
        best = order.masked_fill(~(allowed & ~facts), float("-inf"))
        values, places = best_of_rows(best, top, ranks)
        kept = torch.isfinite(values)
        # With fewer than were asked for, whatever was refused would have been proposed.
        enough = kept.sum(dim=1) == top
        above = order >= torch.where(enough, values[:, -1], float("-inf"))[:, None]
        known += int((above & facts).sum())
        for name, mask in against.items():
            counts[name] += int((above & mask & ~facts).sum())
        if contradicted is not None:
            counts["contradiction"] = counts.get("contradiction", 0) + int(
                (above & contradicted & ~refused & ~facts).sum()
            )
        told = [table.gather(1, places)[kept].tolist() for table in (certain, confidence, scores)]
        ends = some[torch.nonzero(kept)[:, 0]]
        found += map(_Found, *told, ends.tolist(), places[kept].tolist())
        if whole:
            # By confidence, which heads are compared by, and not by scores, which they are not.
            found = sorted(found, key=lambda one: (*(-x for x in one[:3]), names[one.anchor], names[one.entity]))[:top]
        asked += len(some)
        if progress is not None:
            progress(asked, len(anchors))
    unsure = sum(one.confidence < min_confidence for one in found) if calibrated else 0
    found = [one for one in found if not calibrated or one.confidence >= min_confidence]
    follow = sum(one.certain for one in found)
    if follow:
        placed = "have confidence 1" if calibrated else "come first"
        notes.append(f"{follow} follow from known facts by the schema, and {placed}")
    proposals, likeness = [], model.likeness(number) if why and found else None
    for one in found:
        head, tail = (one.anchor, one.entity) if side == "tail" else (one.entity, one.anchor)
        because = None
        if why:
            because = reasons(model, number, head, tail, schema=schema, entailed=entailed, likeness=likeness)
        chance = one.confidence if calibrated else None
        proposals.append(Proposal(names[head], relation, names[tail], chance, one.score, because))
    return Proposals(tuple(proposals), counts, unsure, known, tuple(notes))


class _Found(NamedTuple):
    """An answer that may be proposed; without calibration its score stands for its confidence."""

    certain: bool
    confidence: float
    score: float
    anchor: int
    entity: int


def _taken(model: ProposingCompleter, relation: int, anchors: Tensor, side: str) -> list[str]:
    """What is to be known about given ends that have an answer already: how often there is one more."""
    given, end = (0, "tail") if side == "tail" else (2, "head")
    ends, often = torch.unique(model._known[model._known[:, 1] == relation, given], return_counts=True)
    taken = anchors[torch.isin(anchors, ends)]
    if not len(taken):
        return []
    who = f"{len(taken):,} of those asked have"
    if len(taken) <= 3:
        who = f"{some_names([model.entities_[one] for one in taken.tolist()])} {'has' if len(taken) == 1 else 'have'}"
    several = f"of {len(ends):,} that have one {int((often > 1).sum()):,} have more"
    told = f"a {end} of {model.relations_[relation]} already ({several})"
    return [f"{who} {told}: a confidence there is that of one more, given that there is one"]


def _raised(scores: Tensor, certain: Tensor) -> Tensor:
    """Scores [Q, E] with those of what is certain above all others of their row, in their order."""
    finite = torch.isfinite(scores)
    low = scores.masked_fill(~finite, float("inf")).amin(dim=1, keepdim=True).nan_to_num(posinf=0)
    high = scores.masked_fill(~finite, float("-inf")).amax(dim=1, keepdim=True).nan_to_num(neginf=0)
    return torch.where(certain, scores.clamp(min=low) + (high - low + 1), scores)
