"""A pair that joins a finished run, found by what a class graph says of its parts."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from kgzsl.classifiers.compositional import pair_name
from kgzsl.classifiers.compositional.reading import KINDS, parts_in_graph
from kgzsl.errors import InputError
from kgzsl.tasks.image_classification._inputs import class_of_pair

if TYPE_CHECKING:
    from kgzsl.knowledge import ClassGraph
    from kgzsl.tasks.image_classification.zero_shot_classifier import ZeroShotClassifier

__all__ = ["pair_of"]

_NAMED = 3


def pair_of(graph: ClassGraph, name: str, spec: Mapping[str, Any] | None, model: ZeroShotClassifier) -> str | None:
    """What the open world of ``model`` calls the class ``name``, by what the graph says of its parts.

    Args:
        graph: Has the class and its two parts.
        name: Its name or IRI.
        spec: ``compositions`` of the recipe; None where classes are no pairs.
        model: The run's.

    Returns:
        None where no relation of the graph tells the parts, or the graph does not have the class.

    Raises:
        InputError: The class has no such parts, or nothing that the model may answer is made of them.
    """
    if not spec or not spec.get("attribute") or not spec.get("object"):
        return None
    aligned = graph.align([name])
    if name in aligned.missing:
        return None
    node = int(aligned.require()[0])
    ways = [parts_in_graph(graph, spec[kind], kind) for kind in KINDS]
    own = [sorted(ends.get(node, ())) for _, ends in ways]
    if any(len(ends) != 1 for ends in own):
        _complain(graph, name, node, spec, ways, own, set(graph.align(model.names_).indices.tolist()))
    called = [(graph.labels[end] or graph.iris[end], graph.iris[end]) for (end,) in own]
    # A part goes by its IRI where its label is that of another part too.
    made_of = [pair_name((left, right)) for left, right in itertools.product(*called)]
    found = [wanted for wanted in made_of if wanted in (model.open_ or ())]
    if found:
        return found[0]
    parts = f"{name!r} is {called[0][0]!r} and {called[1][0]!r}"
    pairs: Mapping[str, list[str]] = model.priors_.made.get("pair_of", {})
    taken = next((one for wanted in made_of if (one := class_of_pair(wanted, pairs)) is not None), None)
    if taken is not None:
        raise InputError(
            f"{parts}, and so is the class {taken!r}", remedy="it is a class already: ask for it by that name"
        )
    for side, (kind, names) in enumerate(zip(KINDS, called, strict=True)):
        # A run of before they were kept has no pairs.
        if pairs and not {pair[side] for pair in pairs.values()} & set(names):
            raise InputError(
                f"{parts}, and no class of the run has the {kind} {names[0]!r}",
                remedy=f"run the recipe again with a class that has it, or give the new class another {kind}",
            )
    raise InputError(
        f"{parts}, which the run's open world does not have",
        remedy="disjointness in the class graph rules it out: mend the graph, and run the recipe again"
        if pairs
        else "it is a class already, is ruled out, or has a part that no class has: run the recipe again",
    )


def _complain(
    graph: ClassGraph,
    name: str,
    node: int,
    spec: Mapping[str, Any],
    ways: list[tuple[str, dict[int, set[int]]]],
    own: list[list[int]],
    classes: Collection[int],
) -> None:
    """Say which parts the class lacks, or has several of, and how to tell them: by parts that ``classes`` have."""
    wrong, told = [], []
    for kind, (relation, ends), mine in zip(KINDS, ways, own, strict=True):
        if len(mine) == 1:
            continue
        if mine:
            wrong.append(f"several of {spec[kind]!r} ({_some(graph, mine)}), not one {kind}")
            told.append(f"say one {kind} alone")
            continue
        wrong.append(f"no {spec[kind]!r}, and so no {kind}")
        known = sorted({end for head in classes for end in ends.get(head, ())}, key=lambda end: graph.iris[end])
        first, *others = known or [node]
        line = f"{graph.iris[node]} {relation} {graph.iris[first]}"
        told.append(f"say {line!r}" + (f" (or {_some(graph, others)})" if others else ""))
    raise InputError(
        f"the class {name!r} has {', and '.join(wrong)}",
        remedy=f"in what the graph says of it, {', and '.join(told)}; or name the pair as the open world does",
    )


def _some(graph: ClassGraph, nodes: Iterable[int]) -> str:
    names = [graph.labels[node] or graph.iris[node] for node in nodes]
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
