"""Names to classes, and a user's own classes by import path."""

from __future__ import annotations

import pytest

from kgzsl._resolver import Resolver
from kgzsl.errors import InputError


class Part:
    """A base."""


class WidePart(Part):
    """A component with one option."""

    def __init__(self, hidden: int = 3) -> None:
        self.hidden = hidden


class LoosePart(Part):
    """A component that takes anything."""

    def __init__(self, **options: int) -> None:
        self.options = options


@pytest.fixture
def parts() -> Resolver[Part]:
    return Resolver("part", Part, {"wide": WidePart, "w-part": WidePart, "loose": LoosePart})


def test_names_aliases_and_options(parts: Resolver[Part]) -> None:
    assert parts.make("wide", hidden=5).hidden == 5
    assert type(parts.make("W-Part")) is WidePart
    assert parts.make("loose", anything=1).options == {"anything": 1}
    assert parts.names == ["loose", "w-part", "wide"]


def test_the_short_name_of_an_alias(parts: Resolver[Part]) -> None:
    named = {name: parts.short_name(name) for name in ("wide", "w-part", "W-Part", "LOOSE", "collections:OrderedDict")}
    assert named == {
        "wide": "wide", "w-part": "w-part", "W-Part": "w-part", "LOOSE": "loose",
        "collections:OrderedDict": "collections:OrderedDict",
    }  # fmt: skip


def test_a_closed_resolver_takes_no_import_path() -> None:
    closed = Resolver("part", Part, {"wide": WidePart}, closed=True)
    assert closed.find("Wide") is WidePart
    for name in ("collections:OrderedDict", "collections.OrderedDict"):
        with pytest.raises(InputError, match=r"no part is called .*; known: wide\.$"):
            closed.find(name)


def test_import_path(parts: Resolver[Part]) -> None:
    assert parts.find("collections:OrderedDict").__name__ == "OrderedDict"
    assert parts.find("collections.OrderedDict").__name__ == "OrderedDict"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda parts: parts.make("wdie"), "no part is called 'wdie'; did you mean wide"),
        (lambda parts: parts.make("zzzzzz"), "known: loose, w-part, wide"),
        (lambda parts: parts.make("wide", hiden=1), "no option 'hiden'; did you mean 'hidden'"),
        (lambda parts: parts.find("nowhere.at:All"), "could not import the part 'nowhere.at:All'"),
        (lambda parts: parts.find("os.path:join"), "is not a class"),
    ],
)
def test_errors_name_the_nearest(parts: Resolver[Part], call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(parts)


def test_text_becomes_what_the_constructor_takes(parts: Resolver[Part]) -> None:
    assert parts.converted("wide", {"hidden": "5"}) == {"hidden": 5}
    assert parts.converted("loose", {"anything": "5"}) == {"anything": "5"}  # nothing says what it is
    with pytest.raises(InputError, match="hidden is 'five': input should be a valid integer"):
        parts.converted("wide", {"hidden": "five"})
