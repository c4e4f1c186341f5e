"""Real ontologies and knowledge graphs below ``KGZSL_DATA``: read, as rdflib reads them, or refused with a reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import ReadOptions, read_triples
from kgzsl.knowledge.triples import Triples, split_literal
from kgzsl.knowledge.vocabulary import OWL, SUBCLASS_OF

from .helpers import edges, row
from .test_w3c import canonical, ours

Data = Callable[[str], Path]

# file -> rdflib's name of the format
RDF_FILES = {
    "pizza.owl": "xml",
    "wine.owl": "xml",
    "food.owl": "xml",
    "wine.ttl": "turtle",
    "family_jena.ttl": "turtle",
    "foaf.rdf": "xml",
    "foaf.ttl": "turtle",
    "koala.owl": "xml",
    "family_owl2_primer.owl": "xml",
    "family_owl2_primer.ttl": "turtle",
    "galenFragment.txt": "xml",
    "swrl_test.owl": "xml",
    "univ-bench.owl": "xml",
    "bfo-core-2020.owl": "xml",
    "bfo-core-2020.ttl": "turtle",
    "aeo.owl": "xml",
    "caro_2_merged.owl": "xml",
    "relatives.ttl": "turtle",
}
LARGE = {
    "schemaorg-30.0-current-https.ttl": "turtle",
    "dbpedia-ontology.ttl.gz": "turtle",
    "skos_thesaurus_fr.rdf.gz": "xml",
    "schemaorg-30.0-current-https.rdf.gz": "xml",
}
# What is written there is not an IRI (two number signs).
LENIENT = {"family_owl2_primer.ttl"}


def as_rdflib(triples: Triples) -> rdflib.Graph:
    graph = rdflib.Graph()

    def term(number: int) -> rdflib.term.Node:
        key = triples.terms[number]
        if number < triples.num_iris:
            return rdflib.URIRef(key)
        if number < triples.first_literal:
            return rdflib.BNode(key[2:])
        text, language, datatype = split_literal(key)
        return rdflib.Literal(text, lang=language, datatype=datatype)

    for s, p, o in zip(
        *(part.tolist() for part in (triples.subjects, triples.predicates, triples.objects)), strict=True
    ):
        graph.add((term(s), term(p), term(o)))
    return graph


def by_rdflib(path: Path, format_name: str) -> rdflib.Graph:
    import gzip

    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    graph = rdflib.Graph().parse(data=content, format=format_name, publicID=f"file:///{path.name}")
    plain = rdflib.Graph()
    for s, p, o in graph:
        # xsd:string is what a plain literal has in RDF 1.1; rdflib keeps the two apart.
        if isinstance(o, rdflib.Literal) and o.datatype == rdflib.XSD.string:
            o = rdflib.Literal(str(o))
        plain.add((s, p, o))
    return plain


def as_quads(graph: rdflib.Graph) -> list[ox.Quad]:
    def term(node: rdflib.term.Node) -> ox.NamedNode | ox.BlankNode | ox.Literal:
        if isinstance(node, rdflib.BNode):
            return ox.BlankNode(str(node))
        if isinstance(node, rdflib.URIRef):
            return ox.NamedNode(str(node))
        assert isinstance(node, rdflib.Literal)
        if node.language:
            return ox.Literal(str(node), language=node.language)
        return ox.Literal(str(node), datatype=ox.NamedNode(str(node.datatype))) if node.datatype else ox.Literal(node)

    return [ox.Quad(*map(term, triple)) for triple in graph]  # type: ignore[arg-type]


@pytest.fixture
def _as_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep rdflib from rewriting literals such as "01"^^xsd:integer."""
    monkeypatch.setattr(rdflib, "NORMALIZE_LITERALS", False)


SECONDS = ("dbpedia-ontology.ttl.gz", "schemaorg-30.0-current-https.rdf.gz")  # that rdflib takes


@pytest.mark.usefixtures("_as_written")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SECONDS else name for name in (*RDF_FILES, *LARGE)],
)
def test_agrees_with_rdflib_triple_for_triple(name: str, data: Data) -> None:
    """Up to the names of blank nodes, which the canonical form of both graphs takes away."""
    path = data(f"ontologies/{name}")
    theirs = canonical(as_quads(by_rdflib(path, {**RDF_FILES, **LARGE}[name])))
    assert ours(read_triples(path, None, ReadOptions(lenient=name in LENIENT)).triples) == theirs


