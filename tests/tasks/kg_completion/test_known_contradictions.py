"""Known facts that the schema speaks against: each named and counted once, by the rules that refuse proposals."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion._axioms import Properties, objects_of
from kgzsl.tasks.kg_completion.entailed import Entailed
from kgzsl.tasks.kg_completion.evidence.kinds import EntityKinds
from kgzsl.tasks.kg_completion.known_contradictions import KnownContradictions
from kgzsl.tasks.kg_completion.ruled_out import RuledOut
from kgzsl.tasks.kg_completion.violations import Violations

X = "http://x/"
START = f"""@prefix : <{X}> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""
TYPES = {"a": (X + "A",), "b": (X + "B",), "c": (X + "C",)}
CLASSES = ":A a owl:Class ; owl:disjointWith :B . :B a owl:Class . :C a owl:Class . "


def kg_of(*facts: str) -> KGSplit:
    return replace(KGSplit.from_names([tuple(fact.split()) for fact in facts], [], []), types=TYPES)


def against(folder, statements: str, *facts: str) -> KnownContradictions:
    (folder / "schema.ttl").write_text(START + CLASSES + statements)
    return KnownContradictions.read(kg_of(*facts), ClassGraph.read(folder / "schema.ttl"))


def told(folder, statements: str, *facts: str) -> dict[str, str]:
    return {
        f"{row['head']} {row['relation']} {row['tail']}": row["against"]
        for row in against(folder, statements, *facts).rows()
    }


@pytest.mark.parametrize(
    ("statements", "facts", "expected"),
    [
        (
            ":r owl:propertyDisjointWith :s .",
            ["a r b", "a s b", "b s a"],
            {"a r b": "exclusive (s)", "a s b": "exclusive (r)"},
        ),
        (
            ":r owl:propertyDisjointWith :s . :s a owl:SymmetricProperty . :t rdfs:subPropertyOf :s .",
            ["a r b", "b t a", "a r c", "c t b", "x s y"],
            {"a r b": "exclusive (s)", "b t a": "exclusive (r)"},
        ),
        (
            ":p owl:propertyDisjointWith :q . :r owl:inverseOf :q .",
            ["a p b", "b r a", "b p c", "b r c"],
            {"a p b": "exclusive (q)", "b r a": "exclusive (p)"},
        ),
        (
            ":p owl:propertyDisjointWith :q . :p owl:equivalentProperty :o . :q owl:propertyChainAxiom (:s :s) .",
            ["a o b", "a s x", "x s b"],
            {"a o b": "exclusive (q)"},
        ),
        (
            ":born a owl:FunctionalProperty . :in rdfs:subPropertyOf :born .",
            ["a in x", "a in y", "b in x"],
            {"a in x": "functional (born)", "a in y": "functional (born)"},
        ),
        (
            ":born a owl:FunctionalProperty . :in rdfs:subPropertyOf :born . :of owl:inverseOf :in .",
            ["a in x", "y of a", "y of b"],
            {"a in x": "functional (born)", "y of a": "functional (born)"},
        ),
        (
            ":r a owl:InverseFunctionalProperty .",
            ["x r a", "y r a"],
            dict.fromkeys(["x r a", "y r a"], "inverse functional (r)"),
        ),
        (":r a owl:FunctionalProperty .", ["x r a", "x r a", "y r a"], {}),
        (
            ":r a owl:AsymmetricProperty .",
            ["x r y", "y r x", "x r x", "y r z"],
            {"x r y": "asymmetric (r)", "y r x": "asymmetric (r)", "x r x": "irreflexive (r)"},
        ),
        # A head and a tail that are wrong are one wrong fact, and all that is wrong with it is told.
        (":r rdfs:domain :A ; rdfs:range :B .", ["b r a", "a r b", "x r y"], {"b r a": "disjoint"}),
        (":r rdfs:domain :A ; rdfs:range :B .", ["c r a"], {"c r a": "disjoint; domain"}),
    ],
)
def test_what_is_against_each_fact(tmp_path, statements, facts, expected):
    assert told(tmp_path, statements, *facts) == expected
    assert len(against(tmp_path, statements, *facts)) == len(expected)


def test_notes_count_each_fact_once_and_name_the_first_with_the_reason(tmp_path):
    found = against(tmp_path, ":r rdfs:domain :A ; rdfs:range :B .", "b r a", "b r a", "a r b")
    assert found.notes() == [
        "1 training triples have an end whose class is disjoint with the relation's domain or range; they are kept: "
        "b r a"
    ]
    facts = [f"a r x{i}" for i in range(5)]
    many = against(tmp_path, ":r a owl:FunctionalProperty .", *facts)
    assert many.notes() == [
        "5 training triples give a head more than one value of a functional property (r); they are kept: "
        "a r x0, a r x1, a r x2 and 2 more, in contradictions.csv of the run"
    ]
    assert len(many.rows()) == 5
    assert KnownContradictions.read(kg_of(*facts), None).notes() == []
    given = KnownContradictions.read(
        kg_of(*facts), ClassGraph.read(tmp_path / "schema.ttl"), facts_called="facts given"
    )
    assert [note.replace("facts given", "training triples") for note in given.notes()] == many.notes()


