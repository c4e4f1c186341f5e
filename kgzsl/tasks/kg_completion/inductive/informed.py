"""ULTRA, informed: its scores beside what ontology, texts and names say, weighed on a training graph."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor

from kgzsl.engine import load_tree
from kgzsl.errors import InputError
from kgzsl.tasks.kg_completion._model_folder import ABOUT, TENSORS, read_description, write_model
from kgzsl.tasks.kg_completion.evidence.facts import ENTITY, PAIR, FactEvidence
from kgzsl.tasks.kg_completion.inductive.asking import Asked, put_aside, put_relations_aside
from kgzsl.tasks.kg_completion.inductive.calibrations import Answered
from kgzsl.tasks.kg_completion.inductive.evaluation import InductiveModel
from kgzsl.tasks.kg_completion.inductive.fact_graph import FactGraph
from kgzsl.tasks.kg_completion.inductive.surroundings import Surroundings
from kgzsl.tasks.kg_completion.inductive.ultra import Ultra
from kgzsl.tasks.kg_completion.inductive.weighing import weigh
from kgzsl.tasks.ranking import rows_under_budget

__all__ = ["InformedUltra"]

FORMAT = "kgzsl.informed_ultra/2"
COLUMNS = ("ultra", *ENTITY, *PAIR)
_CHECKED = 0.1
"""The share of the facts of the graph that is asked that may be put aside: made sparser, it is less like itself."""
_FEWEST = 20
"""Queries below which they say nothing about the weights."""
_FOLDS = 4
"""Of relations that are put aside whole, for probabilities: each is scored by weights that the other folds gave."""
_BARE = 0.03
"""Penalty of the weights for relations without facts, chosen on relations of NL-0's inference graph that lost them."""
_PULL = 2.0
"""Penalty of weights that leave those of the training graph, on few queries of the graph that is asked."""


