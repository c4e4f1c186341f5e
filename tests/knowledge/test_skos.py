"""Thesauri: broader, narrower and related become edges, and narrower alone makes a hierarchy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from kgzsl import ClassGraph
from kgzsl.knowledge.vocabulary import SKOS

from .helpers import edges

THESAURUS = """
:Animal a skos:Concept ; skos:prefLabel "animal"@en, "Tier"@de ; skos:narrower :Cat .
:Cat a skos:Concept ; skos:broader :Animal ; skos:related :Milk ; skos:altLabel "house cat"@en .
:Milk a skos:Concept . :Drink skos:narrower :Milk .
"""


def test_narrower_is_broader_from_the_other_end(turtle: Callable[..., ClassGraph]) -> None:
    graph = turtle(THESAURUS)
    assert edges(graph) == {
        ("Animal", "narrower", "Cat"),
        ("Cat", "broader", "Animal"),
        ("Cat", "related", "Milk"),
        ("Drink", "narrower", "Milk"),
        ("Milk", "broader", "Drink"),
    }
    assert graph.account.balanced
    assert graph.account.merged == 1  # said from both ends
    assert edges(turtle(THESAURUS, projection="taxonomy")) == {
        ("Cat", "broader", "Animal"),
        ("Milk", "broader", "Drink"),
    }
    assert graph.kind(graph.align(["house cat"]).require()[0]) == "class"
    milk, drink = (graph.align([name]).require()[0] for name in ("Milk", "Drink"))
    assert graph.ancestors(int(milk), SKOS + "broader") == {int(drink)}


def test_a_real_thesaurus(data: Callable[[str], Path]) -> None:
    graph = ClassGraph.read(data("ontologies/skos_thesaurus_fr.rdf.gz"), language="fr")
    assert graph.account.balanced
    ends = {name: edges_of(graph, SKOS + name) for name in ("broader", "narrower")}
    assert {(b, a) for a, b in ends["narrower"]} <= ends["broader"]


def edges_of(graph: ClassGraph, relation: str) -> set[tuple[int, int]]:
    rows = graph.edge_type == graph.relation(relation)
    return {(s, o) for s, o in graph.edge_index[:, rows].T.tolist()}
