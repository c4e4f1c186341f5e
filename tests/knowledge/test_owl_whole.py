"""OWL 2, whole: every kind of axiom is in the account, by its name, used or dropped with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph

from .helpers import edges

Data = Callable[[str], Path]
Turtle = Callable[..., ClassGraph]

# Every axiom of the structural specification of OWL 2 (sections 9 and 10) -> its row in the account, whether it is used
AXIOMS = {
    "SubClassOf(:A :B)": ("SubClassOf", True),
    "SubClassOf(ObjectSomeValuesFrom(:r :A) ObjectSomeValuesFrom(:r :B))": ("SubClassOf", False),
    "EquivalentClasses(:C :D)": ("EquivalentClasses", True),
    "EquivalentClasses(:C ObjectIntersectionOf(:A ObjectSomeValuesFrom(:r :B)))": ("EquivalentClasses", True),
    "DisjointClasses(:A :E)": ("DisjointClasses", True),
    "DisjointClasses(:A :F :G)": ("DisjointClasses", True),
    "DisjointUnion(:H :A :E)": ("DisjointUnion", True),
    "SubObjectPropertyOf(:r :s)": ("SubPropertyOf", True),
    "SubObjectPropertyOf(ObjectPropertyChain(:r :s) :t)": ("SubPropertyChainOf", True),
    "EquivalentObjectProperties(:r :u)": ("EquivalentProperties", True),
    "DisjointObjectProperties(:r :v)": ("DisjointProperties", True),
    "DisjointObjectProperties(:r :v :w)": ("DisjointProperties", True),
    "InverseObjectProperties(:r :x)": ("InverseProperties", True),
    "ObjectPropertyDomain(:r :A)": ("PropertyDomain", True),
    "ObjectPropertyRange(:r :B)": ("PropertyRange", True),
    "FunctionalObjectProperty(:r)": ("FunctionalProperty", True),
    "InverseFunctionalObjectProperty(:r)": ("InverseFunctionalProperty", True),
    "ReflexiveObjectProperty(:r)": ("ReflexiveProperty", True),
    "IrreflexiveObjectProperty(:s)": ("IrreflexiveProperty", True),
    "SymmetricObjectProperty(:s)": ("SymmetricProperty", True),
    "AsymmetricObjectProperty(:t)": ("AsymmetricProperty", True),
    "TransitiveObjectProperty(:t)": ("TransitiveProperty", True),
    "SubDataPropertyOf(:d :e)": ("SubPropertyOf", True),
    "EquivalentDataProperties(:d :f)": ("EquivalentProperties", True),
    "DisjointDataProperties(:d :g)": ("DisjointProperties", True),
    "DataPropertyDomain(:d :A)": ("PropertyDomain", True),
    "DataPropertyRange(:d xsd:integer)": ("PropertyRange", True),
    'DataPropertyRange(:e DataOneOf("1" "2"))': ("PropertyRange", False),
    "FunctionalDataProperty(:d)": ("FunctionalProperty", True),
    'DatatypeDefinition(:dt DatatypeRestriction(xsd:integer xsd:minInclusive "5"^^xsd:integer))': (
        "DatatypeDefinition",
        False,
    ),
    "HasKey(:A (:r) (:d))": ("HasKey", True),
    "SameIndividual(:i :j)": ("SameIndividual", True),
    "DifferentIndividuals(:i :k)": ("DifferentIndividuals", False),
    "DifferentIndividuals(:i :k :l)": ("DifferentIndividuals", False),
    "ClassAssertion(:A :i)": ("ClassAssertion", True),
    "ClassAssertion(ObjectSomeValuesFrom(:r :B) :i)": ("ClassAssertion", True),
    "ObjectPropertyAssertion(:r :i :k)": ("Relation", True),
    "NegativeObjectPropertyAssertion(:r :i :l)": ("NegativePropertyAssertion", False),
    'DataPropertyAssertion(:d :i "1"^^xsd:integer)': ("Number", True),
    'NegativeDataPropertyAssertion(:d :i "2"^^xsd:integer)': ("NegativePropertyAssertion", False),
    'AnnotationAssertion(rdfs:label :A "a"@en)': ("Text", True),
    "AnnotationAssertion(:see :A <http://e/page>)": ("Relation", True),
    "SubAnnotationPropertyOf(:see :about)": ("SubPropertyOf", True),
    "AnnotationPropertyDomain(:see :A)": ("PropertyDomain", True),
    "AnnotationPropertyRange(:see :B)": ("PropertyRange", True),
    "Declaration(Class(:A))": ("Declaration", True),
    "Declaration(NamedIndividual(:i))": ("Declaration", True),
    "Declaration(AnnotationProperty(:see))": ("Declaration", True),
    'SubClassOf(Annotation(rdfs:comment "why") :E :B)': ("SubClassOf", True),
    "Import(<http://e/other>)": ("Import", False),
    "DLSafeRule(Body(ClassAtom(:A Variable(<urn:v>)))Head(ClassAtom(:B Variable(<urn:v>))))": ("Rule", False),
}
HEAD = """Prefix(:=<http://e/>)
Prefix(rdfs:=<http://www.w3.org/2000/01/rdf-schema#>)
Prefix(xsd:=<http://www.w3.org/2001/XMLSchema#>)
Ontology(<http://e/o>
"""


def test_every_kind_of_axiom_is_accounted_for(tmp_path: Path) -> None:
    pytest.importorskip("pyhornedowl")
    imports_first = sorted(AXIOMS, key=lambda axiom: not axiom.startswith("Import"))
    path = tmp_path / "o.ofn"
    path.write_text(HEAD + "\n".join(imports_first) + ")")
    graph = ClassGraph.read(path)
    assert graph.account.balanced
    rows = graph.axioms()
    expected = Counter(kind for kind, _ in AXIOMS.values())
    used = Counter(kind for kind, is_used in AXIOMS.values() if is_used)
    for kind, count in expected.items():
        assert rows[kind].axioms == count, kind
        assert rows[kind].used + rows[kind].declared == used[kind], kind
        assert sum(rows[kind].dropped.values()) == count - used[kind]
    # Beside the axioms: the ontology itself, the annotation of an axiom, the variable of the rule. No leftovers.
    assert set(rows) - set(expected) == {"Ontology header", "Annotation of an axiom", "Rule variable"}


@pytest.mark.parametrize("axiom", AXIOMS)
def test_each_alone(axiom: str, tmp_path: Path) -> None:
    pytest.importorskip("pyhornedowl")
    path = tmp_path / "o.ofn"
    path.write_text(f"{HEAD}{axiom})")
    graph = ClassGraph.read(path)
    kind, is_used = AXIOMS[axiom]
    row = graph.axioms()[kind]
    assert (row.axioms, row.used + row.declared) == (1, int(is_used))
    assert graph.account.balanced
    assert "Other" not in graph.axioms()


def test_axioms_survive_saving(turtle: Turtle, tmp_path: Path) -> None:
    graph = turtle(":A rdfs:subClassOf :B .")
    graph.save(tmp_path / "g.kgz")
    assert ClassGraph.load(tmp_path / "g.kgz").axioms() == graph.axioms()


def test_expressions_nested_to_any_depth(turtle: Turtle) -> None:
    """A ⊑ ∃r.(B ⊓ ∃s.(C ⊔ ∃t.(D ⊓ ∀u.E))): one path for each name at the end."""
    text = """:A rdfs:subClassOf [ owl:onProperty :r ; owl:someValuesFrom [ owl:intersectionOf ( :B
        [ owl:onProperty :s ; owl:someValuesFrom [ owl:unionOf ( :C
        [ owl:onProperty :t ; owl:someValuesFrom [ owl:intersectionOf ( :D
        [ owl:onProperty :u ; owl:allValuesFrom :E ] ) ] ] ) ] ] ) ] ] ."""
    graph = turtle(text)
    assert edges(graph) == {("A", "r", "B"), ("A", "r/s", "C"), ("A", "r/s/t", "D"), ("A", "r/s/t/u", "E")}
    assert graph.account.balanced


def test_punning_is_one_node_with_all_its_edges_and_a_note(turtle: Turtle) -> None:
    text = ":Eagle a owl:Class ; rdfs:subClassOf :Bird ; a :Species . :Species a owl:Class . :sam a :Eagle ."
    graph = turtle(text)
    assert edges(graph) == {("Eagle", "subClassOf", "Bird"), ("Eagle", "type", "Species"), ("sam", "type", "Eagle")}
    assert graph.kind(graph.node("http://example.org/Eagle")) == "class"
    assert "1 name is used as two kinds of thing (class, property, individual)" in graph.account.notes[0]
    assert not turtle(":Eagle a owl:Class ; rdfs:subClassOf :Bird . :sam a :Eagle .").account.notes


ANNOTATED = {
    "pizza.owl": "xml",
    "univ-bench.owl": "xml",
    "koala.owl": "xml",
    "wine.owl": "xml",
    "aeo.owl": "xml",
    "caro_2_merged.owl": "xml",
    "bfo-core-2020.owl": "xml",
    "family_owl2_primer.owl": "xml",
}
# Kinds that py-horned-owl reads from RDF without loss; their number of axioms is the same there.
COMPARED = {
    "SubClassOf": ("SubClassOf",),
    "DisjointUnion": ("DisjointUnion",),
    "SubPropertyOf": ("SubObjectPropertyOf", "SubDataPropertyOf", "SubAnnotationPropertyOf"),
    "InverseProperties": ("InverseObjectProperties",),
    "PropertyDomain": ("ObjectPropertyDomain", "DataPropertyDomain", "AnnotationPropertyDomain"),
    "PropertyRange": ("ObjectPropertyRange", "DataPropertyRange", "AnnotationPropertyRange"),
    "FunctionalProperty": ("FunctionalObjectProperty", "FunctionalDataProperty"),
    "TransitiveProperty": ("TransitiveObjectProperty",),
    "DifferentIndividuals": ("DifferentIndividuals",),
    "HasKey": ("HasKey",),
}


@pytest.mark.parametrize("name", ANNOTATED)
def test_numbers_of_axioms_agree_with_horned_owl(name: str, data: Data) -> None:
    pyhornedowl = pytest.importorskip("pyhornedowl")
    path = data(f"ontologies/{name}")
    theirs = Counter(
        type(item.component).__name__ for item in pyhornedowl.open_ontology(str(path), "rdf").get_components()
    )
    rows = ClassGraph.read(path).axioms()
    for kind, names in COMPARED.items():
        ours = rows[kind].axioms if kind in rows else 0
        if name == "family_owl2_primer.owl" and kind == "SubPropertyOf":
            ours += rows["SubPropertyChainOf"].axioms  # chains are sub-properties there
            assert rows["DatatypeDefinition"].axioms == 4  # personAge, minorAge, majorAge, toddlerAge
        assert ours == sum(theirs[one] for one in names), kind
