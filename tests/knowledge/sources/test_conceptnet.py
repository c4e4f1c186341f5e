"""ConceptNet assertions: languages, stop relations, weights, and what happens to the rest."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import STOP_RELATIONS, read_conceptnet

from ..helpers import edges


def line(relation: str, start: str, end: str, weight: object = 1.0) -> str:
    data = f'{{"dataset": "/d/conceptnet/4/en", "weight": {weight}}}'
    return f"/a/[/r/{relation}/,{start}/,{end}/]\t/r/{relation}\t{start}\t{end}\t{data}\n"


LINES = [
    line("IsA", "/c/en/polar_bear/n/wn/animal", "/c/en/bear/n", 2.0),
    line("CapableOf", "/c/en/polar_bear", "/c/en/swim", 1.5),
    line("CapableOf", "/c/en/polar_bear/n", "/c/en/swim", 4.0),
    line("CapableOf", "/c/en/bat", "/c/en/fly", 0.2),
    line("RelatedTo", "/c/en/bear", "/c/en/honey"),
    line("Antonym", "/c/en/cold", "/c/en/hot"),
    line("IsA", "/c/de/eisbär", "/c/de/bär"),
    line("HasA", "/c/de/eisbär", "/c/en/fur"),
    line("ExternalURL", "/c/en/bear", "http://dbpedia.org/resource/Bear"),
    line("SimilarTo", "/c/en/bear/n", "/c/en/bear/v"),
]


@pytest.fixture
def assertions(tmp_path: Path) -> Path:
    path = tmp_path / "conceptnet-assertions-5.7.0.csv.gz"
    path.write_bytes(gzip.compress("".join(LINES).encode()))
    return path


def test_english_without_stop_relations(assertions: Path) -> None:
    graph = ClassGraph.read(assertions)
    assert edges(graph) == {
        ("polar_bear", "subClassOf", "bear"),
        ("polar_bear", "CapableOf", "swim"),
        ("bat", "CapableOf", "fly"),
    }
    assert graph.edge_weight is not None
    # Two assertions of one edge: the larger weight.
    assert graph.edge_weight.tolist() == pytest.approx([2.0, 4.0, 0.2])
    assert graph.iris[graph.align(["Polar Bear"]).require()[0]] == "http://conceptnet.io/c/en/polar_bear"
    assert graph.account.balanced
    assert graph.account.triples == len(LINES)
    assert graph.account.merged == 1
    assert graph.account.dropped == {
        "a relation that is left out": 2,
        "in another language": 3,  # two German ones and the link out, which has one English end
        "says that a thing is itself": 1,
    }


def test_languages_relations_weights_senses(assertions: Path) -> None:
    def found(**options: object) -> set[tuple[str, str, str]]:
        return edges(read_conceptnet(assertions, **options))  # type: ignore[arg-type]

    assert found(languages=("de",)) == {("eisbär", "subClassOf", "bär")}
    assert ("eisbär", "HasA", "fur") in found(languages=("de", "en"))
    assert ("eisbär", "HasA", "fur") in found(languages=())
    assert found(relations=["/r/RelatedTo"]) == {("bear", "RelatedTo", "honey")}
    assert found(min_weight=1.8) == {("polar_bear", "subClassOf", "bear"), ("polar_bear", "CapableOf", "swim")}
    assert ("animal", "subClassOf", "n") in found(senses=True)
    assert ("cold", "Antonym", "hot") in found(stop_relations=())


def test_a_denial_is_no_similarity(assertions: Path) -> None:
    graph = read_conceptnet(assertions, stop_relations=())
    opposite = graph.edge_type == graph.relation("Antonym")
    assert opposite.any()
    assert not graph.similarity_edges()[opposite].any()


def test_taxonomy_alone(assertions: Path) -> None:
    assert edges(ClassGraph.read(assertions, projection="taxonomy")) == {("polar_bear", "subClassOf", "bear")}
    with pytest.raises(InputError, match="no axioms"):
        ClassGraph.read(assertions, reasoning="rdfs")


def test_the_stop_list_is_that_of_kzsl() -> None:
    assert len(STOP_RELATIONS) == len(set(STOP_RELATIONS)) == 18
    assert {"RelatedTo", "Synonym", "Antonym", "AtLocation", "HasContext"} <= set(STOP_RELATIONS)
    assert not {"IsA", "UsedFor", "PartOf", "HasProperty", "CapableOf"} & set(STOP_RELATIONS)


@pytest.mark.parametrize(
    "broken",
    [
        "a line that is none\n",
        "/a/x\t/r/IsA\t/c/en/a\t/c/en/b\n",
        "/a/x\tIsA\t/c/en/a\t/c/en/b\t{}\n",
        "/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{}\n",
        "/a/x\t/r/IsA\t/c/en/a\t/c/en/b\t{no json\n",
    ],
)
def test_broken_lines_are_named(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "x.csv"
    path.write_text(LINES[0] + broken)
    with pytest.raises(InputError, match=r"x\.csv, line 2: this is no assertion of ConceptNet"):
        ClassGraph.read(path, "conceptnet")


def test_nothing_left_is_said(assertions: Path) -> None:
    with pytest.raises(InputError, match="no assertion is left of 10; check languages"):
        read_conceptnet(assertions, languages=("fr",))
