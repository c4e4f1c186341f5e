"""OBO and OBO Graphs: as the .owl form of the same ontology."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph, InputError
from kgzsl.knowledge.readers import ReadOptions
from kgzsl.knowledge.readers.obo_lines import obo_stanzas, split_quoted, unescape, xrefs
from kgzsl.knowledge.readers.obo_names import OboNames
from kgzsl.knowledge.readers.source import open_source

from .helpers import edges

Data = Callable[[str], Path]
OBO = "http://purl.obolibrary.org/obo/"
TERMS = """format-version: 1.4
ontology: tiny
data-version: 2024-01-01
subsetdef: slim "A slim"
synonymtypedef: plural "plural form" EXACT
idspace: EX http://example.org/ "An example"

[Term]
id: T:0000001
name: organ
def: "A part of a body, said \\"simply\\"." [PMID:1, ISBN:2 "a book"]
synonym: "organs" EXACT plural [T:x]
xref: UBERON:0000062 "organ"
subset: slim
alt_id: T:0000009

[Term]
id: T:0000002
name: hand ! the end of an arm
is_a: T:0000001 {source="x"} ! organ
relationship: part_of T:0000003 ! arm
relationship: has_finger T:0000004 {cardinality="5"}
disjoint_from: T:0000003
property_value: EX:height "0.5" xsd:double
property_value: seeAlso T:0000003

[Term]
id: T:0000003
union_of: T:0000005
union_of: T:0000006

[Term]
id: T:0000007
intersection_of: T:0000001
intersection_of: part_of T:0000003
is_obsolete: true
replaced_by: T:0000002

[Typedef]
id: part_of
name: part of
xref: BFO:0000050
is_transitive: true
inverse_of: has_part
domain: T:0000001
range: T:0000003
is_a: overlaps
holds_over_chain: part_of located_in

[Typedef]
id: seeAlso
is_metadata_tag: true

