"""What a property is by itself rules answers out: one tail for a head, one head for a tail, no loops, no way back."""

from __future__ import annotations

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import Properties
from kgzsl.tasks.kg_completion.characteristics import Characteristics
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from kgzsl.tasks.kg_completion.proposals import propose

OWL, RDFS, X = "http://www.w3.org/2002/07/owl#", "http://www.w3.org/2000/01/rdf-schema#", "http://x/"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
NAMES = (X + "r", X + "above", X + "back", X + "other")
R, ABOVE, BACK, OTHER = range(4)


def out(kinds, facts, *more, relation=R, size=5, names=NAMES):
    """Pairs that are ruled out, which both sides have to agree about."""
    said = [(X + name, TYPE, f"{OWL}{kind}Property") for name, kind in kinds]
    schema = ClassGraph.from_triples([*said, *more, (X + "r", RDFS + "range", X + "Thing")])
    table = torch.tensor(facts, dtype=torch.int64).reshape(-1, 3)
    made = Characteristics.read(relation, Properties.read(schema, names), table, size)
    found = {side: made.out(torch.arange(size), side) for side in ("tail", "head")}
    if found["tail"] is None:
        assert found["head"] is None
        return None
    assert torch.equal(found["tail"], found["head"].T)
    return {tuple(pair) for pair in torch.nonzero(found["tail"]).tolist()}


def test_a_head_of_a_functional_property_has_one_tail():
    assert out([("r", "Functional")], [[0, R, 1], [2, OTHER, 3]]) == {(0, other) for other in (0, 2, 3, 4)}
    # What is known stays, though it is one too many.
    assert out([("r", "Functional")], [[0, R, 1], [0, R, 2]]) == {(0, 0), (0, 3), (0, 4)}
    assert out([("r", "Functional")], []) == set()


def test_a_tail_of_an_inverse_functional_property_has_one_head():
    assert out([("r", "InverseFunctional")], [[0, R, 1]]) == {(other, 1) for other in (1, 2, 3, 4)}
    both = [("r", "Functional"), ("r", "InverseFunctional")]
    assert out(both, [[0, R, 1]]) == {*((0, one) for one in (0, 2, 3, 4)), *((one, 1) for one in (1, 2, 3, 4))}


def test_loops_and_ways_back():
    loops = {(one, one) for one in range(5)}
    assert out([("r", "Irreflexive")], [[0, R, 1]]) == loops
    assert out([("r", "Asymmetric")], [[0, R, 1]]) == {*loops, (1, 0)}
    assert out([("r", "Irreflexive")], [[0, R, 0]]) == loops - {(0, 0)}


def test_what_implied_properties_are_and_what_follows_binds_too():
    above, inverse = (X + "r", RDFS + "subPropertyOf", X + "above"), (X + "r", OWL + "inverseOf", X + "back")
    # 0 has a tail of the property above, so of r it has that one or none.
    assert out([("above", "Functional")], [[0, ABOVE, 1]], above) == {(0, other) for other in (0, 2, 3, 4)}
    assert out([("above", "Functional")], [[0, R, 1]], above) == {(0, other) for other in (0, 2, 3, 4)}
    assert out([("back", "Functional")], [[1, BACK, 0]], inverse) == {(other, 1) for other in (1, 2, 3, 4)}
    assert out([("back", "InverseFunctional")], [[0, R, 1]], inverse) == {(0, other) for other in (0, 2, 3, 4)}
    assert out([("back", "Asymmetric")], [[0, BACK, 1]], inverse) == {(0, 1), *((one, one) for one in range(5))}
    # Whether or not a relation of the run is called so.
    few = (X + "r", X + "q")
    assert out([("above", "Functional")], [[0, 0, 1]], above, names=few) == {(0, other) for other in (0, 2, 3, 4)}
    assert out([("back", "Functional")], [[0, 0, 1]], inverse, names=few) == {(other, 1) for other in (1, 2, 3, 4)}
    both = (above, (X + "q", RDFS + "subPropertyOf", X + "above"))
    assert out([("above", "Functional")], [[0, 1, 1]], *both, names=few) == {(0, other) for other in (0, 2, 3, 4)}
    # Two relations of one name in the schema.
    for number in (0, 1):
        assert (0, 2) in out([("r", "Functional")], [[0, 1, 1]], relation=number, names=(X + "r", "r"))
    # A property below says nothing of it.
    assert out([("r", "Functional")], [[0, ABOVE, 1]], above, relation=ABOVE) is None
    assert out([("other", "Functional")], [[0, R, 1]]) is None


def test_such_answers_are_refused_and_counted_whichever_ranker_is_asked():
    train = [(f"c{i}", X + "r", f"p{i}") for i in range(5)] + [(f"c{i}", X + "other", f"q{i}") for i in range(6)]
    kg = KGSplit.from_names(train, [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    schema = ClassGraph.from_triples([(X + "r", TYPE, OWL + "FunctionalProperty")])
    model = RmpiCompleter(dim=4, epochs=1, queries=4, others=4, calibrate=False).fit(task, schema=schema)
    found = propose(model, X + "r", heads=["c0", "c5"], top=20, schema=schema)
    assert {one.head for one in found.found} == {"c5"}
    assert found.refused["contradiction"] == kg.num_entities - 1
    kept = propose(model, X + "r", heads=["c0"], top=3, schema=schema, keep_violations=True)
    assert len(kept.found) == 3
    assert len(propose(model, X + "r", heads=["c0"], top=3).found) == 3


@pytest.mark.parametrize("schema", [None, ClassGraph.from_triples([(X + "r", RDFS + "range", X + "Thing")])])
def test_without_a_word_about_it_nothing_is_ruled_out(schema):
    said = Properties.read(schema, NAMES)
    assert Characteristics.read(R, said, torch.tensor([[0, R, 1]]), 3).out(torch.arange(3), "tail") is None
