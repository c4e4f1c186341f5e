"""The drawing of the class graph: who is in it, under whom, and what is said of them."""

from __future__ import annotations

import re

from kgzsl.knowledge import ClassGraph
from kgzsl.report.figures import class_graph_view

OWL = "http://www.w3.org/2002/07/owl#"


def names_by_state(view) -> dict[int, set[str]]:
    found: dict[int, set[str]] = {}
    for node in view.data["nodes"]:
        found.setdefault(node["s"], set()).add(node["n"])
    return found


def test_vocabulary_terms_are_no_parents() -> None:
    graph = ClassGraph.from_triples(
        [
            ("capital", "subPropertyOf", "hasCity"),
            ("capital", "type", f"{OWL}FunctionalProperty"),
            ("borders", "type", f"{OWL}SymmetricProperty"),
            ("dog", "subClassOf", f"{OWL}Thing"),
            ("rex", "type", "dog"),
        ]
    )
    view = class_graph_view(graph, ["borders", "rex"], ["capital"], noun="relations")
    assert view is not None
    assert names_by_state(view) == {0: {"has City", "dog"}, 1: {"borders", "rex"}, 2: {"capital"}}
    assert view.caption.startswith("2 seen and 1 unseen relations under 2 ancestors")
    (row,) = view.rows
    assert row["parents"] == "has City"
    assert "type Functional Property" in row["axioms"]


def test_type_is_a_parent_only_where_nothing_else_is() -> None:
    graph = ClassGraph.from_triples([("a", "type", "kind"), ("a", "subClassOf", "b"), ("c", "type", "kind")])
    view = class_graph_view(graph, ["a"], ["c"])
    assert view is not None
    assert names_by_state(view)[0] == {"b", "kind"}


def test_unseen_classes_stand_out_and_are_drawn_last() -> None:
    graph = ClassGraph.from_triples([(name, "subClassOf", "top") for name in "abcdef"])
    view = class_graph_view(graph, list("abcde"), ["f"])
    assert view is not None
    marks = re.findall(r'class="n (\w+)"', view.svg)
    assert marks == ["other", *["seen"] * 5, "unseen"]
    far = {node["n"]: (node["x"] ** 2 + node["y"] ** 2) ** 0.5 for node in view.data["nodes"]}
    assert far["f"] > max(far[name] for name in "abcde") + 10


def test_what_is_not_in_the_graph_is_counted() -> None:
    graph = ClassGraph.from_triples([("a", "subClassOf", "top")])
    view = class_graph_view(graph, ["a"], ["nobody"])
    assert view is not None
    assert "1 classes are not drawn" in view.caption
    assert class_graph_view(graph, ["who"], ["nobody"]) is None


def test_at_most_so_many_classes_unseen_first() -> None:
    graph = ClassGraph.from_triples([(f"c{i}", "subClassOf", "top") for i in range(50)])
    view = class_graph_view(graph, [f"c{i}" for i in range(40)], [f"c{i}" for i in range(40, 50)], most=15)
    assert view is not None
    states = names_by_state(view)
    assert (len(states[2]), len(states[1])) == (10, 5)
    assert "35 classes are not drawn" in view.caption
