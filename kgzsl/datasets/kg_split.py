"""A knowledge graph whose triples are split so that some relations are never in training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kgzsl.datasets._tensors import distinct
from kgzsl.datasets.filter_index import FilterIndex
from kgzsl.errors import InputError, nearest

__all__ = ["KGSplit"]

_TRIPLES = ("train", "valid", "test")
_RELATIONS = ("seen_relations", "unseen_relations", "valid_relations")


@dataclass(frozen=True, eq=False)
class KGSplit:
    """Entities, relations, and triples for training, selection and test.

    Args:
        entities: Names of the E entities, all different; the position is the id.
        relations: Names of the R relations, all different; the position is the id.
        train: int64 [T, 3], (head, relation, tail) ids.
        valid: int64 [V, 3].
        test: int64 [S, 3].
        seen_relations: int64, sorted: relations that training may use. Left out: those of ``train``.
        unseen_relations: int64, sorted: relations to be completed without a training triple. Left out: those of
            ``test`` that are not in ``train``.
        valid_relations: int64, sorted: relations held out of ``train`` for model selection; neither seen nor unseen.
            Left out: those of ``valid`` that are in neither.
        candidates: Relation id to the sorted entity ids that answers are ranked among; None where the data names none.
        graph_source: Path of the schema or ontology that belongs to the data, if one does.
        name: What the data set is called.
        notes: What a reader wants to know: repeated triples, unknown entities, what was left out.
        support: int64 [G, 3]: graph given only at test time (inductive data); may use unseen relations. Empty
            elsewhere.
        source: The file or folder it came from, for messages.
        types: Entity name to the names of its classes, where the data tell them apart from the graph.

    Raises:
        InputError: Ids out of range, names given twice, or a training triple of an unseen relation.
    """

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    train: Tensor
    valid: Tensor
    test: Tensor
    seen_relations: Tensor = None  # type: ignore[assignment]  # __post_init__ fills it in
    unseen_relations: Tensor = None  # type: ignore[assignment]  # __post_init__ fills it in
    valid_relations: Tensor = None  # type: ignore[assignment]  # __post_init__ fills it in
    candidates: Mapping[int, Tensor] | None = None
    graph_source: str | None = None
    name: str = "kg"
    notes: tuple[str, ...] = ()
    support: Tensor = field(default_factory=lambda: torch.zeros(0, 3, dtype=torch.int64))
    source: str | None = None
    types: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__
        set_field(self, "entities", tuple(self.entities))
        set_field(self, "relations", tuple(self.relations))
        set_field(self, "notes", tuple(self.notes))
        for name in (*_TRIPLES, "support"):
            set_field(self, name, self._checked_triples(name))
        for name, names in (("entities", self.entities), ("relations", self.relations)):
            if len(set(names)) != len(names):
                twice = next(item for i, item in enumerate(names) if item in names[:i])
                raise self._fail(f"{twice!r} is listed more than once", name, "give each one its own name")
        self._fill_in_relations()
        if self.candidates is not None:
            set_field(self, "candidates", {int(r): distinct(ids.to(torch.int64)) for r, ids in self.candidates.items()})
            self._check_candidates()

    @classmethod
    def from_tsv(cls, folder: str | PathLike[str], **options: Any) -> KGSplit:
        """Read train, valid and test files; see :func:`kgzsl.datasets.kg_tsv.read_tsv_folder`."""
        from kgzsl.datasets.kg_tsv import read_tsv_folder

        return read_tsv_folder(folder, **options)

    @classmethod
    def from_tasks_json(cls, folder: str | PathLike[str], **options: Any) -> KGSplit:
        """Read the NELL-ZS layout; see :func:`kgzsl.datasets.kg_tasks.read_tasks_folder`."""
        from kgzsl.datasets.kg_tasks import read_tasks_folder

        return read_tasks_folder(folder, **options)

    @classmethod
    def from_rdf(cls, path: str | PathLike[str], unseen_relations: Sequence[str], **options: Any) -> KGSplit:
        """Hold relations of an RDF file out; see :func:`kgzsl.datasets.kg_rdf.read_rdf`."""
        from kgzsl.datasets.kg_rdf import read_rdf

        return read_rdf(path, unseen_relations, **options)

    @classmethod
    def from_names(
        cls,
        train: Sequence[tuple[str, str, str]],
        valid: Sequence[tuple[str, str, str]],
        test: Sequence[tuple[str, str, str]],
        **options: Any,
    ) -> KGSplit:
        """From triples of names; see :func:`kgzsl.datasets.kg_names.split_from_names`."""
        from kgzsl.datasets.kg_names import split_from_names

        return split_from_names(train, valid, test, **options)

    @property
    def num_entities(self) -> int:
        """How many entities."""
        return len(self.entities)

    @property
    def num_relations(self) -> int:
        """How many relations."""
        return len(self.relations)

    @cached_property
    def entity_ids(self) -> Mapping[str, int]:
        """Name to id."""
        return {name: i for i, name in enumerate(self.entities)}

    @cached_property
    def relation_ids(self) -> Mapping[str, int]:
        """Name to id."""
        return {name: i for i, name in enumerate(self.relations)}

    @cached_property
    def filter(self) -> FilterIndex:
        """Every known triple (train, valid, test and support), for filtered ranking; built once."""
        known = torch.cat([self.train, self.valid, self.test, self.support])
        return FilterIndex(known, self.num_entities, self.num_relations)

    def entity(self, name: str) -> int:
        """The id of an entity; InputError with the nearest names where there is none."""
        return self._id(name, self.entity_ids, "entity")

    def relation(self, name: str) -> int:
        """The id of a relation; InputError with the nearest names where there is none."""
        return self._id(name, self.relation_ids, "relation")

    def names_of(self, relations: Tensor) -> list[str]:
        """The names of relation ids."""
        return [self.relations[i] for i in relations.tolist()]

    def to(self, device: torch.device | str) -> KGSplit:
        """The same data with every tensor on ``device``."""
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in (*_TRIPLES, *_RELATIONS, "support")}
        if self.candidates is not None:
            moved["candidates"] = {relation: ids.to(device) for relation, ids in self.candidates.items()}
        return replace(self, **moved)

    def in_name_order(self) -> KGSplit:
        """The same data numbered by name; see :func:`kgzsl.datasets.kg_order.in_name_order`."""
        from kgzsl.datasets.kg_order import in_name_order

        return in_name_order(self)

    def with_candidates(self, candidates: Mapping[int, Tensor] | None) -> KGSplit:
        """The same data, ranked among other candidates."""
        return replace(self, candidates=candidates)

    def with_validation_relations(self, names: Sequence[str]) -> KGSplit:
        """The same data with other relations held out for selection.

        Triples of train and valid together are dealt out anew: those of ``names`` become ``valid``, the others
        ``train``. The test triples and the unseen relations stay as they are.

        Raises:
            InputError: A name is unknown, is an unseen relation, or nothing would be left to train on.
        """
        held_out = torch.tensor(sorted({self.relation(name) for name in names}), dtype=torch.int64)
        held_out = held_out.to(self.train.device)
        clash = held_out[torch.isin(held_out, self.unseen_relations)]
        if len(clash):
            raise self._fail(
                f"{self.relations[int(clash[0])]!r} is an unseen relation: selection may not look at it",
                "validation relations",
                "choose among the seen relations",
            )
        known = torch.cat([self.train, self.valid])
        is_valid = torch.isin(known[:, 1], held_out)
        is_unseen = torch.isin(known[:, 1], self.unseen_relations)
        train = known[~is_valid & ~is_unseen]
        if not len(train):
            raise self._fail("no training triple would be left", "validation relations", "hold fewer relations out")
        return replace(
            self,
            train=train,
            valid=known[is_valid],
            seen_relations=distinct(train[:, 1]),
            valid_relations=held_out,
            notes=(*self.notes, f"{len(held_out)} seen relations held out for validation"),
        )

    def validation_split(self, seed: int = 0, count: int | None = None) -> KGSplit:
        """A smaller problem made of training and validation triples alone, for model selection.

        Its "unseen" relations are the held-out seen ones: ``valid_relations`` where there are some, else ``count`` seen
        relations drawn with ``seed`` (a fifth of them by default). It holds no test triple and no unseen relation.
        """
        source = self
        if not len(self.valid_relations):
            number = count or max(1, len(self.seen_relations) // 5)
            drawn = np.random.default_rng(seed).choice(self.seen_relations.cpu().numpy(), size=number, replace=False)
            source = self.with_validation_relations([self.relations[i] for i in sorted(drawn.tolist())])
        held_out = source.valid[torch.isin(source.valid[:, 1], source.valid_relations)]
        kept = distinct(torch.cat([source.seen_relations, source.valid_relations]))
        relation_map = torch.full((self.num_relations,), -1, dtype=torch.int64, device=kept.device)
        relation_map[kept] = torch.arange(len(kept), device=kept.device)

        def renumbered(triples: Tensor) -> Tensor:
            return torch.stack([triples[:, 0], relation_map[triples[:, 1]], triples[:, 2]], dim=1)

        candidates = None
        if source.candidates is not None:
            keep = set(kept.tolist())
            candidates = {int(relation_map[r]): ids for r, ids in source.candidates.items() if r in keep}
        return KGSplit(
            entities=self.entities,
            relations=tuple(self.names_of(kept)),
            train=renumbered(source.train),
            valid=held_out.new_zeros(0, 3),
            test=renumbered(held_out),
            seen_relations=relation_map[source.seen_relations],
            unseen_relations=relation_map[source.valid_relations],
            candidates=candidates,
            graph_source=self.graph_source,
            name=f"{self.name} (validation)",
            source=self.source,
            types=self.types,
        )

    def _id(self, name: str, ids: Mapping[str, int], what: str) -> int:
        if name not in ids:
            close = nearest(name, ids)
            hint = f"did you mean {' or '.join(map(repr, close))}?" if close else f"there are {len(ids)} of them"
            raise InputError(f"no {what} of {self.name!r} is called {name!r}", file=self.source, remedy=hint)
        return ids[name]

    def _fail(self, problem: str, place: str, remedy: str) -> InputError:
        return InputError(problem, file=self.source or f"data set {self.name!r}", place=place, remedy=remedy)

    def _checked_triples(self, name: str) -> Tensor:
        triples = torch.as_tensor(getattr(self, name)).to(torch.int64)
        if triples.numel() == 0:
            return triples.reshape(0, 3)
        if triples.ndim != 2 or triples.shape[1] != 3:
            raise self._fail(f"the shape is {tuple(triples.shape)}", name, "give (head, relation, tail) rows, [T, 3]")
        for column, size, what in (
            (0, self.num_entities, "head"),
            (1, self.num_relations, "relation"),
            (2, self.num_entities, "tail"),
        ):
            ids = triples[:, column]
            outside = torch.nonzero((ids < 0) | (ids >= size)).flatten()
            if len(outside):
                row = int(outside[0])
                raise self._fail(
                    f"the {what} id {int(ids[row])} is out of range: there are {size}",
                    f"{name}, row {row}",
                    "check the id maps",
                )
        return triples

    def _fill_in_relations(self) -> None:
        used = {name: distinct(getattr(self, name)[:, 1]) for name in _TRIPLES}

        def without(ids: Tensor, *others: Tensor) -> Tensor:
            return ids[~torch.isin(ids, torch.cat(others))]

        def settle(name: str, found: Tensor) -> Tensor:
            given = getattr(self, name)
            ids = found if given is None else distinct(torch.as_tensor(given, device=found.device).to(torch.int64))
            if len(ids) and (int(ids.min()) < 0 or int(ids.max()) >= self.num_relations):
                raise self._fail(
                    f"{ids.tolist()} are not all ids of the {self.num_relations} relations", name, "use ids"
                )
            object.__setattr__(self, name, ids)
            return ids

        seen = settle("seen_relations", used["train"])
        unseen = settle("unseen_relations", without(used["test"], seen))
        settle("valid_relations", without(used["valid"], seen, unseen))
        for one, other in (("seen", "unseen"), ("seen", "valid"), ("unseen", "valid")):
            ids = getattr(self, f"{one}_relations")
            shared = ids[torch.isin(ids, getattr(self, f"{other}_relations"))]
            if len(shared):
                raise self._fail(
                    f"the relation {self.relations[int(shared[0])]!r} is in {one}_relations and in {other}_relations",
                    f"{one}_relations",
                    "put each relation on one side",
                )
        for name in ("unseen_relations", "valid_relations"):
            leaked = torch.nonzero(torch.isin(self.train[:, 1], getattr(self, name))).flatten()
            if len(leaked):
                row = int(leaked[0])
                what = "unseen" if name == "unseen_relations" else "validation"
                raise self._fail(
                    f"{len(leaked)} training triple(s) are of {what} relations, the first of "
                    f"{self.relations[int(self.train[row, 1])]!r}",
                    f"train, row {row}",
                    "take them out of training, or do not list the relation as held out",
                )

    def _check_candidates(self) -> None:
        for relation, ids in (self.candidates or {}).items():
            if not 0 <= relation < self.num_relations:
                raise self._fail(f"{relation} is no relation id", "candidates", "key candidates by relation id")
            if len(ids) and (int(ids[0]) < 0 or int(ids[-1]) >= self.num_entities):
                raise self._fail(
                    f"candidates of {self.relations[relation]!r} hold ids outside 0 .. {self.num_entities - 1}",
                    "candidates",
                    "use entity ids",
                )

    def __repr__(self) -> str:
        return (
            f"KGSplit({self.name!r}, {self.num_entities} entities, relations: {len(self.seen_relations)} seen, "
            f"{len(self.valid_relations)} validation, {len(self.unseen_relations)} unseen, "
            f"triples: {len(self.train)} train, {len(self.valid)} valid, {len(self.test)} test)"
        )
