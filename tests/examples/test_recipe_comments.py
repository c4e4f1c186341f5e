"""What the comments of shipped recipes tell a person to paste works in a shell."""

from __future__ import annotations

import re
import shlex

import pytest

from kgzsl import classifiers, generators
from kgzsl.cli.recipes import shipped_recipes
from kgzsl.recipe import Recipe

OPTIONS = [
    (name, option, line)
    for name, file in shipped_recipes().items()
    for line in file.read_text(encoding="utf-8").splitlines()
    if line.startswith("#")
    for option in re.findall(r"--set (?:'[^']*'|\S+)", line)
]


def test_there_are_some() -> None:
    assert len(OPTIONS) > 20


@pytest.mark.parametrize(("name", "option", "line"), OPTIONS)
def test_an_option_in_a_comment_is_one_word_and_is_taken(
    name: str, option: str, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KGZSL_DATA", "/nowhere")
    flag, change = shlex.split(option)
    assert flag == "--set"
    # Some of them go together with another one of the same line, without which they are refused by name.
    together = [shlex.split(found)[1] for found in re.findall(r"--set (?:'[^']*'|\S+)", line)]
    assert change in together
    Recipe.read(shipped_recipes()[name], together)


@pytest.mark.parametrize("name", ["awa2", "cub", "sun", "flo", "apy", "imnet_a", "imnet_o"])
def test_the_comments_of_the_published_sets_name_every_method(name: str) -> None:
    text = shipped_recipes()[name].read_text(encoding="utf-8")
    words = set(re.findall(r"[a-z][a-z-]+", text))
    # clip needs features of its own, compositional classes that are pairs, and g-acil is another name.
    wanted = {*generators.generators.names, *classifiers.classifiers.names} - {"clip", "compositional", "g-acil"}
    assert wanted <= words, wanted - words
