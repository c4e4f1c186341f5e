"""What follows from known facts by the schema is proposed first, for certain, and says from what it follows."""

from __future__ import annotations

import copy

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from kgzsl.tasks.kg_completion.ordinary import SchemaRules
from kgzsl.tasks.kg_completion.proposals import propose
from kgzsl.tasks.kg_completion.reasons import reasons

RDFS, OWL, X = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#", "http://x/"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
RELATIONS = (X + "rules", X + "ruledBy", X + "near", X + "leads", X + "commands")
NONE = torch.zeros(0, 3, dtype=torch.int64)
SCHEMA = ClassGraph.from_triples(
    [
        (X + "rules", OWL + "inverseOf", X + "ruledBy"),
        (X + "near", TYPE, OWL + "SymmetricProperty"),
        (X + "commands", RDFS + "subPropertyOf", X + "runs"),  # which no fact uses
        (X + "runs", OWL + "equivalentProperty", X + "leads"),
        (X + "leads", RDFS + "subPropertyOf", X + "rules"),
        (X + "rules", RDFS + "range", X + "Land"),
        (X + "Person", OWL + "disjointWith", X + "Land"),
    ]
)


def sources(name: str) -> set[tuple[str, bool]]:
    told = Entailed.read(RELATIONS.index(X + name), Properties.read(SCHEMA, RELATIONS), NONE, 8).sources
    return {(RELATIONS[number].removeprefix(X), turned) for number, turned in told}


def test_which_relations_facts_are_those_of_another_one():
    assert sources("rules") == {("ruledBy", True), ("leads", False), ("commands", False)}
    assert sources("ruledBy") == {("rules", True), ("leads", True), ("commands", True)}
    assert sources("near") == {("near", True)}
    assert sources("leads") == {("commands", False)}
    assert sources("commands") == set()
    assert Entailed.read(0, Properties.read(None, RELATIONS), NONE, 8).empty
    # The rules of embeddings say the same.
    table = {tuple(row) for row in SchemaRules.read(SCHEMA, RELATIONS).implied.tolist()}
    assert (4, 0, 0) in table
    assert (4, 1, 1) in table


def test_answers_and_their_facts_at_both_ends():
    facts = torch.tensor([[5, 1, 6], [7, 3, 5], [2, 2, 2]])
    rules = Entailed.read(0, Properties.read(SCHEMA, RELATIONS), facts, 8)
    assert torch.nonzero(rules.answers(torch.tensor([7, 6, 6]), "tail")).tolist() == [[0, 5], [1, 5], [2, 5]]
    assert torch.nonzero(rules.answers(torch.tensor([5]), "head")).tolist() == [[0, 6], [0, 7]]
    assert torch.nonzero(rules.heads()).flatten().tolist() == [6, 7]
    assert rules.because(6, 5) == [((5, 1, 6),)]
    assert rules.because(5, 6) == []


@pytest.fixture(scope="module")
def model() -> RmpiCompleter:
    train = [(f"l{i}", X + "ruledBy", f"p{i}") for i in range(8)]
    train += [(f"l{i}", X + "near", f"l{(i + 1) % 8}") for i in range(8)]
    train += [("p0", X + "leads", "l7"), ("p0", X + "leads", "p9"), ("p1", X + "rules", "l1")]
    train += [(f"p{i}", X + "livesIn", f"l{i}") for i in range(8)]
    types = {f"l{i}": X + "Land" for i in range(8)} | {f"p{i}": X + "Person" for i in range(10) if i != 5}
    made = RmpiCompleter(dim=4, epochs=1, queries=8, others=8, calibrate=False)
    kg = KGSplit.from_names(train, [], [])
    return made.fit(InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test, types), schema=SCHEMA)


