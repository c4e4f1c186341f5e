"""The lines that the how-to gives for papers: recipes, and those that the table of completion is measured with."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from kgzsl.benchmarks.kgc_recipes import PAPERS, ROWS
from kgzsl.recipe import Recipe

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "reproduce_a_paper.md"


def told() -> dict[str, dict]:
    """Row of the how-to's table to its lines."""
    found = {}
    for row, lines in re.findall(r"^\| `(\S+)` \(.*?\) \| (.*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        found[row] = yaml.safe_load("\n".join(re.findall(r"`([^`]+)`", lines)))
    return found


def test_the_how_to_tells_what_is_measured():
    assert told() == ROWS
    assert sorted(row for rows in PAPERS.values() for row in rows) == sorted(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_lines_are_a_recipe(row):
    recipe = Recipe.build({"task": "kg_completion", "dataset": "nell_zs", "generator": {"name": "wgan"}, **told()[row]})
    assert (recipe.generator is None) == (row == "dozsl-gcn")
    assert recipe.priors[0].name == ROWS[row]["priors"][0]["name"]
