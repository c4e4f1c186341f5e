"""Why a class has the vector it has: the axioms that moved it most, and the classes next to it with what links them."""

from __future__ import annotations

import copy
import warnings
from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.class_priors import ClassPriors
from kgzsl.knowledge.operations import come_anew, without_edge
from kgzsl.priors.base import PriorEncoder, PriorWarning
from kgzsl.priors.combination.auto import Auto
from kgzsl.priors.triples.encoder import TripleEncoder
from kgzsl.priors.triples.growing import fit_rows
from kgzsl.priors.triples.model import TripleModel

__all__ = ["Influence", "Neighbour", "linking_path", "moving_axioms", "nearest_classes"]

Link = tuple[str, str, str]


@dataclass(frozen=True)
class Influence:
    """What an axiom does to a class's vector.

    Args:
        axiom: Subject, relation, object (IRIs).
        moved: Distance between the vectors with it and without it, over the length with it.
    """

    axiom: Link
    moved: float


@dataclass(frozen=True)
class Neighbour:
    """A class near by.

    Args:
        name: Its name.
        similarity: Cosine of the two vectors.
        path: The shortest chain of axioms from the class to it; empty where none leads there.
    """

    name: str
    similarity: float
    path: tuple[Link, ...]


def moving_axioms(
    encoder: PriorEncoder, name: str, *, top: int = 5, most: int = 200, steps: int = 100
) -> list[Influence]:
    """The axioms at a class that its vector depends on most, by leaving each of them out.

    Triple embeddings fit the class's vector anew with and without the axiom, all else held fast. Other encoders that
    train are not trained again either: the class is taken out of the graph and joins them, as by their ``add_class``,
    with the axiom and without it. Encoders in closed form read the graph without it.

    Args:
        encoder: Fitted.
        name: The class.
        top: How many to give, the strongest first.
        most: Most axioms that are tried.
        steps: Of the fit of triple embeddings.

    Raises:
        InputError: Not fitted, or a class that the graph lacks.
    """
    if encoder.graph is None:
        raise InputError(f"{type(encoder).__name__} is not fitted yet", remedy="call fit(graph) first")
    while isinstance(encoder, Auto):  # its choice stands: only the chosen encoder reads the graph without the axiom
        encoder = encoder.encoder_
    graph = encoder.graph
    assert graph is not None
    node = int(graph.align([name]).require()[0])
    edges = np.flatnonzero((graph.edge_index == node).any(axis=0))[:most]
    if isinstance(encoder, TripleEncoder) and type(encoder.model_) is TripleModel:
        moved = _of_triples(encoder, node, edges, steps)
    elif encoder.in_closed_form():
        moved = _of_others(encoder, name, edges)
    else:
        moved = _of_trained(encoder, node, edges)
    found = [
        Influence(
            (
                graph.iris[graph.edge_index[0, edge]],
                graph.relations[graph.edge_type[edge]],
                graph.iris[graph.edge_index[1, edge]],
            ),
            float(value),
        )
        for edge, value in zip(edges, moved, strict=True)
    ]
    return sorted(found, key=lambda one: (-one.moved, one.axiom))[:top]


def nearest_classes(priors: ClassPriors, graph: ClassGraph, name: str, *, k: int = 5) -> list[Neighbour]:
    """The classes of ``priors`` whose vectors are most like that of ``name``, and how the graph links them.

    Raises:
        InputError: A class without a vector, or that the graph lacks.
    """
    own = priors[name]
    unit = priors.normalised("l2").matrix
    similarity = unit @ (own / max(float(np.linalg.norm(own)), 1e-12))
    order = [row for row in np.argsort(-similarity, kind="stable").tolist() if priors.names[row] != name][:k]
    at = graph.align([name, *(priors.names[row] for row in order)]).require()
    return [
        Neighbour(priors.names[row], float(similarity[row]), linking_path(graph, int(at[0]), int(other)))
        for row, other in zip(order, at[1:], strict=True)
    ]