def test_what_follows_is_proposed_first_and_what_the_schema_refuses_is_not(model):
    found = propose(model, X + "rules", heads=["p0", "p1", "p3"], top=3, schema=SCHEMA, why=True)
    first = {(one.head, one.tail): one.reasons.entailed for one in found.found if one.reasons.entailed}
    assert first == {
        ("p0", "l0"): (f"l0 {X}ruledBy p0",),
        ("p0", "l7"): (f"p0 {X}leads l7",),
        ("p3", "l3"): (f"l3 {X}ruledBy p3",),
    }
    assert {(one.head, one.tail) for one in (*found.found[:2], found.found[6])} == first.keys()
    assert found.refused["disjoint"] >= 1  # p0 leads p9
    assert any(note.startswith("3 follow from known facts by the schema, and come first") for note in found.notes)
    assert "follows from l3" in found.found[6].reasons.text()
    # It is read from facts, so without a schema nothing follows.
    assert not any(one.reasons.entailed for one in propose(model, X + "rules", heads=["p0"], top=3, why=True).found)


def test_the_axioms_that_a_triple_follows_by_are_told():
    def axioms(relation, fact):
        made = [X + name for name in ("a", "b", "c")]
        train = [(made[0], X + fact, made[1]), (made[1], X + relation, made[2])]
        kg = KGSplit.from_names(train, [], [])
        task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
        model = RmpiCompleter(dim=4, epochs=1, queries=4, others=2, calibrate=False).fit(task, schema=SCHEMA)
        ends = [kg.entities.index(name) for name in (made[:2] if relation != fact else made[1::-1])]
        if relation == "ruledBy":
            ends = ends[::-1]
        found = reasons(model, kg.relations.index(X + relation), *ends, schema=SCHEMA)
        assert found.entailed
        return found.axioms

    assert axioms("rules", "leads")[0] == "leads subPropertyOf rules"
    assert axioms("near", "near")[0] == "symmetric"
    assert axioms("ruledBy", "rules")[0] == "rules inverseOf ruled By"
    assert not {"symmetric", "transitive"} & set(axioms("rules", "leads"))
    # What it does not follow by comes after, and of others nothing is told.
    assert set(axioms("rules", "leads")[1:]) == {"range Land", "inverseOf ruled By"}


def test_what_follows_is_certain_and_is_asked_for_whatever_its_head_is(model, monkeypatch):
    sure = copy.copy(model)
    monkeypatch.setattr(sure, "calibrations_for", lambda relation: (lambda scores, *_: torch.full(scores.shape, 0.25),))
    found = propose(sure, X + "rules", top=8, schema=SCHEMA)
    # By name where all are alike; p1's is a fact already, and nothing says what p5 is.
    told = [("p0", "l0"), ("p0", "l7"), *((f"p{i}", f"l{i}") for i in range(2, 8))]
    assert sorted((one.head, one.tail) for one in found.found) == told
    assert {one.confidence for one in found.found} == {1.0}
    assert len(propose(sure, X + "rules", top=30, min_confidence=0.5, schema=SCHEMA).found) == 8


def test_nothing_follows_for_certain_where_the_given_end_is_of_the_wrong_kind(model, monkeypatch):
    sure = copy.copy(model)
    monkeypatch.setattr(sure, "calibrations_for", lambda relation: (lambda scores, *_: torch.full(scores.shape, 0.25),))
    axioms = [(X + "rules", OWL + "inverseOf", X + "ruledBy"), (X + "rules", RDFS + "domain", X + "Land")]
    schema = ClassGraph.from_triples([*axioms, (X + "Person", OWL + "disjointWith", X + "Land")])
    told = propose(sure, X + "rules", heads=["p0"], top=2, schema=schema, keep_violations=True)
    assert {one.confidence for one in told.found} == {0.25}
    assert propose(sure, X + "rules", heads=["p0"], top=2, schema=schema).found == ()


def test_of_equal_answers_the_first_by_name_is_proposed_whatever_their_ids(model, monkeypatch):
    flat = copy.copy(model)
    monkeypatch.setattr(flat, "scores", lambda relation, anchors, side="tail": torch.zeros(len(anchors), 17))
    found = propose(flat, X + "livesIn", heads=["p3"], top=4)
    assert [one.tail for one in found.found] == ["l0", "l1", "l2", "l4"]  # p3 lives in l3
    every = propose(flat, X + "livesIn", top=3).found
    assert [(one.head, one.tail) for one in every] == [("l0", "l0"), ("l0", "l1"), ("l0", "l2")]
