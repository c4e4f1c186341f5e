"""From triples of names to a ``KGSplit`` with id maps, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from kgzsl.datasets._tensors import distinct
from kgzsl.datasets.kg_split import KGSplit
from kgzsl.errors import InputError, nearest

__all__ = ["Triple", "split_from_names"]

Triple = tuple[str, str, str]


def split_from_names(
    train: Iterable[Sequence[str]],
    valid: Iterable[Sequence[str]] = (),
    test: Iterable[Sequence[str]] = (),
    *,
    support: Iterable[Sequence[str]] = (),
    entities: Sequence[str] = (),
    relations: Sequence[str] = (),
    unseen_relations: Sequence[str] | None = None,
    valid_relations: Sequence[str] | None = None,
    candidates: Mapping[str, Sequence[str]] | None = None,
    name: str = "kg",
    notes: Sequence[str] = (),
    graph_source: str | None = None,
    source: str | None = None,
) -> KGSplit:
    """Number entities and relations, and split triples of names.

    Ids follow ``entities``/``relations`` where given, then first appearance in train, valid, test, support.

    Args:
        train: (head, relation, tail) names.
        valid: The same, for selection.
        test: The same, for the final score.
        support: Graph given only at test time.
        entities: Names in the order of their ids; more may follow from the triples.
        relations: Names in the order of their ids; more may follow from the triples.
        unseen_relations: Names; by default those of ``test`` that are not in ``train``.
        valid_relations: Names; by default those of ``valid`` that are neither in ``train`` nor unseen.
        candidates: Relation name to entity names that answers are ranked among; unknown names are counted in the notes.
        name: What the data set is called.
        notes: Remarks to keep.
        graph_source: Path of the schema that belongs to the data.
        source: File or folder, for messages.

    Raises:
        InputError: No training triple, an unseen relation in training, or an unknown relation name.
    """
    entity_ids = _numbered(entities, "entities", source)
    relation_ids = _numbered(relations, "relations", source)

    def encode(triples: Iterable[Sequence[str]]) -> Tensor:
        flat: list[int] = []
        for head, relation, tail in triples:
            flat.append(entity_ids.setdefault(head, len(entity_ids)))
            flat.append(relation_ids.setdefault(relation, len(relation_ids)))
            flat.append(entity_ids.setdefault(tail, len(entity_ids)))
        return torch.tensor(flat, dtype=torch.int64).reshape(-1, 3)

    parts: dict[str, Any] = {
        "train": encode(train),
        "valid": encode(valid),
        "test": encode(test),
        "support": encode(support),
    }
    if not len(parts["train"]):
        raise InputError("there is no training triple", file=source or name, place="train", remedy="give some")
    remarks = [*notes, *_remarks(parts), *_idle(parts, entity_ids, relation_ids)]
    relation_lists: dict[str, Any] = {}
    for key, names in (("unseen_relations", unseen_relations), ("valid_relations", valid_relations)):
        if names is not None:
            relation_lists[key] = _ids_of(names, relation_ids, key, source or name)
    encoded = None
    if candidates is not None:
        strange: list[str] = []
        encoded, unknown = {}, 0
        for relation, members in candidates.items():
            if relation not in relation_ids:
                strange.append(relation)
                continue
            ids = [entity_ids[member] for member in members if member in entity_ids]
            unknown += len(members) - len(ids)
            encoded[relation_ids[relation]] = torch.tensor(ids, dtype=torch.int64)
        if unknown:
            remarks.append(f"{unknown} candidate entries name entities that occur in no triple; they were left out")
        if strange:
            remarks.append(f"candidates are listed for {_some(strange)}, which no triple uses; they were left out")
        remarks += _candidate_remarks(encoded, parts["test"], list(relation_ids))
    return KGSplit(
        entities=tuple(entity_ids),
        relations=tuple(relation_ids),
        **parts,
        **relation_lists,
        candidates=encoded,
        graph_source=graph_source,
        name=name,
        notes=tuple(remarks),
        source=source,
    )


def _numbered(names: Sequence[str], what: str, source: str | None) -> dict[str, int]:
    ids = {item: i for i, item in enumerate(names)}
    if len(ids) != len(names):
        twice = next(item for i, item in enumerate(names) if item in names[:i])
        raise InputError(f"{twice!r} is listed more than once", file=source, place=what, remedy="list each name once")
    return ids


def _ids_of(names: Sequence[str], ids: Mapping[str, int], key: str, source: str) -> Tensor:
    for item in names:
        if item not in ids:
            close = nearest(item, ids)
            raise InputError(
                f"no relation is called {item!r}",
                file=source,
                place=key,
                remedy=f"did you mean {' or '.join(map(repr, close))}?" if close else "see the relations of the data",
            )
    return torch.tensor([ids[item] for item in names], dtype=torch.int64)


def _candidate_remarks(candidates: Mapping[int, Tensor], test: Tensor, relations: Sequence[str]) -> list[str]:
    """Test relations without candidates, and true answers that are none."""
    remarks = []
    tested = distinct(test[:, 1]).tolist()
    without = [relations[relation] for relation in tested if relation not in candidates]
    if without:
        remarks.append(f"no candidates are listed for {_some(without)}: all entities are candidates there")
    lacking = {}
    for relation in tested:
        if relation in candidates:
            tails = test[test[:, 1] == relation, 2]
            missing = int((~torch.isin(tails, candidates[relation])).sum())
            if missing:
                lacking[relations[relation]] = missing
    if lacking:
        told = _some([f"{name} ({count})" for name, count in lacking.items()])
        remarks.append(
            f"the true tail of {sum(lacking.values())} test triples is not among the candidates of its relation; it is "
            f"ranked all the same: {told}"
        )
    return remarks


def _idle(parts: Mapping[str, Tensor], entity_ids: Mapping[str, int], relation_ids: Mapping[str, int]) -> list[str]:
    """Names of the id lists that no triple uses: they are candidates nevertheless, about which nothing is known."""
    together = torch.cat(list(parts.values()))
    remarks = []
    for what, names, columns in (("entities", entity_ids, (0, 2)), ("relations", relation_ids, (1,))):
        used = torch.zeros(len(names), dtype=torch.bool)
        used[together[:, columns].flatten()] = True
        if not bool(used.all()):
            idle = [name for name, here in zip(names, used.tolist(), strict=True) if not here]
            more = "; they stay candidates that nothing is known about" if what == "entities" else ""
            remarks.append(f"{len(idle)} {what} are listed and occur in no triple{more}: {_some(idle)}")
    return remarks


def _some(names: Sequence[str], most: int = 5) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def _remarks(parts: Mapping[str, Tensor]) -> list[str]:
    """Repeated triples within and across the splits, and entities that training never shows."""
    remarks = []
    once: dict[str, Tensor] = {}
    for key, triples in parts.items():
        once[key] = distinct(triples, dim=0) if len(triples) else triples
        repeated = len(triples) - len(once[key])
        if repeated:
            remarks.append(f"{repeated} of {len(triples)} {key} triples are repetitions within {key}; they are kept")
    keys = list(once)
    for i, one in enumerate(keys):
        for other in keys[i + 1 :]:
            both = torch.cat([once[one], once[other]])
            shared = len(both) - len(distinct(both, dim=0)) if len(both) else 0
            if shared:
                remarks.append(f"{shared} triples of {other} are in {one} too; they are kept")
    trained = distinct(parts["train"][:, (0, 2)])
    for key in ("valid", "test"):
        ends = parts[key][:, (0, 2)]
        strange = ~torch.isin(ends, trained)
        if bool(strange.any()):
            count = int(strange.any(dim=1).sum())
            names = len(distinct(ends[strange]))
            remarks.append(f"{count} of {len(ends)} {key} triples use {names} entities that are in no training triple")
    if len(parts["support"]):
        given = torch.cat([trained, parts["support"][:, (0, 2)].flatten()])
        for key in ("valid", "test"):
            ends = parts[key][:, (0, 2)]
            strange = ~torch.isin(ends, given)
            if bool(strange.any()):
                remarks.append(
                    f"{int(strange.any(dim=1).sum())} of {len(ends)} {key} triples use {len(distinct(ends[strange]))} "
                    "entities that are neither in training nor in the graph given at test time"
                )
    return remarks
