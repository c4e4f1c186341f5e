"""Property chains and transitivity over facts: as a reasoner has them, in any order of links, within a budget."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.knowledge.reasoners.chain_rule import follow_chains
from kgzsl.tasks.kg_completion.compositions import Compositions
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from kgzsl.tasks.kg_completion.proposals import propose

X = "http://x/"
RELATIONS = tuple(X + name for name in ("parent", "brother", "uncle", "kin", "in", "husband", "aunt"))
PARENT, BROTHER, UNCLE, KIN, IN, HUSBAND, AUNT = range(7)
TEXT = """
@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:uncle a owl:ObjectProperty ; rdfs:subPropertyOf :kin ;
    owl:propertyChainAxiom ( :parent :brother ) , ( :aunt [ owl:inverseOf :wife ] ) .
:husband owl:inverseOf :husbandOf . :wife owl:equivalentProperty :husbandOf .
:in a owl:TransitiveProperty . :within rdfs:subPropertyOf :in .
:dead owl:propertyChainAxiom ( :parent :nobody ) .
"""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> ClassGraph:
    file: Path = tmp_path_factory.mktemp("chains") / "s.ttl"
    file.write_text(TEXT)
    return ClassGraph.read(file)


def follow(schema: ClassGraph | None, relation: int, facts: torch.Tensor, **options: int) -> Compositions:
    return Compositions.read(relation, RELATIONS, schema, facts, 8, **options)


def pairs(made: Compositions) -> set[tuple[int, int]]:
    return set(zip(*(ends.tolist() for ends in made.pairs()), strict=True))


def test_chains_go_in_the_order_of_their_links_and_through_inverses(schema):
    facts = torch.tensor([[0, PARENT, 1], [1, BROTHER, 2], [3, BROTHER, 0], [0, AUNT, 4], [4, HUSBAND, 5]])
    made = follow(schema, UNCLE, facts)
    # Not 3: a brother's parent is no uncle. wife is husbandOf, whose inverse is husband.
    assert pairs(made) == {(0, 2), (0, 5)}
    assert made.because(0, 2) == ((0, PARENT, 1), (1, BROTHER, 2))
    assert made.because(0, 5) == ((0, AUNT, 4), (4, HUSBAND, 5))
    assert made.because(3, 1) == made.because(2, 0) == ()
    assert pairs(follow(schema, KIN, facts)) == {(0, 2), (0, 5)}
    assert follow(schema, KIN, facts).because(0, 2) == ((0, PARENT, 1), (1, BROTHER, 2))
    assert not follow(schema, PARENT, facts).rounds
    assert not follow(None, UNCLE, facts).rounds


def test_transitive_properties_are_followed_to_their_end(schema):
    facts = torch.tensor([[0, IN, 1], [1, IN, 2], [2, IN, 3], [5, IN, 5], [6, BROTHER, 7]])
    made = follow(schema, IN, facts)
    assert pairs(made) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (5, 5)}
    assert made.because(0, 3) == ((0, IN, 1), (1, IN, 2), (2, IN, 3))
    assert made.complete


def test_a_graph_that_was_saved_merged_or_shuffled(schema, tmp_path):
    facts = torch.tensor([[0, PARENT, 1], [1, BROTHER, 2]])
    schema.save(tmp_path / "s.kgz")
    back = ClassGraph.load(tmp_path / "s.kgz")
    assert back.provenance == schema.provenance
    other = ClassGraph.from_triples([(X + "aunt", "rdfs:range", X + "Woman")])
    for graph in (back, schema.merge(other), other.merge(schema)):
        assert pairs(follow(graph, UNCLE, facts)) == {(0, 2)}
    assert not pairs(follow(schema.shuffled(0), UNCLE, facts))
    assert schema.provenance["chains"], "the graph itself keeps them"


def test_what_costs_too_much_is_left_and_said(schema):
    facts = torch.tensor([[a, IN, b] for a in range(8) for b in range(8)])
    made = follow(schema, IN, facts[:-1], most=10)
    assert not made.complete
    assert len(pairs(made)) == 63
    assert follow(schema, IN, facts[:-1]).complete


FACT = st.tuples(st.integers(0, 5), st.sampled_from([PARENT, BROTHER, UNCLE, IN]), st.integers(0, 5))
CHAIN = st.tuples(st.lists(st.sampled_from(RELATIONS[:5]), min_size=1, max_size=3), st.sampled_from(RELATIONS[:5]))


@settings(max_examples=60, deadline=None)
@given(st.lists(FACT, max_size=14), st.lists(CHAIN, min_size=1, max_size=3))
def test_the_same_follows_as_by_the_rule_over_facts_and_is_borne_out(facts, chains):
    made = ClassGraph.from_triples([(name, "rdfs:range", X + "Thing") for name in RELATIONS])
    made.provenance["chains"] = {}
    for links, whole in chains:
        made.provenance["chains"].setdefault(whole, []).append(links)
    known = {(f"{h}", RELATIONS[r], f"{t}") for h, r, t in facts}
    more = follow_chains([(tuple(links), whole) for links, whole in chains], known, max_added=10_000)
    table = torch.tensor(facts, dtype=torch.int64).reshape(-1, 3)
    for relation in range(5):
        found = Compositions.read(relation, RELATIONS, made, table, 6)
        if not found.rounds:
            assert not any(name == RELATIONS[relation] for _, name, _ in more)
            continue
        expected = {(int(h), int(t)) for h, name, t in known | more if name == RELATIONS[relation]}
        assert pairs(found) == expected
        for head, tail in expected:
            because = found.because(head, tail)
            assert because
            assert set(because) <= set(facts)
            told = {(f"{h}", RELATIONS[r], f"{t}") for h, r, t in because}
            again = follow_chains([(tuple(links), whole) for links, whole in chains], set(told), max_added=10_000)
            assert (f"{head}", RELATIONS[relation], f"{tail}") in told | again


def test_what_follows_by_a_chain_is_proposed_first_with_its_facts(schema):
    train = [(f"c{i}", X + "parent", f"p{i}") for i in range(6)]
    train += [(f"p{i}", X + "brother", f"u{i}") for i in range(4)]
    train += [("c5", X + "uncle", "u0"), ("p5", X + "kin", "u1")]
    kg = KGSplit.from_names(train, [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    model = RmpiCompleter(dim=4, epochs=1, queries=8, others=8, calibrate=False).fit(task, schema=schema)
    found = propose(model, X + "uncle", heads=["c0", "c1", "c4"], top=1, schema=schema, why=True)
    told = {(one.head, one.tail): one.reasons.entailed for one in found.found if one.reasons.entailed}
    assert told == {(f"c{i}", f"u{i}"): (f"c{i} {X}parent p{i} and p{i} {X}brother u{i}",) for i in range(2)}
    assert any(note.startswith("2 follow from known facts") for note in found.notes)
    backwards = propose(model, X + "uncle", tails=["u3"], top=1, schema=schema).found
    assert [(one.head, one.tail) for one in backwards] == [("c3", "u3")]
    rules = Entailed.read(kg.relations.index(X + "uncle"), kg.relations, schema, kg.train, kg.num_entities)
    assert sorted(kg.entities[i] for i in torch.nonzero(rules.heads()).flatten().tolist()) == [
        "c0",
        "c1",
        "c2",
        "c3",
        "c5",
    ]
    sure = copy.copy(model)
    sure.calibrations_for = lambda relation: (lambda scores, *_: torch.full(scores.shape, 0.25),)
    assert {one.confidence for one in propose(sure, X + "uncle", top=4, schema=schema).found} == {1.0}
