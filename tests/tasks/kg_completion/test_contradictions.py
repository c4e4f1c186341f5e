"""Disjoint properties: symmetric, and inherited by all whose facts imply facts of them, turned round or not."""

from __future__ import annotations

import torch

from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.contradictions import Contradictions

RDFS, OWL, X = "http://www.w3.org/2000/01/rdf-schema#", "http://www.w3.org/2002/07/owl#", "http://x/"
TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
SCHEMA = ClassGraph.from_triples(
    [
        (X + "borders", OWL + "propertyDisjointWith", X + "faces"),
        (X + "borders", TYPE, OWL + "SymmetricProperty"),
        (X + "facesAcrossASound", RDFS + "subPropertyOf", X + "faces"),
        (X + "second", OWL + "propertyDisjointWith", X + "first"),
        (X + "first", RDFS + "range", X + "city"),
    ]
)
RELATIONS = tuple(X + name for name in ("borders", "faces", "facesAcrossASound", "first", "second", "unknown"))


def test_disjointness_by_hand():
    made = Contradictions.read(RELATIONS, SCHEMA)
    assert made.forward == {0: (1, 2), 1: (0,), 2: (0,), 3: (4,), 4: (3,)}
    assert made.backward == {0: (1, 2), 1: (0,), 2: (0,)}
    assert Contradictions.read(RELATIONS, None) == Contradictions()
    # A property that is its own inverse is symmetric.
    own = ClassGraph.from_triples(
        [(X + "borders", OWL + "propertyDisjointWith", X + "faces"), (X + "borders", OWL + "inverseOf", X + "borders")]
    )
    assert Contradictions.read(RELATIONS[:2], own).backward == {0: (1,), 1: (0,)}
    assert Contradictions.from_dict(made.to_dict()) == made
    assert Contradictions.read(RELATIONS[:4], SCHEMA).joined(Contradictions({3: (4,), 4: (3,)})) == made


def test_disjointness_goes_through_inverses_equivalents_and_symmetric_super_properties():
    """Also where the disjoint property is none of the relations."""
    schema = ClassGraph.from_triples(
        [
            (X + "parent", OWL + "propertyDisjointWith", X + "sibling"),
            (X + "child", OWL + "inverseOf", X + "parent"),
            (X + "offspring", OWL + "equivalentProperty", X + "child"),
            (X + "sister", RDFS + "subPropertyOf", X + "sibling"),
            (X + "sibling", TYPE, OWL + "SymmetricProperty"),
            (X + "owns", OWL + "propertyDisjointWith", X + "ownedBy"),
            (X + "ownedBy", OWL + "inverseOf", X + "owns"),
        ]
    )
    made = Contradictions.read([X + name for name in ("offspring", "sister", "owns")], schema)
    both = {0: (1,), 1: (0,)}
    assert (made.forward, made.backward) == (both, {**both, 2: (2,)})  # what one owns does not own one
    facts = torch.tensor([[0, 0, 1], [2, 2, 3]])
    assert made.out(1, torch.tensor([0, 1, 2]), "tail", facts, 4).nonzero().tolist() == [[0, 1], [1, 0]]
    assert made.out(2, torch.tensor([3, 2]), "tail", facts, 4).nonzero().tolist() == [[0, 2]]
    one_way = ClassGraph.from_triples(
        [
            (X + "parent", OWL + "propertyDisjointWith", X + "teacher"),
            (X + "child", OWL + "inverseOf", X + "parent"),
        ]
    )
    made = Contradictions.read([X + "child", X + "teacher"], one_way)
    assert (made.forward, made.backward) == ({}, {0: (1,), 1: (0,)})


def test_answers_that_facts_rule_out():
    made = Contradictions.read(RELATIONS, SCHEMA)
    facts = torch.tensor([[0, 0, 1], [2, 3, 4], [3, 5, 4]])
    asked = torch.tensor([1, 0, 1])
    assert made.out(2, asked, "tail", facts, 5).int().tolist() == [[1, 0, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 0, 0, 0]]
    assert made.out(4, torch.tensor([4]), "head", facts, 5).int().tolist() == [[0, 0, 1, 0, 0]]
    assert made.out(4, torch.tensor([4]), "tail", facts, 5).any().item() is False
    assert made.out(5, asked, "tail", facts, 5) is None
