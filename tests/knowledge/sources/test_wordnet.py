"""WordNet's own files: synsets under 3.0 offsets, other versions by sense key or not at all."""

from __future__ import annotations

import gzip
import os
import types
from collections.abc import Callable
from pathlib import Path

import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError
from kgzsl.knowledge.sources import first_senses, read_wordnet
from kgzsl.knowledge.texts import NodeText
from kgzsl.knowledge.vocabulary import RDF_TYPE, SUBCLASS_OF

from ..helpers import edges
from .conftest import NOUNS, write_wordnet


def test_synsets_pointers_and_glosses(wordnet: Path) -> None:
    graph = ClassGraph.read(wordnet)
    assert edges(graph) == {
        ("02083346-n", "subClassOf", "00001740-n"),
        ("02084071-n", "subClassOf", "02083346-n"),
        ("02158846-n", "subClassOf", "00001740-n"),
        ("07994941-n", "subClassOf", "00001740-n"),
        ("10114209-n", "subClassOf", "00001740-n"),
        ("09590495-n", "type", "02083346-n"),
        ("02084071-n", "mero_part", "02158846-n"),
        ("07994941-n", "mero_member", "02084071-n"),
    }
    dog = graph.align(["n02084071"]).require()[0]
    assert graph.texts[int(dog)] == (
        NodeText("label", "dog", "en"),
        NodeText("altLabel", "domestic dog", "en"),
        NodeText("altLabel", "Canis familiaris", "en"),
        NodeText("definition", "a member of the genus Canis; occurs in many breeds", "en"),
        NodeText("example", "the dog barked all night", "en"),
        NodeText("example", "a dog's life", "en"),
    )
    assert graph.kind(graph.align(["Cerberus"]).require()[0]) == "individual"
    assert graph.kind(int(dog)) == "class"
    assert graph.account.balanced
    # Three pointers say the same from the other end, one goes to a verb.
    assert graph.account.notes[0].startswith("3 pointers that say the same from the other end, and 1 to verbs")
    assert graph.provenance["version"] == "3.0"


def test_a_name_with_two_senses_is_settled_by_the_index(wordnet: Path) -> None:
    graph = read_wordnet(wordnet)
    assert set(graph.align(["dog"]).ambiguous) == {"dog"}
    names = ["dog", "Domestic Dog", "canis-familiaris"]
    mapping = first_senses(wordnet, names)
    found = graph.align(names, mapping=mapping).require()
    assert [graph.iris[node].rpartition("/")[2] for node in found] == ["02084071-n"] * 3
    with pytest.raises(InputError, match=r"'dgo' \(nearest: dog"):
        first_senses(wordnet, ["dgo", "dog"])


def test_file_compressed_file_and_nltk_reader_are_the_same(wordnet: Path) -> None:
    whole = ClassGraph.read(wordnet)
    packed = wordnet.parent / "packed"
    packed.mkdir()
    (packed / "data.noun.gz").write_bytes(gzip.compress((wordnet / "data.noun").read_bytes()))
    reader = types.SimpleNamespace(root=str(wordnet))
    for source in (wordnet / "data.noun", packed / "data.noun.gz"):
        assert edges(ClassGraph.read(source)) == edges(whole)
    assert edges(read_wordnet(reader)) == edges(whole)
    assert edges(ClassGraph.read(wordnet, "wordnet", projection="taxonomy")) == {
        edge for edge in edges(whole) if edge[1] in ("subClassOf", "type")
    }


@pytest.mark.parametrize("version", ["3.1", "2.0"])
def test_another_version_is_refused(tmp_path: Path, version: str) -> None:
    folder = write_wordnet(tmp_path / "other", version)
    with pytest.raises(
        InputError, match=rf"is WordNet {version}, and wnids are offsets of WordNet 3.0; give reference="
    ):
        ClassGraph.read(folder)
    (folder / "data.noun").write_text(
        "\n".join(line for line in (folder / "data.noun").read_text().split("\n") if not line.startswith("  "))
    )
    with pytest.raises(InputError, match="does not say its version"):
        ClassGraph.read(folder)


def test_another_version_takes_its_offsets_by_sense_key(tmp_path: Path, wordnet: Path) -> None:
    new = [*NOUNS, ("15300000", ["selfie 0"], ["@ 00001740 n 0000"], "a photograph of oneself")]
    folder = write_wordnet(tmp_path / "dict31", "3.1", shift=1234, nouns=new)
    graph = read_wordnet(folder, reference=wordnet)
    assert edges(graph) - {("15301234N", "subClassOf", "00001740-n")} == edges(ClassGraph.read(wordnet))
    # Without a partner there is no wnid, whatever the digits.
    assert graph.align(["n15301234"]).missing
    assert "7 synsets took their 3.0 offsets by sense keys, 1 have none" in graph.account.notes[0]
    with pytest.raises(InputError, match=r"the reference is WordNet 3\.1"):
        read_wordnet(folder, reference=folder)


def test_sense_keys_tell_homonyms_apart(tmp_path: Path, wordnet: Path) -> None:
    # The lucky dog has lex_id 1 and must not take the place of the animal, although it comes first.
    folder = write_wordnet(tmp_path / "dict31", "3.1", shift=7, nouns=NOUNS[::-1])
    graph = read_wordnet(folder, reference=wordnet)
    assert graph.node_text(graph.align(["n10114209"]).require()[0]).startswith("dog. informal term for a man")


def test_broken_files_are_named(tmp_path: Path, wordnet: Path) -> None:
    text = (wordnet / "data.noun").read_text()
    for broken in (text.replace(" 05 n 03 ", " 05 n zz "), text.replace("%p 02158846 n 0000", "%p 02158846 n")):
        (wordnet / "data.noun").write_text(broken)
        with pytest.raises(InputError, match=r"data\.noun, line 6: this is no line of WordNet"):
            ClassGraph.read(wordnet)
    (wordnet / "data.noun").write_text(text.replace("02158846 05", "02158847 05"))
    with pytest.raises(InputError, match=r"index\.noun sends 'flag' to 02158846"):
        ClassGraph.read(wordnet)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"holds no data\.noun"):
        read_wordnet(tmp_path / "empty")


@pytest.mark.slow
def test_the_real_wordnet_gives_imagenet_its_hierarchy(data: Callable[[str], Path]) -> None:
    folder = os.environ.get("WNHOME")
    if not folder:
        pytest.skip("WNHOME does not name a folder of WordNet 3.0 (Debian: wordnet-base, /usr/share/wordnet)")
    graph = ClassGraph.read(folder)
    lines = gzip.decompress(data("kg/wordnet/is_a.txt.gz").read_bytes()).decode().split("\n")
    expected = {tuple(line.split()[::-1]) for line in lines if line}
    wnids = [f"n{iri.rpartition('/')[2][:8]}" for iri in graph.iris]
    kinds = graph.edge_type == graph.relation(SUBCLASS_OF)
    assert {(wnids[s], wnids[o]) for s, o in graph.edge_index[:, kinds].T.tolist()} == expected
    assert RDF_TYPE in graph.relations
    assert graph.num_nodes == 82_115