def test_new_facts_are_held_against_known_ones_and_alone_blamed(tmp_path):
    (tmp_path / "schema.ttl").write_text(START + CLASSES + ":r a owl:FunctionalProperty ; rdfs:domain :A .")
    schema = ClassGraph.read(tmp_path / "schema.ttl")
    kg = kg_of("a r x", "b r x", "c r x", "c r y", "a r y", "b r y", "a s x")
    kinds = EntityKinds.read(kg.entities, kg.relations, schema, types=TYPES)
    # Known: one value of a and b, two of c. New: a second one of a and b, one that is known, and another relation.
    known, new = kg.train[:4], kg.train[[4, 5, 0, 6]]
    found = KnownContradictions.of_new(new, known, (kg.entities, kg.relations), kinds, schema)
    assert {" ".join([*row.values()][:3]): row["against"] for row in found.rows()} == {
        "a r y": "functional (r)",
        "b r y": "disjoint; functional (r)",
    }
    assert found.notes() == [
        "1 of the new facts have an end whose class is disjoint with the relation's domain or range; they are kept: "
        "b r y",
        "2 of the new facts give a head more than one value of a functional property (r); they are kept: a r y, b r y",
    ]
    assert not KnownContradictions.of_new(new[2:], known, (kg.entities, kg.relations), kinds, schema).notes()


AXIOMS = """:r rdfs:domain :A ; owl:propertyDisjointWith :s . :s rdfs:subPropertyOf :t ; owl:inverseOf :u .
:t a owl:FunctionalProperty ; owl:equivalentProperty :v . :u rdfs:range :C . :w a owl:AsymmetricProperty ;
owl:propertyChainAxiom (:r :s) . :v a owl:IrreflexiveProperty . :x a owl:SymmetricProperty ;
owl:propertyDisjointWith :w ."""


@pytest.mark.parametrize("seed", range(8))
def test_what_would_be_refused_beside_the_other_facts_is_told_of(tmp_path, seed):
    random = torch.Generator().manual_seed(seed)
    names, entities = [X + name for name in "rstuvwx"], [*"abcdefgh"]
    drawn = zip(*(torch.randint(n, (22,), generator=random).tolist() for n in (8, 7, 8)), strict=True)
    kg = replace(KGSplit.from_names([(entities[h], names[r], entities[t]) for h, r, t in drawn], [], []), types=TYPES)
    (tmp_path / "schema.ttl").write_text(START + CLASSES + AXIOMS)
    schema = ClassGraph.read(tmp_path / "schema.ttl")
    said = Properties.read(schema, kg.relations)
    rules = Violations.read(EntityKinds.read(kg.entities, kg.relations, schema, types=TYPES), kg.relations, schema)
    found = KnownContradictions.read(kg, schema)
    told = {tuple(row.values())[:3] for row in found.rows()}
    seen = set()
    apart: dict[int, set[int]] = {}
    for one, others in objects_of(schema, "http://www.w3.org/2002/07/owl#propertyDisjointWith").items():
        for other in others:
            apart.setdefault(one, set()).add(other)
            apart.setdefault(other, set()).add(one)
    for row, (head, relation, tail) in enumerate(found.facts.tolist()):
        others = found.facts[torch.arange(len(found.facts)) != row]
        model = SimpleNamespace(
            _known=others, entities_=kg.entities, relations_=kg.relations, ruled_out=lambda *_: None
        )
        out = RuledOut.read(model, relation, said).answers(torch.tensor([head]), "tail")
        refused = bool(rules.wrong(relation, "tail")[tail] | rules.wrong(relation, "head")[head])
        refused |= out is not None and bool(out[0, tail])
        # What a property has already is not refused for what it is by itself, be it one too many.
        node = said.nodes[relation]
        follows = any(
            Entailed.of_node(one, said, others, 8).because(*((tail, head) if turned else (head, tail)))
            for one, turned in {(node, False), *said.implied.get(node, ())}
        )
        named = (kg.entities[head], kg.relations[relation], kg.entities[tail])
        # What is excluded may follow from the fact, which is then told of and not refused.
        excluded = any(
            Entailed.of_node(other, said, found.facts, 8).because(*((tail, head) if turned else (head, tail)))
            for one, turned in {(node, False), *said.implied.get(node, ())}
            for other in apart.get(one, ())
        )
        assert (named in told) == (refused or excluded) or (named in told and follows)
        seen.add(refused)
    assert seen == {False, True}
