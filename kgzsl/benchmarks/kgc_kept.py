"""What cells of the table of completion have in common, worked out once, and rules that train nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kgzsl._files import atomic_file

if TYPE_CHECKING:
    from torch import Tensor

    from kgzsl.knowledge import ClassPriors
    from kgzsl.tasks.kg_completion.evaluation import Scorer
    from kgzsl.tasks.kg_completion.inductive import FactGraph, InductiveTask, Rmpi

__all__ = ["KeptScores", "ScorerModel", "kept_priors", "kept_rmpi", "overlap_model", "popularity_model"]


class KeptScores:
    """A model of inductive completion whose scores are kept, for those who ask the same queries of the same graph.

    Args:
        model: What scores; it must be the same whenever the same folder is given.
        folder: Where scores are kept from process to process; None keeps them in memory.
    """

    def __init__(self, model: Any, folder: str | None = None) -> None:
        self.model, self.folder = model, folder
        self._kept: dict[str, Tensor] = {}
        self._graph: tuple[Any, str] | None = None

    def score(self, graph: Any, heads: Tensor, relations: Tensor, *, budget: int = 6 << 20) -> Tensor:
        """As :meth:`kgzsl.tasks.kg_completion.inductive.Ultra.score`."""
        import torch

        if self._graph is None or self._graph[0] is not graph:
            self._graph = (graph, _digest(graph.triples, torch.tensor([graph.num_entities, graph.num_relations])))
        key = _digest(heads, relations) + self._graph[1]
        if self.folder is None:
            if key not in self._kept:
                self._kept[key] = self.model.score(graph, heads, relations, budget=budget)
            return self._kept[key]
        file = Path(self.folder) / f"{key}.npy"
        if not file.exists():
            found: Tensor = self.model.score(graph, heads, relations, budget=budget)
            with atomic_file(file) as temporary, temporary.open("wb") as out:
                np.save(out, found.numpy(), allow_pickle=False)
        return torch.from_numpy(np.load(file, allow_pickle=False))


def kept_priors(folder: str | None, told: Any, make: Callable[[], ClassPriors]) -> ClassPriors:
    """What ``make`` makes, read from ``folder`` where the same was made before.

    Args:
        folder: None keeps nothing.
        told: All that decides what is made, JSON-able.
        make: Makes it.
    """
    from kgzsl.knowledge import ClassPriors

    if folder is None:
        return make()
    file = Path(folder) / f"{hashlib.sha256(json.dumps(told).encode()).hexdigest()}.safetensors"
    if not file.exists():
        make().save(file)
    return ClassPriors.load(file)


def kept_rmpi(folder: str | None, model: Rmpi, training: InductiveTask, priors: ClassPriors | None) -> Rmpi:
    """RMPI as ``model.fit`` makes it, read from ``folder`` where it learned the same before.

    What decides it are the training graph's facts and relations, their priors and the options. Priors of further
    relations, which differ from data set to data set, teach nothing. Call ``about`` before it is asked.

    Args:
        folder: None keeps nothing.
        model: Not fitted.
        training: The graph to learn on.
        priors: Of its relations, and others.
    """
    from kgzsl.engine import load_tree, save_tree

    relations = list(training.relations)
    own = None if priors is None else priors.align(relations).to_tensor()
    digest = _digest(training.facts, *([] if own is None else [own]))
    told = [model.get_params(), len(training.entities), relations, own is None, digest]
    key = hashlib.sha256(json.dumps(told).encode()).hexdigest()
    file = None if folder is None else Path(folder) / f"rmpi.{key}.safetensors"
    if file is not None and file.exists():
        return model.load_state_dict(load_tree(file), priors)
    model.fit(training.facts, len(training.entities), training.relations, priors=priors)
    if file is not None:
        save_tree(file, model.state_dict())
    return model


class ScorerModel:
    """A training-free rule as an inductive model.

    Args:
        make: From a graph to the rule's scorer.
    """

    def __init__(self, make: Callable[[FactGraph], Scorer]) -> None:
        self.make = make
        self._made: tuple[FactGraph, Scorer] | None = None

    def score(self, graph: FactGraph, heads: Tensor, relations: Tensor, *, budget: int = 0) -> Tensor:  # noqa: ARG002
        """As :meth:`kgzsl.tasks.kg_completion.inductive.Ultra.score`; ``budget`` is not used."""
        import torch

        if self._made is None or self._made[0] is not graph:
            self._made = (graph, self.make(graph))
        found = torch.empty(len(heads), graph.num_entities)
        for directed in torch.unique(relations).tolist():
            rows = relations == directed
            turned, number = divmod(directed, graph.num_relations)
            found[rows] = self._made[1](number, heads[rows], "head" if turned else "tail")
        return found


def overlap_model(priors: Tensor) -> ScorerModel:
    """Link overlap: a pair is as good as the facts that link it, each by how alike its relation is.

    Args:
        priors: float [R, P], of the relations of the graph that is asked.
    """
    from kgzsl.tasks.kg_completion.link_overlap import overlap_scorer

    return ScorerModel(lambda graph: overlap_scorer(graph.triples, graph.num_entities, priors))


def popularity_model() -> ScorerModel:
    """Popularity: an entity is as good as it often is at that end of the relation's facts."""
    from kgzsl.tasks.kg_completion.ordinary.controls import popularity

    return ScorerModel(lambda graph: popularity(graph.triples, graph.num_entities))


def _digest(*tensors: Tensor) -> str:
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()[:32]
