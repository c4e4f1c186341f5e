"""Candidate rules on names that carry types, as NELL's do."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.candidate_rules import make_rule, training_candidates

RDFS = "http://www.w3.org/2000/01/rdf-schema#"
TRAIN = [
    ("concept:person:ann", "concept:lives", "concept:city:rome"),
    ("concept:person:bo", "concept:lives", "concept:town:bath"),
]
TEST = [
    ("concept:person:ann", "concept:visits", "concept:city:oslo"),
    ("concept:person:bo", "concept:visits", "concept:land:norway"),
]
SCHEMA = [
    ("x:visits", RDFS + "range", "x:place"),
    ("x:visits", RDFS + "domain", "x:person"),
    ("x:lives", RDFS + "range", "x:city"),
    ("x:town", RDFS + "subClassOf", "x:city"),
    ("x:city", RDFS + "subClassOf", "x:place"),
]  # fmt: skip


@pytest.fixture
def kg():
    return KGSplit.from_names(TRAIN, [], TEST)


def names(kg, ids):
    return sorted(kg.entities[i].split(":")[2] for i in ids.tolist())


def test_type_rule_takes_the_types_of_true_answers(kg):
    rule = make_rule("type", kg)
    assert names(kg, rule.tails[kg.relation("concept:lives")]) == ["bath", "oslo", "rome"]
    # Of the unseen relation too: the published rule looks at test answers.
    assert names(kg, rule.tails[kg.relation("concept:visits")]) == ["norway", "oslo", "rome"]
    assert names(kg, rule.heads[kg.relation("concept:visits")]) == ["ann", "bo"]


def test_candidates_for_training_owe_nothing_to_the_test_triples(kg):
    found = training_candidates(kg, "type")
    assert set(found) == {kg.relation("concept:lives")}
    assert names(kg, found[kg.relation("concept:lives")]) == ["bath", "oslo", "rome"]


def test_range_rule_asks_the_schema_only(kg):
    rule = make_rule("range", kg, schema=ClassGraph.from_triples(SCHEMA))
    visits, lives = kg.relation("concept:visits"), kg.relation("concept:lives")
    assert names(kg, rule.tails[visits]) == ["bath", "oslo", "rome"]  # norway is a land, which is no place here
    assert names(kg, rule.tails[lives]) == ["bath", "oslo", "rome"]  # a town is a city
    assert names(kg, rule.heads[visits]) == ["ann", "bo"]
    assert lives not in rule.heads  # no domain: every entity
    mask = rule.mask(lives, "head", kg.num_entities)
    assert mask is None


def test_rules_that_the_data_do_not_support_are_none(kg):
    assert make_rule("given", kg) is None
    assert make_rule("range", kg) is None
    plain = KGSplit.from_names([("a", "r", "b")], [], [("a", "s", "New_York_City")])
    assert make_rule("type", plain) is None  # one odd name makes no types


def test_given_candidates_and_all(kg):
    given = kg.with_candidates({0: torch.tensor([1])})
    assert make_rule("given", given).tails[0].tolist() == [1]
    assert make_rule("all", kg).mask(0, "tail", kg.num_entities) is None


def test_unknown_rule_is_refused_with_the_nearest(kg):
    with pytest.raises(InputError, match="no candidate rule is called 'types'; choose type"):
        make_rule("types", kg)


def test_classes_that_come_with_the_data_go_before_names() -> None:
    kg = KGSplit.from_names([("a", "r", "b")], [], [("c", "s", "d")])
    typed = replace(kg, types={"b": ("land",), "d": ("city", "port"), "c": ("land",), "a": ("port",)})
    rule = make_rule("type", typed)
    assert rule is not None
    named = [{typed.entities[i] for i in rule.tails[typed.relation(relation)].tolist()} for relation in "rs"]
    assert named == [{"b", "c"}, {"a", "d"}]
    schema = ClassGraph.from_triples([("x:s", RDFS + "range", "x:city"), ("x:land", RDFS + "subClassOf", "x:area")])
    allowed = make_rule("range", typed, schema=schema)
    assert allowed is not None
    # Only cities, and those whose class the schema does not know.
    assert {typed.entities[i] for i in allowed.tails[typed.relation("s")].tolist()} == {"a", "d"}
    assert make_rule("type", kg) is None
    assert training_candidates(typed, "type").keys() == {typed.relation("r")}