# What rdflib cannot read, and what is compared instead.
OTHERS = {
    "bfo-core-2020.ofn": "its own RDF, in test_owl_syntaxes",
    "family_owl2_primer.ofn": "its own RDF, in test_owl_syntaxes",
    "bfo-2.0.obo": "fastobo, in test_obo",
    "goslim_generic.obo": "fastobo, in test_obo",
    "ms.obo": "fastobo, in test_obo",
    "uo.obo": "fastobo, in test_obo",
    "obographs_basic.json": "counts by hand, in test_obo",
    "obographs_nucleus.json": "counts by hand, in test_obo",
    "galen_snippet.owl": "not well-formed: refused, below",
}


def test_no_file_is_left_out_of_the_comparison(data: Data) -> None:
    files = {path.name for path in data("ontologies").iterdir() if path.is_file() and path.suffix != ".md"}
    assert files == {*RDF_FILES, *LARGE, *OTHERS}


@pytest.mark.parametrize("projection", ["owl2vec", "w3c", "taxonomy"])
@pytest.mark.parametrize("name", [*RDF_FILES, *LARGE])
def test_the_account_balances(name: str, projection: str, data: Data) -> None:
    graph = ClassGraph.read(data(f"ontologies/{name}"), projection=projection, lenient=name in LENIENT)
    assert graph.account.balanced
    assert graph.account.triples == graph.provenance["counts"]["triples"]
    if projection == "w3c":
        assert graph.num_edges == graph.account.triples
    else:
        assert not any(iri.startswith("_:") for iri in graph.iris)


def test_every_ontology_is_read_or_refused_with_a_reason(data: Data) -> None:
    for path in sorted(data("ontologies").iterdir()):
        if path.is_dir() or path.suffix == ".md":
            continue
        try:
            assert ClassGraph.read(path).num_nodes
        except InputError as error:
            assert error.remedy  # noqa: PT017
            assert str(path) in str(error)  # noqa: PT017
            broken = ("galen_snippet.owl", "family_owl2_primer.ttl")
            assert path.name in broken


def test_broken_galen_is_refused_at_its_line(data: Data) -> None:
    with pytest.raises(InputError, match=r"galen_snippet\.owl, line 64, column \d+: not well-formed XML"):
        ClassGraph.read(data("ontologies/galen_snippet.owl"))


@pytest.mark.parametrize("folder", ["awa", "imnet_a", "imnet_o", "nell_schema", "wiki_zs", "wordnet", "codex_s"])
def test_every_kzsl_file_is_read_or_refused_with_a_reason(folder: str, data: Data) -> None:
    read = 0
    for path in sorted(data(f"kg/{folder}").rglob("*")):
        if path.is_dir():
            continue
        try:
            graph = ClassGraph.read(path)
        except InputError as error:
            assert error.remedy  # noqa: PT017
            assert str(path) in str(error)  # noqa: PT017
            assert path.suffix not in (".ttl", ".owl", ".rdf")
        else:
            assert graph.account.balanced
            read += 1
    assert read or folder == "wordnet"


@pytest.mark.parametrize(
    ("folder", "name", "table_triples"),
    [("awa", "AwA", 14112), ("imnet_a", "ImNet-A", 10461), ("imnet_o", "ImNet-O", None)],
)
def test_kzsl_forms_of_a_graph_agree(folder: str, name: str, table_triples: int | None, data: Data) -> None:
    table, turtle, xml = (
        ClassGraph.read(data(f"kg/{folder}/KG-{name}{suffix}")) for suffix in (".csv", ".ttl", ".rdf.gz")
    )
    if table_triples is not None:  # the published count, in the README of the data
        assert table.account.triples == table_triples
    assert set(table.iris) == set(turtle.iris) == set(xml.iris)
    assert edges(table) == edges(turtle) == edges(xml)
    labels = [dict(zip(graph.iris, graph.labels, strict=True)) for graph in (table, turtle, xml)]
    assert labels[0] == labels[1] == labels[2]


def test_awa_by_the_published_counts(data: Data) -> None:
    graph = ClassGraph.read(data("kg/awa/KG-AwA.csv"), projection="w3c")
    counts = Counter(graph.relations[kind] for kind in graph.edge_type)
    assert counts[SUBCLASS_OF] == 7657
    assert counts[OWL + "disjointWith"] == 1423
    similar = graph.similarity_edges().sum()
    assert similar == graph.num_edges - 1423


def test_nell_schema_by_the_published_counts(data: Data) -> None:
    graph = ClassGraph.read(data("kg/nell_schema/Schema-NELL.csv"))
    assert row(graph, "PropertyDomain")[0] == row(graph, "PropertyRange")[0] == 894
    assert row(graph, "SubPropertyOf")[0] == 935
    assert row(graph, "SubClassOf")[0] == 332
    assert row(graph, "SubPropertyChainOf") == (20, 40, 20, 0)
    assert row(graph, "Text")[0] == 1063
    owl = ClassGraph.read(data("kg/nell_schema/Onto-NELL.owl"))
    assert edges(owl) == edges(graph) == edges(ClassGraph.read(data("kg/nell_schema/Schema-NELL.ttl")))


