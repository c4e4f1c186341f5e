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
from kgzsl.knowledge.operations import without_edge
from kgzsl.knowledge.reasoners.chain_rule import follow_chains
from kgzsl.tasks.kg_completion._axioms import Properties, chains_of, properties_implied
from kgzsl.tasks.kg_completion.compositions import Compositions
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from kgzsl.tasks.kg_completion.proposals import propose

X, OWL = "http://x/", "http://www.w3.org/2002/07/owl#"
RELATIONS = tuple(X + name for name in ("parent", "brother", "uncle", "kin", "in", "husband", "aunt"))
PARENT, BROTHER, UNCLE, KIN, IN, HUSBAND, AUNT = range(7)
PREFIXES = """@prefix : <http://x/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""
TEXT = (
    PREFIXES
    + """
:uncle a owl:ObjectProperty ; rdfs:subPropertyOf :kin ;
    owl:propertyChainAxiom ( :parent :brother ) , ( :aunt [ owl:inverseOf :wife ] ) .
:husband owl:inverseOf :husbandOf . :wife owl:equivalentProperty :husbandOf .
:in a owl:TransitiveProperty .
"""
)


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> ClassGraph:
    file: Path = tmp_path_factory.mktemp("chains") / "s.ttl"
    file.write_text(TEXT)
    return ClassGraph.read(file)


def follow(schema: ClassGraph, relation: int, facts: torch.Tensor, **options: int) -> Compositions:
    nodes = schema.align(list(RELATIONS)).indices.tolist()
    return Compositions.read(nodes[relation], nodes, properties_implied(schema), schema, facts, **options)


def pairs(made: Compositions, size: int = 8) -> set[tuple[int, int]]:
    """By both sides, which have to agree."""
    tables = {side: torch.zeros(size, size, dtype=torch.bool) for side in ("tail", "head")}
    for side, table in tables.items():
        made.answers(torch.arange(size), side, table)
    assert torch.equal(tables["tail"], tables["head"].T)
    found = torch.nonzero(tables["tail"]).tolist()
    assert sorted({head for head, _ in found}) == made.heads().tolist()
    return {(head, tail) for head, tail in found}


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
    assert follow(schema, PARENT, facts).node < 0
    assert Entailed.read(UNCLE, Properties.read(None, RELATIONS), facts, 8).empty
    assert not pairs(follow(schema, UNCLE, facts[:0]))


def test_transitive_properties_are_followed_to_their_end(schema):
    facts = torch.tensor([[0, IN, 1], [1, IN, 2], [2, IN, 3], [5, IN, 5], [6, BROTHER, 7]])
    made = follow(schema, IN, facts)
    assert pairs(made) == {(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3), (5, 5)}
    assert made.because(0, 3) == ((0, IN, 1), (1, IN, 2), (2, IN, 3))
    assert made.complete
    # Link by link; a pair is not made again for each entity on its way, which would be 562,000 pairs here.
    line = torch.tensor([[i, IN, i + 1] for i in range(150)])
    made = follow(schema, IN, line, most=60_000)
    assert made.complete
    assert len(made.pairs[made.node]) == 150 * 151 // 2
    assert made.because(3, 150) == tuple(tuple(row) for row in line[3:].tolist())


def test_a_tree_of_a_hundred_thousand_is_followed_whole(schema):
    size = 100_000
    random = torch.Generator().manual_seed(0)
    above = (torch.rand(size - 1, generator=random) * torch.arange(1, size)).long()
    made = follow(schema, IN, torch.stack([torch.arange(1, size), torch.full((size - 1,), IN), above], dim=1))
    assert made.complete
    depth = [0]
    for parent in above.tolist():
        depth.append(depth[parent] + 1)
    assert len(made.pairs[made.node]) == sum(depth)


def test_many_short_rounds_are_counted_too(schema, monkeypatch):
    line = torch.tensor([[i, IN, i + 1] for i in range(400)])
    assert follow(schema, IN, line).complete
    monkeypatch.setattr("kgzsl.tasks.kg_completion.compositions._COPIED", 1)
    made = follow(schema, IN, line)
    assert not made.complete
    assert {(0, 1), (0, 2), (398, 400)} <= pairs(made, 401)


@pytest.mark.parametrize(
    "text",
    [
        ":in a owl:TransitiveProperty . :kin owl:inverseOf :in .",
        ":in a owl:TransitiveProperty . :kin owl:inverseOf :in ; a owl:TransitiveProperty .",
        ":in a owl:TransitiveProperty ; owl:equivalentProperty [ owl:inverseOf :kin ] , :uncle .",
    ],
)
def test_an_inverse_of_a_transitive_property_costs_no_more(text, tmp_path):
    (tmp_path / "s.ttl").write_text(PREFIXES + text)
    schema = ClassGraph.read(tmp_path / "s.ttl")
    line = torch.tensor([[i, IN, i + 1] if i % 2 else [i + 1, KIN, i] for i in range(150)])
    whole = {(a, b) for b in range(151) for a in range(b)}
    made = follow(schema, IN, line, most=130_000)
    assert made.complete
    assert pairs(made, 151) == whole
    assert made.because(148, 150) == ((149, KIN, 148), (149, IN, 150))
    assert pairs(follow(schema, KIN, line), 151) == {(b, a) for a, b in whole}


def test_of_a_symmetric_transitive_property_everything_leads_everywhere(tmp_path):
    (tmp_path / "s.ttl").write_text(PREFIXES + ":in a owl:TransitiveProperty, owl:SymmetricProperty .")
    made = follow(
        ClassGraph.read(tmp_path / "s.ttl"), IN, torch.tensor([[i, IN, i + 1] for i in range(40)]), most=90_000
    )
    assert made.complete
    assert pairs(made, 41) == {(a, b) for a in range(41) for b in range(41)}


def test_a_transitive_property_of_which_chains_and_inverses_make_more(tmp_path):
    text = ":in a owl:TransitiveProperty ; owl:inverseOf :kin ; owl:propertyChainAxiom ( :parent :brother ) ."
    (tmp_path / "s.ttl").write_text(PREFIXES + text)
    schema = ClassGraph.read(tmp_path / "s.ttl")
    facts = torch.tensor([[0, PARENT, 1], [1, BROTHER, 2], [3, KIN, 2], [3, IN, 4], [4, IN, 0]])
    made = follow(schema, IN, facts)
    assert pairs(made) == {(a, b) for a in (0, 2, 3, 4) for b in (0, 2, 3, 4)}
    assert made.because(4, 3) == ((4, IN, 0), (0, PARENT, 1), (1, BROTHER, 2), (3, KIN, 2))
    assert pairs(follow(schema, KIN, facts)) == pairs(made)


def test_a_graph_that_was_saved_merged_or_shuffled(schema, tmp_path):
    facts = torch.tensor([[0, PARENT, 1], [1, BROTHER, 2]])
    schema.save(tmp_path / "s.kgz")
    back = ClassGraph.load(tmp_path / "s.kgz")
    assert back.provenance == schema.provenance
    other = ClassGraph.from_triples([(X + "aunt", "rdfs:range", X + "Woman")])
    for graph in (back, schema.merge(other), other.merge(schema)):
        assert pairs(follow(graph, UNCLE, facts)) == {(0, 2)}
    wrong = schema.shuffled(0)
    assert schema.provenance == back.provenance, "the graph itself keeps them"
    told, true = wrong.provenance["chains"], schema.provenance["chains"]
    assert told != true
    assert {whole: _lengths(chains) for whole, chains in told.items()} == {
        whole: _lengths(chains) for whole, chains in true.items()
    }
    # What the order is told of are the edges, as they lead now.
    assert chains_of(wrong).keys() == chains_of(schema).keys()
    assert pairs(follow(wrong, UNCLE, facts)) == set()


def _lengths(chains):
    """How many links each chain has, and which are backwards."""
    return [[link.startswith("^") for link in chain] for chain in chains]


def test_what_costs_too_much_is_left_and_said_and_the_rest_is_followed(schema):
    facts = torch.tensor(
        [[0, PARENT, 1], [1, BROTHER, 2], *([a, AUNT, 5] for a in range(4)), *([5, HUSBAND, b] for b in range(8))]
    )
    every = follow(schema, UNCLE, facts)
    assert every.complete
    assert pairs(every) == {(0, 2), *((a, b) for a in range(4) for b in range(8))}
    made = follow(schema, UNCLE, facts, most=20)
    assert not made.complete
    assert pairs(made) == {(0, 2)}
    assert pairs(follow(schema, KIN, facts, most=20)) == {(0, 2)}


def test_long_ways_are_followed_and_told(tmp_path):
    (tmp_path / "s.ttl").write_text(PREFIXES + ":kin owl:propertyChainAxiom ( :parent :kin ) .")
    facts = torch.tensor([*([i, PARENT, i + 1] for i in range(1500)), [1500, KIN, 1501]])
    made = follow(ClassGraph.read(tmp_path / "s.ttl"), KIN, facts)
    assert made.complete
    assert made.heads().tolist() == list(range(1501))
    assert made.because(0, 1501) == tuple(tuple(row) for row in facts.tolist())
    # Each of many derivations is gone through once.
    double = "".join(f":r{i + 1} owl:propertyChainAxiom ( :r{i} :r{i} ) . " for i in range(40))
    (tmp_path / "d.ttl").write_text(PREFIXES + double)
    names = [f"{X}r0", f"{X}r40"]
    rules = Entailed.read(1, Properties.read(ClassGraph.read(tmp_path / "d.ttl"), names), torch.tensor([[3, 0, 3]]), 8)
    assert rules.because(3, 3) == [((3, 0, 3),)]


def test_chains_whose_edges_were_taken_away_are_none(schema):
    facts = torch.tensor([[0, PARENT, 1], [1, BROTHER, 2], [0, AUNT, 4], [4, HUSBAND, 5]])
    edge = (schema.edge_type == schema.relation("propertyChainAxiom")) & (
        schema.edge_index[1] == schema.node(X + "brother")
    )
    cut = without_edge(schema, int(edge.argmax()))
    assert pairs(follow(cut, UNCLE, facts)) == {(0, 5)}


def test_merged_by_label_chains_go_by_the_names_that_are_left(tmp_path):
    text = (
        PREFIXES
        + """:u rdfs:label "uncle" ; owl:propertyChainAxiom ( :p [ owl:inverseOf :b ] ) .
    :p a owl:ObjectProperty ; rdfs:label "parent" . :b a owl:ObjectProperty ; rdfs:label "brother" ."""
    )
    (tmp_path / "other.ttl").write_text(text.replace("http://x/", "http://y/"))
    named = [(X + name, "rdfs:range", X + "Person") for name in ("uncle", "parent", "brother")]
    first = ClassGraph.from_triples(named, labels={X + name: name for name in ("uncle", "parent", "brother")})
    merged = first.merge(ClassGraph.read(tmp_path / "other.ttl"), ["iri", "label"])
    assert merged.provenance["chains"] == {X + "uncle": [[X + "parent", "^" + X + "brother"]]}
    assert pairs(follow(merged, UNCLE, torch.tensor([[0, PARENT, 1], [2, BROTHER, 1]]))) == {(0, 2)}


def test_relations_of_one_name_in_the_schema_share_their_facts(schema):
    names = [X + "uncle", "uncle", X + "parent", X + "brother"]
    facts = torch.tensor([[5, 0, 6], [0, 2, 1], [1, 3, 2]])
    one = Entailed.read(1, Properties.read(schema, names), facts, 8)
    assert torch.nonzero(one.answers(torch.arange(8), "tail")).tolist() == [[0, 2], [5, 6]]
    assert one.because(5, 6) == [((5, 0, 6),)]


FACT = st.tuples(st.integers(0, 5), st.sampled_from([PARENT, BROTHER, UNCLE, IN]), st.integers(0, 5))
CHAIN = st.one_of(
    st.tuples(st.lists(st.sampled_from(RELATIONS[:5]), min_size=1, max_size=3), st.sampled_from(RELATIONS[:5])),
    st.sampled_from(RELATIONS[:5]).map(lambda name: ([name, name], name)),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(FACT, max_size=14), st.lists(CHAIN, min_size=1, max_size=3))
def test_the_same_follows_as_by_the_rule_over_facts_and_is_borne_out(facts, chains):
    edges = [(whole, "owl:propertyChainAxiom", link) for links, whole in chains for link in links]
    made = ClassGraph.from_triples([*edges, *((name, "rdfs:range", X + "Thing") for name in RELATIONS)])
    made.provenance["chains"] = {}
    for links, whole in chains:
        made.provenance["chains"].setdefault(whole, []).append(links)
    known = {(f"{h}", RELATIONS[r], f"{t}") for h, r, t in facts}
    more = follow_chains([(tuple(links), whole) for links, whole in chains], known, max_added=10_000)
    table = torch.tensor(facts, dtype=torch.int64).reshape(-1, 3)
    for relation in range(5):
        found = follow(made, relation, table)
        if found.node < 0:
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


def test_what_follows_by_a_chain_is_proposed_first_with_its_facts(schema, monkeypatch):
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
    rules = Entailed.read(
        kg.relations.index(X + "uncle"), Properties.read(schema, kg.relations), kg.train, kg.num_entities
    )
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
    monkeypatch.setattr("kgzsl.tasks.kg_completion.compositions._ROUNDS", 0)
    short = propose(model, X + "uncle", heads=["c0"], top=1, schema=schema)
    assert any(note.startswith("property chains lead to more than could be followed") for note in short.notes)


def test_that_a_property_is_transitive_is_told_where_a_triple_follows_by_it(schema):
    kg = KGSplit.from_names([(f"c{i}", X + "in", f"c{i + 1}") for i in range(6)], [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    model = RmpiCompleter(dim=4, epochs=1, queries=4, others=4, calibrate=False).fit(task, schema=schema)
    (found,) = propose(model, X + "in", heads=["c0"], top=1, schema=schema, why=True).found
    assert found.tail in {f"c{i}" for i in range(2, 7)}
    assert found.reasons.axioms[0] == "transitive"


def test_what_follows_for_a_disjoint_relation_rules_answers_out_for_any_ranker(tmp_path):
    (tmp_path / "s.ttl").write_text(TEXT + ":stranger a owl:SymmetricProperty ; owl:propertyDisjointWith :uncle .")
    schema = ClassGraph.read(tmp_path / "s.ttl")
    train = [(f"c{i}", X + "parent", f"p{i}") for i in range(4)] + [(f"p{i}", X + "brother", f"u{i}") for i in range(4)]
    kg = KGSplit.from_names([*train, ("c0", X + "stranger", "u3"), ("c1", X + "uncle", "u3")], [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    model = RmpiCompleter(dim=4, epochs=1, queries=8, others=8, calibrate=False).fit(task, schema=schema)
    found = propose(model, X + "stranger", heads=["c0", "c1"], top=20, schema=schema)
    told = {(one.head, one.tail) for one in found.found}
    assert ("c0", "u1") in told
    # One by a chain, one by a fact; the other way round from the tail.
    assert not told & {("c0", "u0"), ("c1", "u1"), ("c1", "u3")}
    assert found.refused["contradiction"] == 3
    # A stranger is one in both directions.
    turned = {one.tail for one in propose(model, X + "stranger", heads=["u0"], top=20, schema=schema).found}
    assert "c0" not in turned
    assert "c1" in turned
    assert "c2" not in {one.head for one in propose(model, X + "stranger", tails=["u2"], top=20, schema=schema).found}
    sure = copy.copy(model)
    sure.calibrations_for = lambda relation: (lambda scores, *_: torch.full(scores.shape, 0.25),)
    kept = propose(sure, X + "stranger", heads=["c0"], top=20, schema=schema, keep_violations=True).found
    assert {one.tail: one.confidence for one in kept}["u0"] == 0
