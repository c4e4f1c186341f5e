"""What the schema is said to say of a proposed triple: its own axioms, and unions as OWL means them."""

from __future__ import annotations

import pytest

from kgzsl.datasets import KGSplit
from kgzsl.knowledge import ClassGraph
from kgzsl.tasks.kg_completion.inductive import InductiveTask, RmpiCompleter
from kgzsl.tasks.kg_completion.reasons import reasons
from kgzsl.tasks.statements import statements_about

W = "http://example.org/w#"
START = f"""@prefix : <{W}> . @prefix owl: <http://www.w3.org/2002/07/owl#> . @prefix mine: <http://mine/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
:Patient a owl:Class . :Doctor a owl:Class . :Ill rdfs:subClassOf :Patient . :p a owl:ObjectProperty .
"""


@pytest.fixture
def axioms(tmp_path):
    kg = KGSplit.from_names([("a", W + "p", "b"), ("b", W + "q", "c")], [], [])
    task = InductiveTask(kg.entities, kg.relations, kg.train, kg.valid, kg.test)
    model = RmpiCompleter(dim=4, epochs=1, queries=4, others=2, calibrate=False).fit(task)

    def told(statements: str) -> set[str]:
        (tmp_path / "schema.ttl").write_text(START + statements)
        schema = ClassGraph.read(tmp_path / "schema.ttl")
        assert schema.num_edges
        return set(reasons(model, 0, 0, 2, schema=schema).axioms)

    return told


def test_of_a_union_one_class_is_enough_and_of_several_statements_all_are_needed(axioms):
    union = ":p rdfs:domain [ a owl:Class ; owl:unionOf (:Patient :Doctor) ] . "
    assert axioms(union) == {"domain Doctor or Patient"}
    assert axioms(union + ":p rdfs:domain :Ill .") == {"domain Doctor or Patient", "domain Ill"}
    assert axioms(":p rdfs:range :Patient, :Doctor .") == {"range Patient", "range Doctor"}


def test_a_predicate_of_ones_own_is_no_axiom_whatever_its_name(axioms):
    assert axioms(":p mine:range :Patient ; mine:inverseOf :q ; rdfs:range :Doctor .") == {"range Doctor"}
    assert axioms(":q mine:subPropertyOf :p . :p mine:inverseOf :q .") == set()


def test_explanations_tell_a_union_as_one(tmp_path):
    (tmp_path / "schema.ttl").write_text(
        START + ":p rdfs:domain [ a owl:Class ; owl:unionOf (:Patient :Doctor) ] ; rdfs:range :Ill ."
    )
    told = {one.text for one in statements_about(ClassGraph.read(tmp_path / "schema.ttl"), W + "p")}
    assert told == {"p domain Patient (or Doctor)", "p domain Doctor (or Patient)", "p range Ill"}