def linking_path(graph: ClassGraph, start: int, end: int) -> tuple[Link, ...]:
    """The shortest chain of similarity edges between two nodes, either way; empty where there is none.

    Of equally short ones the first in the order of IRIs.
    """
    keep = graph.similarity_edges()
    heads, tails = graph.edge_index[:, keep]
    kinds = graph.edge_type[keep]
    both = np.concatenate([heads, tails]), np.concatenate([tails, heads])
    order = np.argsort(both[0], kind="stable")
    starts = np.searchsorted(both[0][order], np.arange(graph.num_nodes + 1))
    came: dict[int, tuple[int, int]] = {start: (-1, -1)}
    queue = deque([start])
    while queue and end not in came:
        node = queue.popleft()
        places = order[starts[node] : starts[node + 1]].tolist()
        places.sort(key=lambda place: (graph.iris[both[1][place]], graph.relations[kinds[place % len(heads)]]))
        for place in places:
            other = int(both[1][place])
            if other not in came:
                came[other] = (node, place % len(heads))
                queue.append(other)
    if end not in came:
        return ()
    links: list[Link] = []
    node = end
    while node != start:
        node, edge = came[node]
        links.append((graph.iris[heads[edge]], graph.relations[kinds[edge]], graph.iris[tails[edge]]))
    return tuple(reversed(links))


def _of_triples(encoder: TripleEncoder, node: int, edges: npt.NDArray[np.int64], steps: int) -> list[float]:
    graph, triples, model = encoder.graph, encoder.triples_, encoder.model_
    assert graph is not None
    row = int(triples.position[node])
    place = {relation: number for number, relation in enumerate(triples.relations)}
    own = triples.triples[(triples.triples[:, [0, 2]] == row).any(axis=1)]

    def fitted(rows: npt.NDArray[np.int64]) -> torch.Tensor:
        made = copy.deepcopy(model)
        with torch.no_grad():
            made.nodes[row] = model.nodes.mean(dim=0)
        if len(rows):
            generator = torch.Generator(device=made.nodes.device).manual_seed(0)
            chosen = torch.tensor([row], device=made.nodes.device)
            data = torch.from_numpy(rows).to(made.nodes.device)
            fit_rows(made, data, chosen, encoder._options(), steps=steps, generator=generator)
        return made.nodes[row].detach()

    whole = fitted(own)
    moved = []
    for edge in edges:
        kind = place.get(graph.relations[graph.edge_type[edge]])
        head, tail = triples.position[graph.edge_index[:, edge]]
        less = own[~((own == [head, -1 if kind is None else kind, tail]).all(axis=1))]
        moved.append(float((whole - fitted(less)).norm() / whole.norm().clamp_min(1e-12)))
    return moved


def _of_others(encoder: PriorEncoder, name: str, edges: npt.NDArray[np.int64]) -> list[float]:
    graph = encoder.graph
    assert graph is not None
    moved = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PriorWarning)
        whole = encoder.priors([name])
        for edge in edges:
            less = type(encoder)(**encoder.get_params()).fit(without_edge(graph, int(edge))).priors([name])
            moved.append(_distance(whole, less))
    return moved


def _of_trained(encoder: PriorEncoder, node: int, edges: npt.NDArray[np.int64]) -> list[float]:
    assert encoder.graph is not None
    graph = come_anew(encoder.graph, node)

    def joined(with_it: ClassGraph) -> ClassPriors | None:
        made = copy.deepcopy(encoder, {id(encoder.graph): encoder.graph})
        try:
            return made.take_in(with_it).priors([graph.iris[-1]])
        except InputError:  # the last statement of a relation that has weights of its own
            return None

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PriorWarning)
        whole = joined(graph)
        rest = [joined(without_edge(graph, int(edge))) for edge in edges]
    return [float("nan") if whole is None or one is None else _distance(whole, one) for one in rest]


def _distance(one: ClassPriors, other: ClassPriors) -> float:
    """Distance of the only rows of both, over the length of the first; columns that have names are matched by them."""
    a, b = one.matrix[0].astype(np.float64), other.matrix[0].astype(np.float64)
    if one.columns is not None and other.columns is not None:
        table = dict(zip(other.columns, b, strict=True))
        b = np.array([table.get(column, 0.0) for column in one.columns])
    elif a.shape != b.shape:
        return float("nan")
    return float(np.linalg.norm(a - b) / max(float(np.linalg.norm(a)), 1e-12))
