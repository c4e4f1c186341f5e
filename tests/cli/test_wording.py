"""Remedies in the words of the command line, and imports that follow them."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgzsl.cli.wording import in_options
from kgzsl.errors import InputError

OPTIONS = ("columns", "relation", "format", "lenient", "imports", "catalogue")


@pytest.mark.parametrize(
    ("remedy", "said"),
    [
        (
            "say: columns=('object', 'subject'), relation='rdfs:subClassOf' reads parent child",
            "say: --columns object,subject --relation rdfs:subClassOf reads parent child",
        ),
        ("name it with format=, or use .ttl", "name it with --format, or use .ttl"),
        ("read with lenient=True to take it", "read with --lenient to take it"),
        ("give catalogue={iri: path}, or imports='local'", "give --catalogue FILE, or --imports local"),
        ("give names=, in its order", "give names=, in its order"),
    ],
)
def test_arguments_become_options(remedy: str, said: str) -> None:
    found = in_options(InputError("it is wrong", file="a.txt", place="line 3", remedy=remedy), OPTIONS)
    assert (found.problem, found.file, found.place, found.remedy) == ("it is wrong", "a.txt", "line 3", said)


def test_the_note_is_said_only_where_something_changed() -> None:
    assert in_options(InputError("x", remedy="lenient=True"), OPTIONS, " (note)").remedy == "--lenient (note)"
    assert in_options(InputError("x", remedy="check it"), OPTIONS, " (note)").remedy == "check it"
    assert in_options(InputError("x"), OPTIONS, " (note)").remedy is None


def test_an_import_can_do_what_the_refusal_says(kgzsl, zoo: Path, tmp_path: Path) -> None:
    zoo.write_text(zoo.read_text().replace("zoo#", "zoo##"))
    kgzsl("import", zoo, "--out", tmp_path / "g").refused("line 1", "--lenient")
    assert kgzsl("import", zoo, "--out", tmp_path / "g", "--lenient").code == 0
    (tmp_path / "is_a.txt").write_text("animal\tcat\nanimal\tdog\n")
    kgzsl("import", tmp_path / "is_a.txt", "--out", tmp_path / "g").refused("--columns object,subject --relation")


def test_edges_that_a_taxonomy_leaves_out_are_told(kgzsl, zoo: Path, tmp_path: Path) -> None:
    zoo.write_text(zoo.read_text() + ":Zebra owl:disjointWith :Tiger .\n")
    done = kgzsl("import", zoo, "--out", tmp_path / "g", "--projection", "taxonomy")
    assert "3 edges" in done.out
    assert "1 edges are left out" in done.out
