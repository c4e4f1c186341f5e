"""Pages written from the code: one for each component, with its options; the commands; the keys of a recipe."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from kgzsl import classifiers, generators, priors
from kgzsl.cli.commands import ALL

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture(scope="module")
def pages() -> ModuleType:
    spec = importlib.util.spec_from_file_location("kgzsl_pages", DOCS / "_ext" / "kgzsl_pages.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["kgzsl_pages"] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(pages: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    docs = tmp_path_factory.mktemp("docs")
    files = pages.write_pages(docs)
    return {file.relative_to(docs / "generated").as_posix(): file.read_text() for file in files}


def test_every_component_has_a_page_with_all_its_options(written: dict[str, str]) -> None:
    resolvers = {"priors": priors.encoders, "generators": generators.generators, "classifiers": classifiers.classifiers}
    index = written["methods/index.md"]
    for package, resolver in resolvers.items():
        assert len(resolver.names) > 1
        for name in resolver.names:
            assert f"[`{name}`]({package}/" in index
            page = written.get(f"methods/{package}/{name}.md")
            if page is None:  # another name of the same component
                assert "the same as" in next(line for line in index.splitlines() if f"[`{name}`]" in line)
                continue
            assert "Paradigm: " in page
            for option in inspect.signature(resolver.find(name)).parameters.values():
                if option.kind not in (option.VAR_KEYWORD, option.VAR_POSITIONAL):
                    assert f"| `{option.name}` |" in page


# Of Chen et al., Proceedings of the IEEE 2023, and what stands before and after any of them.
PARADIGMS = {"propagation-based", "mapping-based", "data augmentation", "side information", "decision"}


def test_every_method_is_of_a_paradigm_of_the_survey(pages: ModuleType) -> None:
    told = {}
    for resolver in (priors.encoders, generators.generators, classifiers.classifiers):
        for name in resolver.names:
            told[name] = pages.paradigm(resolver.find(name)).partition(":")[0]
    assert set(told.values()) == PARADIGMS
    assert all(told[name] == "data augmentation" for name in generators.generators.names)
    assert {told[name] for name in ("gcn", "dgp", "rgcn", "compgcn", "trgcn")} == {"propagation-based"}
    assert {told[name] for name in ("ale", "devise", "sje", "eszsl", "sae", "conse")} == {"mapping-based"}
    assert {told[name] for name in ("attributes", "transe", "text")} == {"side information"}


# What a formula has, and a sentence has not.
FORMULA = re.compile(r"``[^`]*(=|\|\||\^|log |E\[|max\(|act\(|exp\()[^`]*``|E\[|\w+\([^)]*\)[^`]*=|=[^`]*\w+\(")


def test_every_method_shows_its_equation() -> None:
    without = set()
    for resolver in (priors.encoders, generators.generators, classifiers.classifiers):
        for name in resolver.names:
            about = inspect.cleandoc(resolver.find(name).__doc__ or "").partition("\nArgs:")[0]
            if not FORMULA.search(about):
                without.add(name)
    assert without == {"auto"}, without  # it tries others and computes nothing of its own


# What is put together here of known parts, and says so; all others are after a paper.
OF_ITS_OWN = {"auto", "combined", "linear", "evidential", "metric", "views"}


def test_every_method_names_its_paper() -> None:
    for resolver in (priors.encoders, generators.generators, classifiers.classifiers):
        without = {name for name in resolver.names if not re.search(r"(19|20)\d\d", resolver.find(name).__doc__ or "")}
        assert without <= OF_ITS_OWN


def test_every_command_is_in_the_reference(written: dict[str, str]) -> None:
    assert written["cli.md"].count("\n## kgzsl ") >= len(ALL)
    assert "## kgzsl datasets status" in written["cli.md"]
    assert "`--set, -s`" in written["cli.md"]


def test_types_of_recipe_keys_are_said_as_people_write_them(written: dict[str, str]) -> None:
    page = written["recipe.md"]
    assert "0x" not in page
    assert "BeforeValidator" not in page
    assert "| `reasoning` | `'none' or 'rdfs' or 'owl2rl' or 'el' or 'hermit'` | `'none'` |" in page


def test_options_are_read_off_the_docstrings_of_all_bases(pages: ModuleType) -> None:
    class Base:
        """x.

        Args:
            dim: Numbers per node; see
                :class:`Other`.
        """

    class Child(Base):
        """y.

        Args:
            norm: ``1`` or ``2``.

        Raises:
            ValueError: Never.
        """

    assert pages._arguments(Child) == {"norm": "``1`` or ``2``.", "dim": "Numbers per node; see :class:`Other`."}
    assert pages._cell("see :class:`~kgzsl.Other` or ``a|b``") == r"see `kgzsl.Other` or `a\|b`"
