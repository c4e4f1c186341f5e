"""ULTRA, informed: its scores beside what ontology, texts and names say, weighed on a training graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl.engine import load_tree
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.tasks.kg_completion._model_folder import ABOUT, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion._ranks import rank_of_names
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, FactEvidence
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.evidence.names import NameTable
from kgzsl.tasks.kg_completion.inductive.asking import put_aside
from kgzsl.tasks.kg_completion.inductive.evaluation import InductiveModel
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra
from kgzsl.tasks.kg_completion.inductive.weighing import weigh
from kgzsl.tasks.ranking import rows_under_budget

__all__ = ["InformedUltra", "Surroundings"]

FORMAT = "kgzsl.informed_ultra/1"
COLUMNS = ("ultra", *ENTITY, *PAIR)


@dataclass(frozen=True)
class Surroundings:
    """What is known about a graph's entities and relations, besides its facts.

    Args:
        entities: Their names, by id.
        relations: Their names, by id.
        priors: Of all relations: what schema and texts say of them.
        schema: For kinds that domain and range allow; None where there is none.
        use_names: Whether names of entities are evidence.
        kinds: Of the entities, where they are known already; else names and ``schema`` tell them.
    """

    entities: Sequence[str]
    relations: Sequence[str]
    priors: ClassPriors
    schema: ClassGraph | None = None
    use_names: bool = True
    kinds: EntityKinds | None = None

    def evidence(self, triples: Tensor) -> tuple[FactEvidence, FactEvidence]:
        """For tail queries and for head queries of a graph with these facts."""
        kinds = self.kinds or EntityKinds.read(self.entities, self.relations, self.schema)
        names = (NameTable(self.entities), NameTable(self.entities, size=0)) if self.use_names else None
        rows = self.priors.align(list(self.relations)).to_tensor()
        size, rank = len(self.entities), rank_of_names(self.entities)
        tail, head = (
            FactEvidence(triples, size, rows, kinds, names, turned=turned, dim=32, rank=rank)
            for turned in (False, True)
        )
        return tail, head


class InformedUltra:
    """A weighted sum of ULTRA's score and of evidence, the weights learned on a graph that is not the one of the test.

    ULTRA reads facts alone. Here the score of an answer is ``w_0 ultra + w . evidence``, where the evidence
    (:class:`FactEvidence`) is by the similarity of relations in schema and text: which kinds of entities the schema and
    akin relations have at that end, links by akin relations, how alike names are. The weights minimise the cross
    entropy of true answers on facts of the *training* graph that were put aside, and hold for any graph after that.

    Args:
        ultra: :class:`Ultra` with its weights, or what scores as it does.
        share: Of the training graph's facts to put aside and ask for.
        queries: At most so many of them.
        others: Entities drawn beside each true answer.
        penalty: Weight of the squared length of the standardised weights. The training graph alone asks for less than
            another graph bears: the default was chosen on validation triples of the inference graphs of InGram NL-0,
            NL-75 and NL-100.
        seed: Decides which facts are put aside.
    """

    def __init__(
        self,
        ultra: InductiveModel,
        *,
        share: float = 0.25,
        queries: int = 300,
        others: int = 500,
        penalty: float = 0.4,
        seed: int = 0,
    ) -> None:
        if not 0 < share < 1:
            raise InputError(f"share is {share}", remedy="give a number between 0 and 1")
        self.ultra, self.share, self.queries, self.others = ultra, share, queries, others
        self.penalty, self.seed = penalty, seed
        self._around: Surroundings | None = None
        self._evidence: tuple[FactGraph, tuple[FactEvidence, FactEvidence]] | None = None

    def fit(self, triples: Tensor, around: Surroundings) -> Self:
        """Learn the weights on a training graph.

        Args:
            triples: int64 [T, 3], its facts.
            around: Its entities and relations.
        """
        asked = put_aside(
            triples,
            around.entities,
            around.relations,
            share=self.share,
            queries=self.queries,
            others=self.others,
            seed=self.seed,
        )
        self.about(around)
        table = torch.cat(
            [
                self._columns(asked.graph, asked.subject[rows], asked.relation[rows], around).gather(
                    1, asked.answers[rows, :, None].expand(-1, -1, len(COLUMNS))
                )
                for rows in torch.split(torch.arange(len(asked)), 32)
            ]
        )
        flat = table.reshape(-1, table.shape[-1])
        self.mean, self.scale = flat.mean(dim=0), flat.std(dim=0).clamp(min=1e-3)
        table.sub_(self.mean).div_(self.scale)
        held = torch.full((len(COLUMNS),), self.penalty)
        held[0] = 0
        found = weigh(table, asked.wrong, penalty=held)
        self.weights_, self.loss_ = found.weights.float(), found.loss
        return self

    def about(self, around: Surroundings) -> Self:
        """Say what is known about the graph that will be asked next."""
        self._around, self._evidence = around, None
        return self

    @torch.no_grad()
    def score(self, graph: FactGraph, heads: Tensor, relations: Tensor, *, budget: int = 6 << 20) -> Tensor:
        """As :meth:`Ultra.score`: [Q, N] for directed relations.

        Raises:
            InputError: It is not fitted, or not told what the graph is about.
        """
        if not hasattr(self, "weights_"):
            raise InputError("the weights are not fitted yet", remedy="call fit(triples, around) on a training graph")
        if self._around is None or len(self._around.entities) != graph.num_entities:
            raise InputError("nothing is said about this graph's entities", remedy="call about(Surroundings(...))")
        found = torch.empty(len(heads), graph.num_entities)
        # The columns, and one copy of them; a budget that fits a processor's cache would be too small for both.
        chunk = rows_under_budget(graph.num_entities, bytes_each=8 * len(COLUMNS), budget=32 * budget)
        for rows in torch.split(torch.arange(len(heads)), min(64, chunk)):
            table = self._columns(graph, heads[rows], relations[rows], self._around, budget)
            found[rows] = table.sub_(self.mean).div_(self.scale) @ self.weights_
        return found

    @torch.no_grad()
    def _columns(
        self, graph: FactGraph, subject: Tensor, relation: Tensor, around: Surroundings, budget: int = 6 << 20
    ) -> Tensor:
        """All columns of every answer: float [Q, N, columns]."""
        if self._evidence is None or self._evidence[0] is not graph:
            self._evidence = (graph, around.evidence(graph.triples))
        table = torch.empty(len(subject), graph.num_entities, len(COLUMNS))
        table[..., 0] = self.ultra.score(graph, subject, relation, budget=budget)
        for directed in torch.unique(relation).tolist():
            rows = torch.nonzero(relation == directed).flatten()
            turned, number = divmod(directed, graph.num_relations)
            evidence = self._evidence[1][turned]
            table[rows, :, 1 : 1 + len(ENTITY)] = evidence.of_entities(number)
            for place, column in enumerate(evidence.of_pairs(number, subject[rows]), start=1 + len(ENTITY)):
                table[rows, :, place] = column
        return table

    def weights(self) -> dict[str, float]:
        """Name of each column to its weight, all columns on the same scale."""
        return dict(zip(COLUMNS, self.weights_.tolist(), strict=True))

    def get_params(self) -> dict[str, Any]:
        """The options of the constructor, but for ULTRA itself."""
        return {name: getattr(self, name) for name in ("share", "queries", "others", "penalty", "seed")}

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`fit` learned, and ULTRA's weights.

        Raises:
            InputError: It is not fitted, or what scores is no :class:`Ultra`.
        """
        if not hasattr(self, "weights_"):
            raise InputError("the weights are not fitted yet", remedy="call fit(triples, around) on a training graph")
        if not isinstance(self.ultra, Ultra):
            raise InputError(f"a {type(self.ultra).__name__} cannot be saved", remedy="give an Ultra")
        fitted = {"weights": self.weights_, "mean": self.mean, "scale": self.scale, "loss": self.loss_}
        return {"ultra": {"options": self.ultra.get_params(), "weights": self.ultra.state_dict()}, **fitted}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        """Take over what :meth:`state_dict` gave."""
        self.ultra = Ultra.from_params(state["ultra"]["options"])
        self.ultra.load_state_dict(state["ultra"]["weights"])
        self.weights_, self.mean, self.scale, self.loss_ = (
            state[name] for name in ("weights", "mean", "scale", "loss")
        )
        return self

    def save(self, folder: str | PathLike[str]) -> Path:
        """Write ULTRA's weights and those of the evidence into a folder, all or nothing, and return it.

        What is known about the graph that is asked, :meth:`about`, is no part of it.
        """
        folder, state = Path(folder), self.state_dict()
        about = {"format": FORMAT, "options": self.get_params()}
        return write_model(folder, about, state)

    @classmethod
    def load(cls, folder: str | PathLike[str]) -> InformedUltra:
        """Read what :meth:`save` wrote; say what the graph is about before you ask.

        Raises:
            InputError: There is no model, or it is damaged or of another version.
        """
        folder = Path(folder)
        about = read_description(folder / ABOUT, FORMAT, "informed ULTRA")
        try:
            return cls(Ultra(1, 1), **about["options"]).load_state_dict(load_tree(folder / TENSORS))
        except (KeyError, TypeError, RuntimeError) as error:
            raise InputError(f"the model is damaged ({error})", file=folder, remedy="train it again") from error
