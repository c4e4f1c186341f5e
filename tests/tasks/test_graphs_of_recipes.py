"""The graph of a recipe is read with all that the recipe says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgzsl.errors import InputError
from kgzsl.knowledge import ClassGraph, ClassPriors
from kgzsl.knowledge.operations import without_edge
from kgzsl.knowledge.sources import fill_store
from kgzsl.priors import Attributes, PriorsAgain
from kgzsl.recipe import Recipe
from kgzsl.tasks._knowledge import read_sources
from kgzsl.tasks.statements import statements_about

PREFIXES = """@prefix : <http://e/> . @prefix owl: <http://www.w3.org/2002/07/owl#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
"""
ZOO = (
    PREFIXES
    + "<http://e/zoo> a owl:Ontology ; owl:imports <http://e/food> . :cat rdfs:subClassOf :animal ; :eats :meat ."
)
FOOD = PREFIXES + "<http://e/food> a owl:Ontology . :meat rdfs:subClassOf :food . :food rdfs:subClassOf :thing ."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "zoo.ttl").write_text(ZOO)
    (tmp_path / "imported").mkdir()
    (tmp_path / "imported" / "food.ttl").write_text(FOOD)
    return tmp_path


def graph(folder: Path, text: str):
    recipe = folder / "recipe.yaml"
    recipe.write_text(f"task: image_classification\ndataset: none\npriors: [attributes]\ngraph: {text}\n")
    main, _ = read_sources(Recipe.read(recipe), ["cat"])
    return main.graph


def test_none_is_no_graph_not_even_that_of_the_data(folder: Path) -> None:
    recipe = folder / "recipe.yaml"
    recipe.write_text("task: kg_completion\ndataset: none\npriors: [attributes]\n")
    own = str(folder / "zoo.ttl")
    for changes, there in ((["graph=none"], False), (["graph=null"], True), ([], True)):
        main, (of_prior,) = read_sources(Recipe.read(recipe, changes), ["cat"], graph_source=own)
        assert (main.graph is not None) == there
        assert of_prior == main


@pytest.mark.parametrize("catalogue", ["{'http://e/food': imported/food.ttl}", "imported"])
def test_imports_by_a_catalogue_beside_the_recipe(catalogue: str, folder: Path) -> None:
    (folder / "imported" / "catalog-v001.xml").write_text(
        '<catalog xmlns="urn:oasis:names:tc:entity:xmlns:xml:catalog">'
        '<uri name="http://e/food" uri="food.ttl"/></catalog>'
    )
    assert "http://e/food" not in graph(folder, "zoo.ttl").iris
    assert "http://e/food" in graph(folder, f"{{source: zoo.ttl, imports: local, catalogue: {catalogue}}}").iris
    with pytest.raises(InputError, match="nowhere"):
        graph(folder, "{source: zoo.ttl, imports: local, catalogue: nowhere}")


def test_budgets_leniency_and_options(folder: Path) -> None:
    with pytest.raises(InputError, match="adds more than 0 triples"):
        graph(folder, "{source: imported/food.ttl, reasoning: rdfs, max_added: 0}")
    (folder / "bad.nt").write_text("<http://e/a b> <http://e/p> <http://e/c> .\n")
    assert graph(folder, "{source: bad.nt, lenient: true}").num_edges == 1
    with pytest.raises(InputError, match=r"no option 'colums'.*did you mean 'columns'"):
        graph(folder, "{source: zoo.ttl, options: {colums: 3}}")


def test_a_store_beside_the_recipe(folder: Path) -> None:
    fill_store(folder / "zoo.ttl", folder / "store")
    assert "http://e/cat" in graph(folder, "'store:store'").iris


def test_a_run_keeps_what_its_graph_calls_the_classes(folder: Path) -> None:
    """So that explanations, new classes and the page find the classes that the recipe maps."""
    recipe = folder / "recipe.yaml"
    text = "{source: zoo.ttl, mapping: {Felis catus: 'http://e/cat'}}"
    recipe.write_text(f"task: image_classification\ndataset: none\npriors: [attributes]\ngraph: {text}\n")
    names = ["Felis catus", "animal"]
    main, _ = read_sources(Recipe.read(recipe), names)
    assert main.graph is not None
    assert main.graph.align(names).indices[0] == -1
    kept = main.kept(names)
    assert kept is not None
    kept.save(folder / "kept.npz")
    read = ClassGraph.load(folder / "kept.npz")
    more = ClassGraph.from_triples([("http://e/cat", "http://e/sees", "http://e/mouse")])
    for one in (kept, read, read.merge(more), without_edge(read, 0)):
        at = one.align(names).require()
        assert [one.iris[node] for node in at] == ["http://e/cat", "http://e/animal"]
        assert one.align(["Felis catus"], mapping={"Felis catus": "http://e/animal"}).indices[0] == at[1]
    assert {one.text for one in statements_about(read, "Felis catus")} == {"cat is a kind of animal", "cat eats meat"}
    assert read.subgraph(["http://e/meat"], 0).align(["Felis catus"]).indices[0] == -1
    # Vectors that were made under the graph's own names come out again under those of the data set.
    made = Attributes().fit(main.graph).priors(main.called)
    again = PriorsAgain.of(ClassPriors(tuple(names), made.matrix, made.made), read)
    assert again is not None
    edge = next(one.edge for one in statements_about(read, "Felis catus") if one.text == "cat eats meat")
    before, after = again.without(edge, "Felis catus")
    assert (before != after).sum() == 1
