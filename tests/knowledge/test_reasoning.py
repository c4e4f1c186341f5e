"""What reasoning adds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kgzsl import ClassGraph, InputError

from .helpers import edges

pytest.importorskip("reasonable")
Turtle = Callable[..., ClassGraph]
TEXT = """
:Cat rdfs:subClassOf :Animal . :Animal rdfs:subClassOf :Thing . :tom a :Cat ; :eats :jerry ; rdfs:label "Tom" .
:eats rdfs:subPropertyOf :touches ; rdfs:range :Food ; owl:inverseOf :eatenBy .
"""
STATED = {
    ("Cat", "subClassOf", "Animal"),
    ("Animal", "subClassOf", "Thing"),
    ("tom", "type", "Cat"),
    ("tom", "eats", "jerry"),
    ("eats", "subPropertyOf", "touches"),
    ("eats", "range", "Food"),
    ("eats", "inverseOf", "eatenBy"),
    ("eatenBy", "inverseOf", "eats"),
}
# RDFS entailment rules rdfs9, rdfs11 (subclasses), rdfs7 (sub-property), rdfs3 (range)
BY_RDFS = {
    ("Cat", "subClassOf", "Thing"),
    ("tom", "type", "Animal"),
    ("tom", "type", "Thing"),
    ("tom", "touches", "jerry"),
    ("jerry", "type", "Food"),
}


def test_off_by_default(turtle: Turtle) -> None:
    assert edges(turtle(TEXT)) == STATED
    assert edges(turtle(TEXT, reasoning="none")) == STATED


def test_rdfs(turtle: Turtle) -> None:
    graph = turtle(TEXT, reasoning="rdfs")
    assert edges(graph) >= BY_RDFS
    assert ("jerry", "eatenBy", "tom") not in edges(graph)
    assert graph.account.balanced
    assert graph.account.notes[0].startswith("reasoning rdfs added ")
    assert graph.labels[graph.node("http://example.org/tom")] == "Tom"
    assert graph.provenance["reasoning"] == "rdfs"


def test_owl2rl(turtle: Turtle) -> None:
    found = edges(turtle(TEXT, reasoning="owl2rl"))
    assert found >= STATED | BY_RDFS | {("jerry", "eatenBy", "tom")}
    language = {"Thing", "Nothing", "Resource", "Class"}
    assert not [edge for edge in found if edge[0] == edge[2] or (edge[2] in language and edge[1] == "domain")]


def test_inherited_restrictions_come_through_blank_nodes(turtle: Turtle) -> None:
    text = (
        ":A rdfs:subClassOf :B . :B rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:someValuesFrom :C ] ."
    )
    assert ("A", "r", "C") not in edges(turtle(text))
    assert ("A", "r", "C") in edges(turtle(text, reasoning="owl2rl"))


def test_budget_of_triples(turtle: Turtle) -> None:
    with pytest.raises(InputError, match="adds more than 2 triples; raise max_added"):
        turtle(TEXT, reasoning="owl2rl", max_added=2)


def test_budget_of_time(turtle: Turtle) -> None:
    with pytest.raises(InputError, match=r"took longer than 0\.001 seconds"):
        turtle(TEXT, reasoning="owl2rl", max_seconds=0.001)


def test_unknown_regime_names_the_nearest(turtle: Turtle) -> None:
    with pytest.raises(InputError, match="did you mean"):
        turtle(TEXT, reasoning="owl2el")
