"""OWL in functional syntax, OWL/XML and Manchester syntax: the same graph as from RDF."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import ReadOptions, read_triples

from .helpers import edges

pyhornedowl = pytest.importorskip("pyhornedowl")
Data = Callable[[str], Path]

PREFIXES = """Prefix(:=<http://e/>)
Prefix(owl:=<http://www.w3.org/2002/07/owl#>)
Prefix(rdfs:=<http://www.w3.org/2000/01/rdf-schema#>)
Prefix(xsd:=<http://www.w3.org/2001/XMLSchema#>)
Ontology(<http://e/o> <http://e/o/1>
"""
# axiom in functional syntax -> the triples of the OWL 2 mapping to RDF, as Turtle
MAPPING = {
    "SubClassOf(:A :B)": ":A rdfs:subClassOf :B .",
    "SubClassOf(:A ObjectSomeValuesFrom(ObjectInverseOf(:r) :B))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty [ owl:inverseOf :r ] ; owl:someValuesFrom :B ] ."
    ),
    "SubClassOf(ObjectIntersectionOf(:A ObjectComplementOf(:B)) ObjectUnionOf(:C :D))": (
        "[ a owl:Class ; owl:intersectionOf ( :A [ a owl:Class ; owl:complementOf :B ] ) ]"
        " rdfs:subClassOf [ a owl:Class ; owl:unionOf ( :C :D ) ] ."
    ),
    "SubClassOf(:A ObjectMinCardinality(2 :r))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ;"
        ' owl:minCardinality "2"^^xsd:nonNegativeInteger ] .'
    ),
    "SubClassOf(:A ObjectExactCardinality(2 :r :B))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:onClass :B ;"
        ' owl:qualifiedCardinality "2"^^xsd:nonNegativeInteger ] .'
    ),
    "SubClassOf(:A DataMaxCardinality(3 :d xsd:integer))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :d ; owl:onDataRange xsd:integer ;"
        ' owl:maxQualifiedCardinality "3"^^xsd:nonNegativeInteger ] .'
    ),
    "SubClassOf(:A ObjectHasSelf(:r))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:hasSelf true ] ."
    ),
    "SubClassOf(:A ObjectHasValue(:r :x))": (
        ":A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :r ; owl:hasValue :x ] ."
    ),
    'SubClassOf(:A DataHasValue(:d "x"@en))': (
        ':A rdfs:subClassOf [ a owl:Restriction ; owl:onProperty :d ; owl:hasValue "x"@en ] .'
    ),
    "EquivalentClasses(:A :B :C)": ":A owl:equivalentClass :B . :B owl:equivalentClass :C .",
    "EquivalentClasses(:A ObjectOneOf(:x :y))": ":A owl:equivalentClass [ a owl:Class ; owl:oneOf ( :x :y ) ] .",
    "DisjointClasses(:A :B)": ":A owl:disjointWith :B .",
    "DisjointClasses(:A :B :C)": "[] a owl:AllDisjointClasses ; owl:members ( :A :B :C ) .",
    "DisjointUnion(:A :B :C)": ":A owl:disjointUnionOf ( :B :C ) .",
    "SubObjectPropertyOf(ObjectPropertyChain(:r :s) :t)": ":t owl:propertyChainAxiom ( :r :s ) .",
    "SubObjectPropertyOf(:r :s)": ":r rdfs:subPropertyOf :s .",
    "SubDataPropertyOf(:d :f)": ":d rdfs:subPropertyOf :f .",
    "EquivalentObjectProperties(:r :s)": ":r owl:equivalentProperty :s .",
    "DisjointObjectProperties(:r :s)": ":r owl:propertyDisjointWith :s .",
    "InverseObjectProperties(:r :s)": ":r owl:inverseOf :s .",
    "ObjectPropertyDomain(:r :A)": ":r rdfs:domain :A .",
    "DataPropertyRange(:d xsd:integer)": ":d rdfs:range xsd:integer .",
    "TransitiveObjectProperty(:r)": ":r a owl:TransitiveProperty .",
    "FunctionalDataProperty(:d)": ":d a owl:FunctionalProperty .",
    "InverseFunctionalObjectProperty(:r)": ":r a owl:InverseFunctionalProperty .",
    'DatatypeDefinition(:t DatatypeRestriction(xsd:integer xsd:minInclusive "5"^^xsd:integer))': (
        ":t owl:equivalentClass [ a rdfs:Datatype ; owl:onDatatype xsd:integer ;"
        " owl:withRestrictions ( [ xsd:minInclusive 5 ] ) ] ."
    ),
    'DataPropertyRange(:d DataOneOf("a" "b"))': ':d rdfs:range [ a rdfs:Datatype ; owl:oneOf ( "a" "b" ) ] .',
    "HasKey(:A (:r) (:d))": ":A owl:hasKey ( :r :d ) .",
    "SameIndividual(:x :y)": ":x owl:sameAs :y .",
    "DifferentIndividuals(:x :y)": ":x owl:differentFrom :y .",
    "DifferentIndividuals(:x :y :z)": "[] a owl:AllDifferent ; owl:distinctMembers ( :x :y :z ) .",
    "ClassAssertion(:A :x)": ":x a :A .",
    "ObjectPropertyAssertion(:r :x :y)": ":x :r :y .",
    "ObjectPropertyAssertion(ObjectInverseOf(:r) :x :y)": ":y :r :x .",
    'DataPropertyAssertion(:d :x "1"^^xsd:integer)': ":x :d 1 .",
    "NegativeObjectPropertyAssertion(:r :x :y)": (
        "[] a owl:NegativePropertyAssertion ; owl:sourceIndividual :x ; owl:assertionProperty :r ;"
        " owl:targetIndividual :y ."
    ),
    'AnnotationAssertion(rdfs:label :A "a"@en)': ':A rdfs:label "a"@en .',
    "AnnotationAssertion(:p _:b :A)": "_:b :p :A .",
    "SubAnnotationPropertyOf(:p :q)": ":p rdfs:subPropertyOf :q .",
    "Declaration(Class(:A))": ":A a owl:Class .",
    "Declaration(Datatype(:t))": ":t a rdfs:Datatype .",
    'SubClassOf(Annotation(Annotation(:p "n") :q "m") :A :B)': (
        ":A rdfs:subClassOf :B . [] a owl:Axiom ; owl:annotatedSource :A ; owl:annotatedProperty rdfs:subClassOf ;"
        ' owl:annotatedTarget :B ; :q "m" {{| |}} .'
    ),
    'Import(<http://e/other>) Annotation(rdfs:comment "c")': (
        '<http://e/o> owl:imports <http://e/other> ; rdfs:comment "c" .'
    ),
    "DLSafeRule(Body(ClassAtom(:A Variable(<urn:x>)))Head(ObjectPropertyAtom(:r Variable(<urn:x>) :y)))": (
        "[] a swrl:Imp ; swrl:body ( [ a swrl:ClassAtom ; swrl:classPredicate :A ; swrl:argument1 <urn:x> ] ) ;"
        " swrl:head ( [ a swrl:IndividualPropertyAtom ; swrl:propertyPredicate :r ; swrl:argument1 <urn:x> ;"
        " swrl:argument2 :y ] ) . <urn:x> a swrl:Variable ."
    ),
}
TURTLE = """@prefix : <http://e/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> . @prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
@prefix swrl: <http://www.w3.org/2003/11/swrl#> .
<http://e/o> a owl:Ontology ; owl:versionIRI <http://e/o/1> .
"""


@pytest.mark.parametrize("axiom", MAPPING)
def test_each_axiom_becomes_the_triples_of_the_standard(axiom: str, tmp_path: Path) -> None:
    import rdflib
    from rdflib.compare import isomorphic

    from .test_data_files import as_rdflib

    path = tmp_path / "o.ofn"
    path.write_text(f"{PREFIXES}{axiom})")
    expected = MAPPING[axiom]
    if "{{|" in expected:  # rdflib reads no annotation syntax: the annotation of the annotation, written out
        expected = expected.replace("{{| |}} .", ".").replace("[] a owl:Axiom", "_:a a owl:Axiom") + (
            ' [] a owl:Annotation ; owl:annotatedSource _:a ; owl:annotatedProperty :q ; owl:annotatedTarget "m" ;'
            ' :p "n" .'
        )
    wanted = rdflib.Graph().parse(data=TURTLE + expected, format="turtle")
    assert isomorphic(as_rdflib(read_triples(path, None, ReadOptions()).triples), wanted)


@pytest.mark.parametrize(("name", "others"), [("bfo-core-2020", ("owl", "ttl")), ("family_owl2_primer", ("owl",))])
def test_functional_syntax_and_rdf_give_one_graph(name: str, others: tuple[str, ...], data: Data) -> None:
    functional = ClassGraph.read(data(f"ontologies/{name}.ofn"))
    assert functional.account.balanced
    for other in others:
        rdf = ClassGraph.read(data(f"ontologies/{name}.{other}"))
        assert edges(functional) == edges(rdf)
        assert functional.num_edges == rdf.num_edges
        assert dict(zip(functional.iris, functional.labels, strict=True)) == dict(
            zip(rdf.iris, rdf.labels, strict=True)
        )
        assert dict(zip(functional.iris, functional.kinds, strict=True)) == dict(zip(rdf.iris, rdf.kinds, strict=True))


@pytest.mark.parametrize("syntax", ["ofn", "owx", "omn"])
@pytest.mark.parametrize("name", ["pizza.owl", "koala.owl", "aeo.owl"])
def test_other_syntaxes_give_the_graph_of_the_rdf(name: str, syntax: str, data: Data, tmp_path: Path) -> None:
    source = data(f"ontologies/{name}")
    path = tmp_path / f"o.{syntax}"
    path.write_text(pyhornedowl.open_ontology(str(source)).save_to_string(syntax), encoding="utf-8")
    ours, rdf = ClassGraph.read(path), ClassGraph.read(source)
    assert ours.account.balanced
    # Manchester syntax has no general axioms, and its frames declare what they are about.
    assert edges(ours) == edges(rdf)


def test_relative_prefix_is_repaired_and_reported(tmp_path: Path) -> None:
    path = tmp_path / "o.ofn"
    path.write_text("Prefix(:=<x#>)\nOntology(<http://e/o/>\nSubClassOf(:A :B))")
    graph = ClassGraph.read(path)
    assert set(graph.iris) == {"http://e/o/x#A", "http://e/o/x#B"}
    assert "the prefix <x#> is no full IRI; it was taken as <http://e/o/x#>" in graph.account.notes
    assert set(ClassGraph.read(path, base="http://base/").iris) == {"http://base/x#A", "http://base/x#B"}


@pytest.mark.parametrize("suffix", ["ofn", "owl", "txt", "owx"])
def test_functional_syntax_under_any_suffix(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"o.{suffix}"
    path.write_text("# a comment\nPrefix(:=<http://e/>)\nOntology(<http://e/o>\nSubClassOf(:A :B))")
    graph = ClassGraph.read(path)
    assert edges(graph) == {("A", "subClassOf", "B")}
    assert graph.provenance["format"] == "functional"
    assert graph.provenance["prefixes"] == {"": "http://e/"}


def test_reading_twice_gives_the_same_numbers(data: Data) -> None:
    """The library hands axioms out in another order each time."""
    path = data("ontologies/bfo-core-2020.ofn")
    one, two = ClassGraph.read(path), ClassGraph.read(path)
    assert one.iris == two.iris
    assert one.edge_index.tolist() == two.edge_index.tolist()


BROKEN = {
    "functional": ("o.ofn", "Ontology(<http://e/o>\nSubClassOf(<http://e/A>))", "line 2, column"),
    "functional cut off": ("o.ofn", "Ontology(<http://e/o>\nSubClassOf(<http://e/A> <http://e/B>)", "line 2"),
    "manchester": ("o.omn", "Ontology: <http://e/o>\nClass: <http://e/A>\n  SubClassOf: and and", "line 3"),
    "owl/xml": (
        "o.owx",
        '<Ontology xmlns="http://www.w3.org/2002/07/owl#" ontologyIRI="http://e/o"><SubClassOf></Ontology>',
        "line 1, column",
    ),
    "owl/xml with an external entity": (
        "o.owx",
        '<!DOCTYPE O [<!ENTITY x SYSTEM "file:///etc/passwd">]><Ontology xmlns="http://www.w3.org/2002/07/owl#"/>',
        "nothing is fetched",
    ),
    "too deep": (
        "o.ofn",
        "Ontology(<http://e/o>\nSubClassOf(" + "ObjectComplementOf(" * 501 + ":B" + ")" * 501 + " :A))",
        "line 2: expressions are nested deeper than 500",
    ),
    "not utf-8": ("o.ofn", b"Ontology(<http://e/o>\n# \xff\n)", "line 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_ontologies_are_refused(name: str, tmp_path: Path) -> None:
    file, content, said = BROKEN[name]
    path = tmp_path / file
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        ClassGraph.read(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parentheses_in_texts_do_not_nest(tmp_path: Path) -> None:
    path = tmp_path / "o.ofn"
    text = "(" * 600 + r"\" ("
    path.write_text(f'{PREFIXES}AnnotationAssertion(rdfs:comment :A "{text}"))')
    graph = ClassGraph.read(path)
    assert graph.texts[graph.node("http://e/A")][0].text == "(" * 600 + '" ('


def test_a_panic_of_the_library_is_refused_like_any_other_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class PanicException(BaseException):
        pass

    def panic(*arguments: object) -> None:
        raise PanicException("unreachable")

    monkeypatch.setattr(pyhornedowl, "open_ontology_from_string", panic)
    path = tmp_path / "o.ofn"
    path.write_text("Ontology(<http://e/o>)")
    with pytest.raises(InputError, match="gave up"):
        ClassGraph.read(path)
