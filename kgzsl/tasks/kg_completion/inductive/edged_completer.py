"""What completers over ULTRA have in common: its public weights, and an ontology's edges in its relation graph."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl._options import check_numbers, check_whole
from kgzsl.engine import Engine, History
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.checks import some_names
from kgzsl.tasks.kg_completion.evidence.kinds import Types
from kgzsl.tasks.kg_completion.inductive.adapting import adapt_meetings
from kgzsl.tasks.kg_completion.inductive.completer import InductiveCompleter
from kgzsl.tasks.kg_completion.inductive.fact_graph import MEETINGS, FactGraph
from kgzsl.tasks.kg_completion.inductive.schema_edges import SchemaEdges, kinds_of_edges
from kgzsl.tasks.kg_completion.inductive.tasks import InductiveTask
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra

__all__ = ["WHERE_CHECKPOINTS_ARE", "EdgedCompleter", "no_ontology", "read_ultra"]

WHERE_CHECKPOINTS_ARE = (
    "get ultra_3g.pth from https://github.com/DeepGraphLearning/ULTRA (folder ckpts) and give its path as checkpoint"
)


def read_ultra(checkpoint: str | None, head_queries: str, meetings: tuple[str, ...] = MEETINGS) -> Ultra:
    """The public weights.

    Raises:
        InputError: There are none, with what to do.
    """
    if checkpoint is None:
        raise InputError("there is no checkpoint of ULTRA", remedy=WHERE_CHECKPOINTS_ARE)
    try:
        return Ultra.from_checkpoint(checkpoint, head_queries=head_queries, meetings=meetings)
    except InputError as error:
        raise InputError(error.problem, file=error.file, place=error.place, remedy=WHERE_CHECKPOINTS_ARE) from error


def no_ontology(**where: Any) -> InputError:
    """That there is nothing to take schema edges from; ``where`` is the place in a recipe."""
    remedy = "give one (graph: {source: schema.ttl} in a recipe, schema= in Python), or leave the option out"
    return InputError("schema_edges needs an ontology, and there is none", **where, remedy=remedy)


class EdgedCompleter(InductiveCompleter):
    """A completer over ULTRA. With ``schema_edges`` what an ontology says of relations is read beside how they meet.

    ULTRA's weights know nothing of such edges: a vector for each type is learned on the training graph, all else stays.

    Attributes:
        edges_: Those of the graph that is asked about; none without the option.
    """

    EDGES = ("schema_edges", "steps", "batch_size", "lr")
    """The options that belong to them."""

    checkpoint: str | None
    head_queries: str
    schema_edges: bool | list[str]
    steps: int
    batch_size: int
    lr: float
    edges_: SchemaEdges

    def _check_edges(self) -> None:
        kinds_of_edges(self.schema_edges)
        check_whole(self, "steps", "batch_size")
        check_numbers(self, "lr", zero=False)

    def _read_edges(self, training: InductiveTask, asked: InductiveTask, schema: ClassGraph | None) -> SchemaEdges:
        """Those of the training graph; sets :attr:`edges_`, and notes what they cannot say."""
        kinds = kinds_of_edges(self.schema_edges)
        if kinds and schema is None:
            raise no_ontology()
        if schema is None or not kinds:
            self.edges_ = SchemaEdges()
            return self.edges_
        learned, self.edges_ = (SchemaEdges.read(schema, one.relations, kinds) for one in (training, asked))
        self.notes_ += self.edges_.notes(learned)
        return learned

    def _taught(
        self, training: InductiveTask, edges: SchemaEdges, engine: Engine, facts: Tensor | None = None
    ) -> tuple[Ultra, History]:
        """ULTRA, with vectors for edge types of the ontology, learned on facts of the training graph (all of them)."""
        ultra = read_ultra(self.checkpoint, self.head_queries, (*MEETINGS, *edges.pairs)).to(self.device_)
        if not len(edges):
            return ultra, History()
        history = adapt_meetings(
            ultra,
            training.facts.cpu() if facts is None else facts,
            len(training.entities),
            len(training.relations),
            edges.on(self.device_),
            names=(training.entities, training.relations),
            steps=self.steps,
            batch_size=self.batch_size,
            lr=self.lr,
            budget=self.memory_budget,
            engine=engine,
        )
        return ultra, history

    def _taught_aside(
        self, training: InductiveTask, edges: SchemaEdges, engine: Engine, graphs: Sequence[FactGraph]
    ) -> Ultra:
        """The same, from none of the facts that one of the graphs lacks: they are to be asked for."""
        facts, size = graphs[0].triples.cpu(), (len(training.entities), len(training.relations))
        codes = [((one.triples.cpu() * torch.tensor([size[1] * size[0], size[0], 1])).sum(dim=1)) for one in graphs]
        for other in codes[1:]:
            kept = torch.isin(codes[0], other)
            facts, codes[0] = facts[kept], codes[0][kept]
        folder = None if engine.checkpoint is None else engine.checkpoint.with_name(engine.checkpoint.name + ".aside")
        return self._taught(training, edges, engine.apart(checkpoint=folder, on_log=None), facts)[0]

    def _meetings(self) -> dict[str, Tensor]:
        return self.edges_.on(self.device_)

    def grow(
        self,
        entities: Sequence[str] = (),
        relations: Sequence[str] = (),
        *,
        schema: ClassGraph | None = None,
        was: ClassGraph | None = None,
        types: Types | None = None,
    ) -> list[str]:
        """See :meth:`ProposingCompleter.grow`; what the schema says of relations joins new ones to the others."""
        notes = super().grow(entities, relations, schema=schema, was=was, types=types)
        self.edges_ = self.edges_.grown(self.relations_, schema)
        if self.edges_.pairs and relations:
            lone = [name for name in self.edges_.lone() if name in set(relations)]
            if lone:
                notes.append(
                    f"the ontology joins {some_names(lone)} to no other relation: there are no schema edges of it"
                )
        self.set_facts(self._known)
        return notes

    def take_schema(self, schema: ClassGraph) -> list[str]:
        """See :meth:`ProposingCompleter.take_schema`: the edges are made anew."""
        before, self.edges_ = len(self.edges_), self.edges_.grown(self.relations_, schema)
        self.set_facts(self._known)
        more = len(self.edges_) - before
        return [f"the ontology has {more} more schema edges among relations of the run"] if more else []

    def reading(self, schema: ClassGraph) -> Self:
        """A copy that reads its edges from another ontology; nothing is learned anew."""
        changed = copy.copy(self)
        changed.edges_ = SchemaEdges.read(schema, self.relations_, tuple(self.edges_.pairs))
        return changed.set_facts(self._known)

    def _edges_state(self) -> dict[str, Any]:
        return {"edges": dict(self.edges_.pairs)} if self.edges_.pairs else {}

    def _take_edges(self, state: dict[str, Any]) -> None:
        pairs = state.get("edges", {})
        # Files keep names sorted; the model has its types in an order.
        order = kinds_of_edges(self.schema_edges)
        self.edges_ = SchemaEdges(self.relations_, {name: pairs[name] for name in order}) if pairs else SchemaEdges()