[Instance]
id: T:my_hand
instance_of: T:0000002
relationship: part_of T:me
"""
PART_OF = "BFO_0000050"
EXPECTED = {
    ("T_0000002", "subClassOf", "T_0000001"),
    ("T_0000002", PART_OF, "T_0000003"),
    ("T_0000002", "has_finger", "T_0000004"),
    ("T_0000002", "disjointWith", "T_0000003"),
    ("T_0000002", "height", "height"),
    ("T_0000002", "seeAlso", "T_0000003"),
    ("T_0000005", "subClassOf", "T_0000003"),
    ("T_0000006", "subClassOf", "T_0000003"),
    ("T_0000007", "subClassOf", "T_0000001"),
    ("T_0000007", PART_OF, "T_0000003"),
    ("T_0000007", "IAO_0100001", "T_0000002"),
    ("T_0000009", "IAO_0100001", "T_0000001"),
    ("T_0000009", "IAO_0000231", "IAO_0000227"),
    ("T_0000001", "inSubset", "slim"),
    (PART_OF, "type", "TransitiveProperty"),
    (PART_OF, "inverseOf", "has_part"),
    ("has_part", "inverseOf", PART_OF),
    (PART_OF, "domain", "T_0000001"),
    (PART_OF, "range", "T_0000003"),
    ("T_0000001", PART_OF, "T_0000003"),  # domain to range
    (PART_OF, "subPropertyOf", "overlaps"),
    (PART_OF, "propertyChainAxiom", PART_OF),
    (PART_OF, "propertyChainAxiom", "located_in"),
    ("_my_hand", "type", "T_0000002"),
    ("_my_hand", PART_OF, "T_me"),
    ("slim", "subPropertyOf", "SubsetProperty"),
    ("plural", "subPropertyOf", "SynonymTypeProperty"),
}


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tiny.obo"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_tiny_ontology_by_hand(tmp_path: Path) -> None:
    graph = ClassGraph.read(write(tmp_path, TERMS))
    assert edges(graph) == EXPECTED
    assert graph.account.balanced
    organ = graph.node(f"{OBO}T_0000001")
    texts = {(text.property, text.text) for text in graph.texts[organ]}
    assert {
        ("label", "organ"),
        ("definition", 'A part of a body, said "simply".'),
        ("exactSynonym", "organs"),
    } <= texts
    assert graph.labels[graph.node(f"{OBO}T_0000002")] == "hand"
    assert graph.kind(organ) == "class"
    assert graph.kind(graph.node(f"{OBO}BFO_0000050")) == "property"
    assert graph.kind(graph.node(f"{OBO}T#_my_hand")) == "individual"
    assert graph.relations[graph.relation("height")] == "http://example.org/height"
    assert graph.edge_weight is not None
    assert sorted(set(graph.edge_weight.tolist())) == [0.5, 1.0]


def test_identifiers_become_iris() -> None:
    """OBO 1.4, section 5.9, and OWL API for local parts with an underscore."""
    names = OboNames("go/subsets/slim")
    assert names("GO:0000001") == f"{OBO}GO_0000001"
    assert names("X:a_b") == f"{OBO}X#_a_b"
    assert names("part_of") == f"{OBO}go/subsets/slim#part_of"
    assert names("http://a/b") == "http://a/b"
    assert names("rdfs:label") == "http://www.w3.org/2000/01/rdf-schema#label"
    assert names("A:b c") == f"{OBO}A_b%20c"
    assert names.learn("part_of", ["X:1", "BFO:0000050"]) == f"{OBO}BFO_0000050"
    assert names("part_of") == f"{OBO}BFO_0000050"
    assert names.learn("a_b", ["X:1"]) is None
    assert names.ontology_iri == f"{OBO}go/subsets/slim.owl"


@pytest.mark.parametrize("name", ["goslim_generic.obo", "uo.obo", "ms.obo", "bfo-2.0.obo"])
def test_lines_are_read_as_fastobo_reads_them(name: str, data: Data) -> None:
    fastobo = pytest.importorskip("fastobo")
    path = data(f"ontologies/{name}")
    with open_source(path, ReadOptions()) as source:
        header, *ours = obo_stanzas(source)
    theirs = fastobo.load(str(path), ordered=True, threads=1)
    assert len(header.lines) == len(theirs.header)
    assert [unescape(stanza.id) for stanza in ours] == [unescape(str(frame.id)) for frame in theirs]
    for stanza, frame in zip(ours, theirs, strict=True):
        assert Counter(line.tag for line in stanza.lines) == Counter(clause.raw_tag() for clause in frame)
        mine = {(line.tag, unescape(line.value)) for line in stanza.lines}
        for clause in frame:
            kind = type(clause).__name__
            if kind in ("IsAClause", "DisjointFromClause", "AltIdClause", "SubsetClause", "NameClause"):
                # To fastobo a comment begins at any "!", even within "(?<=[KR])(?!P)".
                said = unescape(clause.raw_value())
                assert any(t == clause.raw_tag() and (v == said or v.startswith(f"{said}!")) for t, v in mine)
            elif kind == "DefClause":
                (value,) = stanza.values("def")
                quoted = split_quoted(value)
                assert quoted is not None
                assert quoted[0] == str(clause.definition)
                theirs_here = [unescape(str(xref.id)) for xref in clause.xrefs]
                assert len(xrefs(quoted[1])) == len(theirs_here)
                # fastobo cuts an address off at a second colon.
                assert all(a == b or a.startswith(f"{b}:") for a, b in zip(xrefs(quoted[1]), theirs_here, strict=True))


@pytest.mark.parametrize("name", ["goslim_generic.obo", "uo.obo", "ms.obo", "bfo-2.0.obo"])
def test_real_files(name: str, data: Data) -> None:
    path = data(f"ontologies/{name}")
    graph = ClassGraph.read(path)
    assert graph.account.balanced
    text = path.read_text(encoding="utf-8")
    stated = {
        (identifier(stanza), line.split()[1].replace(":", "_"))
        for stanza in text.split("\n\n")
        if stanza.startswith("[Term]")
        for line in stanza.splitlines()
        if line.startswith("is_a:")
    }
    found = {(head, tail) for head, relation, tail in edges(graph) if relation == "subClassOf"}
    # Every is_a, and the genus of every intersection_of, and nothing else.
    genus = {
        (identifier(stanza), line.split()[1].replace(":", "_"))
        for stanza in text.split("\n\n")
        for line in stanza.splitlines()
        if line.startswith("intersection_of:") and len(line.partition("!")[0].split()) == 2
    }
    assert stated | genus == found


def identifier(stanza: str) -> str:
    return next(line for line in stanza.splitlines() if line.startswith("id:")).split()[1].replace(":", "_")


def test_axioms_in_the_header_are_read(data: Data) -> None:
    pytest.importorskip("pyhornedowl")
    graph = ClassGraph.read(data("ontologies/bfo-2.0.obo"))
    kinds = {row.kind for row in graph.account.rows}
    assert "DisjointClasses" in kinds


BROKEN = {
    "no tag": ("format-version: 1.4\n\nhello\n", "line 3", "no tag with a value"),
    "no id": ("format-version: 1.4\n\n[Term]\nname: x\n", "line 3", "has no id"),
    "half a relationship": ("format-version: 1.4\n\n[Term]\nid: T:1\nrelationship: part_of\n", "line 5", "a term"),
    "text without marks": ("format-version: 1.4\n\n[Term]\nid: T:1\ndef: hello []\n", "line 5", "quotation marks"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused_at_their_line(name: str, tmp_path: Path) -> None:
    text, place, problem = BROKEN[name]
    with pytest.raises(InputError) as caught:
        ClassGraph.read(write(tmp_path, text))
    assert place in str(caught.value)
    assert problem in str(caught.value)


def test_clauses_without_meaning_are_counted(tmp_path: Path) -> None:
    text = "format-version: 1.4\ntreat-xrefs-as-is_a: X\n\n[Term]\nid: T:1\nis_a: T:2\nfancy: yes\n"
    graph = ClassGraph.read(write(tmp_path, text))
    assert "left out: 1 fancy, 1 treat-xrefs-as-is_a" in graph.account.notes[0]


GRAPHS = {
    "graphs": [
        {
            "id": f"{OBO}t.owl",
            "nodes": [
                {
                    "id": f"{OBO}T_1",
                    "type": "CLASS",
                    "lbl": "one",
                    "meta": {"definition": {"val": "d", "xrefs": ["X:1"]}},
                },
                {"id": "T:2", "type": "CLASS", "meta": {"synonyms": [{"pred": "hasExactSynonym", "val": "two"}]}},
                {"id": f"{OBO}r", "type": "PROPERTY", "propertyType": "OBJECT"},
                {"id": f"{OBO}x", "type": "INDIVIDUAL"},
            ],
            "edges": [
                {"sub": f"{OBO}T_1", "pred": "is_a", "obj": "T:2"},
                {"sub": f"{OBO}T_1", "pred": f"{OBO}r", "obj": "T:2"},
                {"sub": f"{OBO}x", "pred": "type", "obj": "T:2"},
                {"sub": f"{OBO}x", "pred": f"{OBO}r", "obj": f"{OBO}y"},
            ],
            "equivalentNodesSets": [{"nodeIds": [f"{OBO}T_1", f"{OBO}T_3"]}],
            "logicalDefinitionAxioms": [
                {
                    "definedClassId": f"{OBO}T_4",
                    "genusIds": [f"{OBO}T_1"],
                    "restrictions": [{"propertyId": f"{OBO}r", "fillerId": f"{OBO}T_3"}],
                }
            ],
            "domainRangeAxioms": [{"predicateId": f"{OBO}r", "domainClassIds": [f"{OBO}T_1"]}],
            "propertyChainAxioms": [{"predicateId": f"{OBO}r", "chainPredicateIds": [f"{OBO}r", f"{OBO}s"]}],
        }
    ]
}


def test_obo_graphs_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(json.dumps(GRAPHS))
    graph = ClassGraph.read(path)
    assert edges(graph) == {
        ("T_1", "subClassOf", "T_2"),
        ("T_1", "r", "T_2"),
        ("x", "type", "T_2"),
        ("x", "r", "y"),
        ("T_1", "equivalentClass", "T_3"),
        ("T_3", "equivalentClass", "T_1"),
        ("T_4", "subClassOf", "T_1"),
        ("T_4", "r", "T_3"),
        ("r", "domain", "T_1"),
        ("r", "propertyChainAxiom", "r"),
        ("r", "propertyChainAxiom", "s"),
    }
    assert graph.account.balanced
    assert graph.labels[graph.node(f"{OBO}T_1")] == "one"
    assert graph.provenance["format"] == "obographs"


def test_real_obo_graphs(data: Data) -> None:
    graph = ClassGraph.read(data("ontologies/obographs_basic.json"))
    assert edges(graph) == {
        ("UBERON_0002102", "subClassOf", "UBERON_0002101"),
        ("UBERON_0002398", "subClassOf", "UBERON_0002470"),
        ("UBERON_0002398", "BFO_0000050", "UBERON_0002102"),
        ("UBERON_0002470", "BFO_0000050", "UBERON_0002101"),
    }
    nucleus = ClassGraph.read(data("ontologies/obographs_nucleus.json"))
    stated = json.loads(data("ontologies/obographs_nucleus.json").read_text())["graphs"][0]["edges"]
    assert sum(edge["pred"] == "is_a" for edge in stated) <= sum(e[1] == "subClassOf" for e in edges(nucleus))
    assert nucleus.account.balanced


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"graphs": [', "line 1, column"),
        ('{"graphs": {}}', "no list"),
        ('{"graphs": [{"nodes": [3]}]}', "another shape"),
        ('{"graphs": [{"edges": [{"sub": "a"}]}]}', "another shape"),
        ('{"graphs": ' + "[" * 100_000, "deep"),
    ],
)
def test_broken_obo_graphs_are_refused(content: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "t.json"
    path.write_text(content)
    with pytest.raises(InputError, match=said):
        ClassGraph.read(path)