class InformedUltra:
    """A weighted sum of ULTRA's score and of evidence, the weights learned on a graph that is not the one of the test.

    ULTRA reads facts alone. Here the score of an answer is ``w_0 ultra + w . evidence``, where the evidence
    (:class:`FactEvidence`) is by the similarity of relations in schema and text: which kinds of entities the schema and
    akin relations have at that end, links by akin relations, how alike names are. The weights minimise the cross
    entropy of true answers on facts of the *training* graph that were put aside. Whether they hold for the graph that
    is asked is checked on facts that are given there, see :meth:`adapt`.

    Of a relation without facts ULTRA can tell nothing, and of one with a few little. So a second set of weights is
    learned on relations of the training graph that lost all of their facts. A relation with n facts in the graph that
    is asked has ``1 / (1 + n)`` of the second weights, and the rest of the first.

    Args:
        ultra: :class:`Ultra` with its weights, or what scores as it does.
        share: Of the training graph's facts to put aside and ask for.
        queries: At most so many of them.
        others: Entities drawn beside each true answer.
        penalty: Weight of the squared length of the standardised weights. The training graph alone asks for less than
            another graph bears: the default was chosen on validation triples of the inference graphs of InGram NL-0,
            NL-75 and NL-100.
        check_queries: Facts that are given of the graph that is asked of which :meth:`adapt` puts aside at most so
            many; 0 leaves the weights as the training graph has them.
        bare_queries: At most so many facts of the relations that are put aside whole are asked for; 0 learns no second
            weights.
        seed: Decides which facts are put aside.

    Attributes:
        weights_: Of the columns, each on one scale.
        bare_: Those for relations without facts; None without any.
        trained_: Those that the training graph alone gave.
        trust_: How far these hold for the graph that is asked: 1, or less after :meth:`adapt`.
        loss_: The objective on the training graph.
        bare_answered_: The relations that were put aside, each scored by weights that were learned on the others of
            them; no part of what is saved.
    """

    def __init__(
        self,
        ultra: InductiveModel,
        *,
        share: float = 0.25,
        queries: int = 300,
        others: int = 500,
        penalty: float = 0.4,
        check_queries: int = 150,
        bare_queries: int = 150,
        seed: int = 0,
    ) -> None:
        if not 0 < share < 1:
            raise InputError(f"share is {share}", remedy="give a number between 0 and 1")
        if check_queries < 0:
            raise InputError(f"check_queries is {check_queries}", remedy="give 0, which checks nothing, or more")
        if bare_queries < 0:
            raise InputError(
                f"bare_queries is {bare_queries}", remedy="give 0, which learns one set of weights, or more"
            )
        self.ultra, self.share, self.queries, self.others = ultra, share, queries, others
        self.penalty, self.check_queries, self.bare_queries, self.seed = penalty, check_queries, bare_queries, seed
        self.bare_answered_: Answered | None = None
        self._around: Surroundings | None = None
        # The graph that was asked last, as ULTRA reads it, and its evidence.
        self._evidence: tuple[FactGraph, FactGraph, tuple[FactEvidence, FactEvidence]] | None = None

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
        table = self._table(asked, around)
        flat = table.reshape(-1, table.shape[-1])
        self.mean, self.scale = flat.mean(dim=0), flat.std(dim=0).clamp(min=1e-3)
        table.sub_(self.mean).div_(self.scale)
        found = weigh(table, asked.wrong, penalty=_held(self.penalty))
        self.trained_ = self.weights_ = found.weights.float()
        self.loss_, self.trust_ = found.loss, 1.0
        self.bare_answered_ = None
        self.bare_ = self._fit_bare(triples, around) if self.bare_queries else None
        return self

    def _fit_bare(self, triples: Tensor, around: Surroundings) -> Tensor | None:
        asked = put_relations_aside(
            triples,
            around.entities,
            around.relations,
            share=self.share,
            queries=self.bare_queries,
            others=self.others,
            seed=self.seed,
        )
        if len(asked) < _FEWEST:
            return None
        table = self._table(asked, around).sub_(self.mean).div_(self.scale)
        self.bare_answered_ = asked, _cross_fitted(table, asked)
        return weigh(table, asked.wrong, penalty=_held(_BARE)).weights.float()

    def adapt(self, triples: Tensor, around: Surroundings) -> Self:
        """Check on the facts of the graph that will be asked whether the weights hold there, and mend them if not.

        Some facts are put aside, of those without which all entities hang together as before, and asked for. Two
        numbers, for ULTRA's part of the score and for the evidence's, are fitted to the answers. Where the evidence
        counts for as much beside ULTRA as on the training graph, or more, the weights stay. Where its part is only t of
        that, t < 1, they become ``t w + (1 - t) v``: v are weights fitted to the same answers, pulled towards w. Only
        facts that may be read are used. This way was chosen on validation triples of InGram's inference graphs.

        Args:
            triples: int64 [T, 3], the facts that are given.
            around: The graph's entities and relations; :meth:`about` is called with it.

        Raises:
            InputError: It is not fitted.
        """
        self._check_fitted()
        self.about(around)
        self.weights_, self.trust_ = self.trained_, 1.0
        if not self.check_queries:
            return self
        asked = put_aside(
            triples,
            around.entities,
            around.relations,
            share=_CHECKED,
            queries=self.check_queries,
            others=self.others,
            seed=self.seed,
            spare_only=True,
        )
        if len(asked) < _FEWEST:
            return self
        table = self._table(asked, around).sub_(self.mean).div_(self.scale)
        parts = torch.stack([table[..., 0] * self.trained_[0], table[..., 1:] @ self.trained_[1:]], dim=-1)
        ultra, evidence = weigh(parts, asked.wrong, penalty=torch.zeros(2)).weights.tolist()
        # Where ULTRA tells nothing, there is nothing to hold the evidence against.
        self.trust_ = min(1.0, max(0.0, evidence / ultra)) if ultra > 0 and self.trained_[0] > 0 else 1.0
        if self.trust_ < 1:
            own = weigh(table, asked.wrong, penalty=_held(_PULL), centre=self.trained_).weights.float()
            self.weights_ = torch.lerp(own, self.trained_, self.trust_)
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
        self._check_fitted()
        if self._around is None or len(self._around.entities) != graph.num_entities:
            raise InputError("nothing is said about this graph's entities", remedy="call about(Surroundings(...))")
        found = torch.empty(len(heads), graph.num_entities)
        facts = torch.bincount(graph.triples[:, 1], minlength=graph.num_relations)
        # The columns, and one copy of them; a budget that fits a processor's cache would be too small for both.
        chunk = rows_under_budget(graph.num_entities, bytes_each=8 * len(COLUMNS), budget=32 * budget)
        for rows in torch.split(torch.arange(len(heads)), min(64, chunk)):
            table = self._columns(graph, heads[rows], relations[rows], self._around, budget)
            table.sub_(self.mean).div_(self.scale)
            found[rows] = table @ self.weights_
            if self.bare_ is not None:
                known = facts[relations[rows] % graph.num_relations]
                found[rows] += (table @ (self.bare_ - self.weights_)) / (1 + known[:, None])
        return found

    def _check_fitted(self) -> None:
        if not hasattr(self, "weights_"):
            raise InputError("the weights are not fitted yet", remedy="call fit(triples, around) on a training graph")

    def _table(self, asked: Asked, around: Surroundings) -> Tensor:
        """Columns of the answers that were drawn: float [Q, 1 + M, columns]."""
        self.about(around)
        parts = []
        for rows in torch.split(torch.arange(len(asked)), 32):
            columns = self._columns(asked.graph, asked.subject[rows], asked.relation[rows], around)
            parts.append(columns.gather(1, asked.answers[rows, :, None].expand(-1, -1, len(COLUMNS))))
        return torch.cat(parts)

    @torch.no_grad()
    def _columns(
        self, graph: FactGraph, subject: Tensor, relation: Tensor, around: Surroundings, budget: int = 6 << 20
    ) -> Tensor:
        """All columns of every answer: float [Q, N, columns]."""
        if self._evidence is None or self._evidence[0] is not graph:
            met = graph.with_meetings(dict(around.meetings)) if around.meetings else graph
            self._evidence = (graph, met, around.evidence(graph.triples))
        table = torch.empty(len(subject), graph.num_entities, len(COLUMNS))
        table[..., 0] = self.ultra.score(self._evidence[1], subject, relation, budget=budget)
        for directed in torch.unique(relation).tolist():
            rows = torch.nonzero(relation == directed).flatten()
            turned, number = divmod(directed, graph.num_relations)
            evidence = self._evidence[2][turned]
            table[rows, :, 1 : 1 + len(ENTITY)] = evidence.of_entities(number)
            for place, column in enumerate(evidence.of_pairs(number, subject[rows]), start=1 + len(ENTITY)):
                table[rows, :, place] = column
        return table

    def weights(self, *, bare: bool = False) -> dict[str, float]:
        """Name of each column to its weight, all columns on the same scale; ``bare``: for relations without facts."""
        found = self.bare_ if bare and self.bare_ is not None else self.weights_
        return dict(zip(COLUMNS, found.tolist(), strict=True))

    def get_params(self) -> dict[str, Any]:
        """The options of the constructor, but for ULTRA itself."""
        names = ("share", "queries", "others", "penalty", "check_queries", "bare_queries", "seed")
        return {name: getattr(self, name) for name in names}

    def state_dict(self) -> dict[str, Any]:
        """What :meth:`fit` and :meth:`adapt` learned, and ULTRA's weights.

        Raises:
            InputError: It is not fitted, or what scores is no :class:`Ultra`.
        """
        self._check_fitted()
        if not isinstance(self.ultra, Ultra):
            raise InputError(f"a {type(self.ultra).__name__} cannot be saved", remedy="give an Ultra")
        fitted = {
            "weights": self.weights_,
            "trained": self.trained_,
            "bare": self.bare_,
            "mean": self.mean,
            "scale": self.scale,
            "loss": self.loss_,
            "trust": self.trust_,
        }
        return {"ultra": {"options": self.ultra.get_params(), "weights": self.ultra.state_dict()}, **fitted}

    def load_state_dict(self, state: dict[str, Any]) -> Self:
        """Take over what :meth:`state_dict` gave."""
        self.ultra = Ultra.from_params(state["ultra"]["options"])
        self.ultra.load_state_dict(state["ultra"]["weights"])
        self.weights_, self.trained_, self.mean, self.scale, self.loss_, self.trust_, self.bare_ = (
            state[name] for name in ("weights", "trained", "mean", "scale", "loss", "trust", "bare")
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


def _held(penalty: float) -> Tensor:
    """The penalty of each column's weight; ULTRA's is free."""
    return torch.tensor([0.0, *[penalty] * (len(COLUMNS) - 1)])


def _cross_fitted(table: Tensor, asked: Asked) -> Tensor:
    """Scores [Q, 1 + M] of relations that were put aside, by weights that were learned on those of other folds."""
    scores = torch.zeros(table.shape[:2])
    relation = asked.relation % asked.graph.num_relations
    # They come in an order that was drawn by names, whatever their numbers are.
    order = list(dict.fromkeys(relation.tolist()))
    fold = torch.tensor([order.index(number) % _FOLDS for number in relation.tolist()])
    for number in torch.unique(fold).tolist():
        mine = fold == number
        if bool((~mine).any()):
            weights = weigh(table[~mine], asked.wrong[~mine], penalty=_held(_BARE)).weights
            scores[mine] = table[mine] @ weights.float()
    return scores
