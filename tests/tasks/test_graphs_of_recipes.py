"""The graph of a recipe is read with all that the recipe says about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from kgzsl.errors import InputError
from kgzsl.knowledge.sources import fill_store
from kgzsl.recipe import Recipe
from kgzsl.tasks._knowledge import read_sources

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