def test_wordnet_pairs_when_told_what_they_mean(data: Data) -> None:
    graph = ClassGraph.read(data("kg/wordnet/is_a.txt.gz"), columns=("object", "subject"), relation="rdfs:subClassOf")
    assert graph.account.triples + graph.account.duplicates == 75850  # lines of the file
    spaniel, dog = graph.node("n02102040"), graph.node("n02084071")
    assert dog in graph.ancestors(spaniel)
    assert spaniel not in graph.ancestors(dog)
    words = ClassGraph.read(data("kg/wordnet/words.txt.gz"), columns=("subject", "object"), relation="rdfs:label")
    assert words.labels[words.node("n02084071")].startswith("dog")


def test_pizza_by_hand(data: Data) -> None:
    graph = ClassGraph.read(data("ontologies/pizza.owl"))
    found = edges(graph)
    # Margherita ⊑ NamedPizza ⊓ ∃hasTopping.Mozzarella ⊓ ∃hasTopping.Tomato ⊓ ∀hasTopping.(Mozzarella ⊔ Tomato)
    margherita = {edge for edge in found if edge[0] == "Margherita" and edge[1] != "disjointWith"}
    assert margherita == {
        ("Margherita", "subClassOf", "NamedPizza"),
        ("Margherita", "hasTopping", "MozzarellaTopping"),
        ("Margherita", "hasTopping", "TomatoTopping"),
    }
    assert ("hasTopping", "inverseOf", "isToppingOf") in found
    (margherita_node,) = [node for node, iri in enumerate(graph.iris) if iri.endswith("#Margherita")]
    assert graph.labels[margherita_node] == "Margherita"


COUNTED = (
    *("ontologies/pizza.owl", "ontologies/univ-bench.owl", "ontologies/koala.owl", "ontologies/wine.owl"),
    *("ontologies/food.owl", "ontologies/bfo-core-2020.owl", "ontologies/aeo.owl", "ontologies/caro_2_merged.owl"),
    *("ontologies/family_jena.ttl", "ontologies/family_owl2_primer.owl", "kg/nell_schema/Onto-NELL.owl"),
    *("ontologies/relatives.ttl", "ontologies/swrl_test.owl", "ontologies/galenFragment.txt", "ontologies/wine.ttl"),
    *("ontologies/bfo-core-2020.ttl", "kg/wiki_zs/schema/Onto-Wiki.owl.gz", "kg/awa/attribute_hierarchy.owl"),
)
# Classes, object and data properties, and what owlready2 has not: it takes no transitive property for a property
# where that is all that the ontology says of it.
EXACT = {
    "ontologies/pizza.owl": (99, 8, set()),
    "ontologies/univ-bench.owl": (43, 32, {"http://swat.cse.lehigh.edu/onto/univ-bench.owl#subOrganizationOf"}),
    "kg/nell_schema/Onto-NELL.owl": (292, 894, set()),
}


@pytest.mark.parametrize("name", COUNTED)
def test_classes_and_properties_agree_with_owlready2(name: str, data: Data, tmp_path: Path) -> None:
    owlready2 = pytest.importorskip("owlready2")
    source = as_rdflib(read_triples(data(name), None, ReadOptions()).triples)
    source.remove((None, rdflib.OWL.imports, None))  # owlready2 would fetch them
    path = tmp_path / "o.nt"
    source.serialize(path, format="nt", encoding="utf-8")
    onto = owlready2.World().get_ontology(path.as_uri()).load()
    graph = ClassGraph.read(data(name))

    def of_kind(kind: int) -> set[str]:
        return {iri for iri, code in zip(graph.iris, graph.kinds, strict=True) if code == kind}

    def declared(*types: rdflib.URIRef) -> set[str]:
        return {str(subject) for kind in types for subject in source.subjects(rdflib.RDF.type, kind)}

    theirs = {entity.iri for entity in onto.classes()}
    assert theirs <= of_kind(0)
    # Ours alone are names that are used as a class, and declared elsewhere.
    assert not (of_kind(0) - theirs) & declared(rdflib.OWL.Class, rdflib.RDFS.Class)
    properties = {entity.iri for entity in (*onto.object_properties(), *onto.data_properties())}
    assert properties <= of_kind(1)
    kinds = (rdflib.OWL.ObjectProperty, rdflib.OWL.DatatypeProperty)
    assert not (of_kind(1) - properties) & declared(*kinds)
    assert not of_kind(0) & of_kind(1)
    if name in EXACT:
        classes, others, beyond = EXACT[name]
        assert (len(of_kind(0)), len(of_kind(1))) == (classes, others)
        assert of_kind(0) == theirs
        assert of_kind(1) - properties == beyond
