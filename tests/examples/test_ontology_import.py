"""Every import script runs as its documentation says, prints an account and writes a graph."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kgzsl import ClassGraph
from kgzsl.errors import InputError

FOLDER = Path(__file__).parents[2] / "examples" / "ontology_import"
#: Script -> (arguments, what it needs below KGZSL_DATA, an edge that must come out, by ends of the IRIs).
SCRIPTS: dict[str, list[tuple[list[str], str | None, tuple[str, str, str]]]] = {
    "wordnet": [([], "kg/wordnet/is_a.txt.gz", ("n02084071", "subClassOf", "n02083346"))],
    "conceptnet": [([], "kg/awa/triples/conceptnet_triples_filter.txt", ("gorilla", "subClassOf", "ape"))],
    "wikidata": [([], "kg/wiki_zs/schema/Onto-Wiki.owl.gz", ("P1268", "propertyChainAxiom", "P127"))],
    "gene_ontology": [([], "ontologies/goslim_generic.obo", ("GO_0000228", "subClassOf", "GO_0005694"))],
    "dbpedia": [(["--language", "de"], "ontologies/dbpedia-ontology.ttl.gz", ("Swimmer", "subClassOf", "Athlete"))],
    "kzsl": [
        ([], "kg/awa/KG-AwA.ttl", ("n02106662", "subClassOf", "n02104523")),
        (["--set", "imnet_a", "--hops", "1"], "kg/imnet_a/KG-ImNet-A.ttl", ("n01494757", "subClassOf", "n01494475")),
    ],
    "nell_schema": [
        ([], "kg/nell_schema/Onto-NELL.owl", ("actor", "subClassOf", "person")),
        (
            ["--relations"],
            "kg/nell_schema/Onto-NELL.owl",
            ("academicfieldconcernssubject", "sharedDomain", "academicfieldhasperson"),
        ),
    ],
    "attribute_table": [([], None, ("zebra", "has", "stripes")), ([], None, ("tiger", "habitat", "forest"))],
    "markdown_classes": [([], None, ("cat", "disjointWith", "dog")), ([], None, ("cat", "mentions", "lion"))],
}
CASES = [(name, *case) for name, cases in SCRIPTS.items() for case in cases]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    monkeypatch.syspath_prepend(str(FOLDER))

    def load(name: str) -> Any:
        spec = importlib.util.spec_from_file_location(f"import_{name}", FOLDER / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.mark.parametrize(("name", "arguments", "needs", "edge"), CASES)
def test_script(
    name: str,
    arguments: list[str],
    needs: str | None,
    edge: tuple[str, str, str],
    script: Callable[[str], Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = os.environ.get("KGZSL_DATA")
    if needs is not None and (not data or not Path(data, needs).exists()):
        pytest.skip(f"KGZSL_DATA lacks {needs}")
    out = tmp_path / "x.graph"
    script(name).main([*arguments, "--out", str(out)])
    text = capsys.readouterr().out
    assert f"written to {out}" in text
    graph = ClassGraph.load(out)
    assert repr(graph).split(";")[0] in text
    subject, relation, target = edge
    assert any(
        graph.relations[kind].endswith(relation) and graph.iris[s].endswith(subject) and graph.iris[o].endswith(target)
        for s, o, kind in zip(*graph.edge_index.tolist(), graph.edge_type.tolist(), strict=True)
    )


def test_every_script_is_run() -> None:
    scripts = {path.stem for path in FOLDER.glob("*.py")} - {"_shared", "unicode_characters"}
    assert scripts == set(SCRIPTS)


def test_sources_of_ones_own(script: Callable[[str], Any], tmp_path: Path) -> None:
    dump = tmp_path / "part.nt"
    dump.write_text(
        "<http://www.wikidata.org/entity/Q144> <http://www.wikidata.org/prop/direct/P279> "
        "<http://www.wikidata.org/entity/Q39201> .\n"
    )
    classes = tmp_path / "classes.txt"
    classes.write_text("Q144\n")
    out = tmp_path / "x.graph"
    script("wikidata").main(["--dump", str(dump), "--classes", str(classes), "--out", str(out)])
    assert ClassGraph.load(out).num_edges == 1
    with pytest.raises(InputError, match="too large to be taken whole"):
        script("wikidata").main(["--dump", str(dump), "--out", str(out)])
    assertions = tmp_path / "c.csv"
    assertions.write_text("/a/x\t/r/IsA\t/c/en/cat\t/c/en/animal\t" + json.dumps({"weight": 2.0}) + "\n")
    classes.write_text("cat\nunicorn\n")
    script("conceptnet").main(["--source", str(assertions), "--classes", str(classes), "--out", str(out)])
    assert ClassGraph.load(out).num_edges == 1


def test_tables_and_notes_that_are_broken(script: Callable[[str], Any], tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("class,tail\ncat,1,2\n")
    with pytest.raises(InputError, match=r"t\.csv, row 2: 3 cells where the header has 2"):
        script("attribute_table").read_table(table)
    with pytest.raises(InputError, match=r"no \.md file"):
        script("markdown_classes").read_notes(tmp_path)
    graph = script("attribute_table").read_table(FOLDER / "data" / "attributes.csv")
    # A zero says that the class lacks the attribute: no edge.
    gorilla = {near.relation for near in graph.neighbours(graph.node("gorilla"))}
    assert "has" not in gorilla
    assert graph.edge_weight is not None
    assert 0.95 in graph.edge_weight.round(2).astype(float).round(2).tolist()
