"""Messages are for people: one line, where, what, remedy."""

from __future__ import annotations

from kgzsl.errors import InputError, nearest


def test_the_line_names_file_place_problem_and_remedy() -> None:
    error = InputError("found\n no key 'att'.", file="att_splits.mat", place="top level", remedy="save it with 'att'")
    assert str(error) == "att_splits.mat, top level: found no key 'att'; save it with 'att'"
    assert (error.file, error.place) == ("att_splits.mat", "top level")


def test_bare_problem() -> None:
    assert str(InputError("no graph given")) == "no graph given"


def test_nearest_ignores_case_and_keeps_spelling() -> None:
    assert nearest("flwoers", ["AwA2", "Flowers", "FLO"])[0] == "Flowers"
    assert nearest("zzz", ["AwA2"]) == []


def test_what_is_no_text_has_nearest_names_too() -> None:
    assert nearest(31, ["30", "x"]) == ["30"]
    assert nearest(None, ["x"]) == []
