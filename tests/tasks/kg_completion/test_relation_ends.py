"""What an OWL schema lets stand at the ends of a property: unions, equivalents, super-properties, inverses."""

from __future__ import annotations

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.candidate_rules import make_rule
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.violations import Violations, in_domain_by_use

W = "http://example.org/w#"
START = f"""@prefix : <{W}> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:A a owl:Class . :B a owl:Class . :C a owl:Class . :D rdfs:subClassOf :A . :p a owl:ObjectProperty .
"""
TYPES = {"a": (W + "A",), "b": (W + "B",), "c": (W + "C",), "d": (W + "D",)}
UNION = ":p rdfs:domain [ a owl:Class ; owl:unionOf (:A :B) ] ."


def read(folder, statements: str, **options) -> ClassGraph:
    (folder / "schema.ttl").write_text(START + statements)
    return ClassGraph.read(folder / "schema.ttl", **options)


def wrong(schema: ClassGraph, side: str = "head", relation: str = W + "p") -> dict[str, set[str]]:
    kinds = EntityKinds.read([*TYPES, "n"], [relation], schema, types=TYPES)
    told = Violations.read(kinds, (relation,), schema).against(0, side)
    return {
        reason: {name for name, no in zip([*TYPES, "n"], mask.tolist(), strict=True) if no}
        for reason, mask in told.items()
    }


@pytest.mark.parametrize(
    ("statements", "outside"),
    [
        (":p rdfs:domain :A .", "bc"),
        (":p rdfs:domain :A , :B .", "abcd"),
        (":p rdfs:domain [ a owl:Class ; owl:intersectionOf (:A :B) ] .", "abcd"),
        (UNION, "c"),
        (":p rdfs:domain [ owl:intersectionOf (:A [ owl:unionOf (:B :C) ]) ] .", "abcd"),
        # Which of these there are besides has no name, so that nobody is outside.
        (":p rdfs:domain [ owl:unionOf (:A [ owl:complementOf :B ]) ] .", ""),
        (":p rdfs:domain [ owl:oneOf (:a :b) ] .", ""),
        (":p rdfs:domain :A . :B owl:equivalentClass :A .", "c"),
        (":q rdfs:domain :A . :p rdfs:subPropertyOf :q .", "bc"),
        (":q rdfs:domain :A . :p rdfs:subPropertyOf :m . :m rdfs:subPropertyOf :q .", "bc"),
        (":q rdfs:domain :A . :p owl:equivalentProperty :q .", "bc"),
        (":q rdfs:domain :A . :q rdfs:subPropertyOf :p .", ""),
        (":q rdfs:range :A . :p owl:inverseOf :q .", "bc"),
        (":q rdfs:range :A . :q owl:inverseOf :p .", "bc"),
        (":p a owl:SymmetricProperty ; rdfs:range :A .", "bc"),
    ],
)
def test_who_is_outside_a_domain(tmp_path, statements, outside):
    assert wrong(read(tmp_path, statements))["domain"] == set(outside)


def test_an_inverse_turns_ends_and_a_union_stays_one_with_another_graph_and_in_a_file(tmp_path):
    assert wrong(read(tmp_path, ":q rdfs:range :A . :p owl:inverseOf :q ."), "tail")["range"] == set()
    union = read(tmp_path, UNION)
    more = tmp_path / "more.ttl"
    more.write_text(START + ":r rdfs:domain [ a owl:Class ; owl:unionOf (:B :C) ] .")
    both = union.merge(ClassGraph.read(more))
    both.save(tmp_path / "both.npz")
    both = ClassGraph.load(tmp_path / "both.npz")
    assert wrong(both)["domain"] == {"c"}
    assert wrong(both, relation=W + "r")["domain"] == {"a", "d"}
    # Where expressions are nodes of the graph, they are no class of anybody, and refuse nobody.
    assert wrong(read(tmp_path, UNION, projection="w3c"))["domain"] == set()


def test_disjoint_with_a_union_is_what_is_disjoint_with_all_of_it(tmp_path):
    apart = ":C owl:disjointWith :A . "
    assert wrong(read(tmp_path, apart + UNION)) == {"disjoint": set(), "domain": {"c"}}
    assert wrong(read(tmp_path, apart + ":C owl:disjointWith :B . " + UNION)) == {"disjoint": {"c"}, "domain": set()}


def test_what_facts_entail_of_their_ends_goes_through_inverses_and_not_through_unions(tmp_path):
    schema = read(tmp_path, ":p rdfs:domain :A . :q owl:inverseOf :p . :r rdfs:domain [ owl:unionOf (:A :B) ] .")
    relations = (W + "p", W + "q", W + "r")
    facts = torch.tensor([[0, 1, 1], [2, 2, 3]])
    # 1 is the tail of q, so the head of p; 2 may be a B.
    assert in_domain_by_use(0, facts, 4, relations, schema).tolist() == [False, True, False, False]


@pytest.mark.parametrize("told", [True, False])
def test_candidates_by_range_are_of_any_class_of_a_union(tmp_path, told):
    schema = read(tmp_path, ":p rdfs:range [ a owl:Class ; owl:unionOf (:A :B) ] .")
    names = {one: one if told else f"x:{kinds[0].removeprefix(W)}:{one}" for one, kinds in TYPES.items()}
    kg = KGSplit.from_names([(names["a"], W + "p", names["b"]), (names["c"], W + "p", names["d"])], [], [])
    if told:
        kg = KGSplit(kg.entities, kg.relations, kg.train, kg.valid, kg.test, types=TYPES)
    rule = make_rule("range", kg, schema=schema)
    assert {kg.entities[i] for i in rule.tails[0].tolist()} == {names[one] for one in "abd"}
